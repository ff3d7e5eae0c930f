/**
 * An operator's pause and resume of a VM's replication. The pause is a property of the VM, kept in the CIB beside its record:
 * it outlives daemons, moves, stops and the whole cluster's outage, until a resume, or until the end that was said with it, by the
 * clock of the node that runs the VM then. A primary asks for it before every attempt at protection, and again while it lasts. What runs when it comes is ended by the rules that every end of a protection obeys (P4).
 */
import type { Done } from './event.js';
import { OCF, REFUSED } from './ocf.js';
import {
  type FoundPause,
  momentWords,
  type Pause,
  pauseDetails,
  pauseWords,
  samePause,
} from './pause-record.js';
import { DELAY, isPaused, PAUSE_OVER, PAUSED, restarts } from './policy.js';
import { abandon } from './abandon.js';
import { FIND_PEERS, type Primary, setProtection } from './primary.js';
import type { OpRef, Pausing, Peer, State } from './state.js';
import { Turn } from './turn.js';
import { words } from './view.js';
import { beginWithdrawal } from './withdraw.js';

const RESUMED = 'resumed by the operator';
type Want = Pausing['want'];
const VERB = { paused: 'pause', resumed: 'resume' } as const;

export function opPause(turn: Turn, op: OpRef, pause: Pause): void {
  ordered(turn, op, 'paused', pause);
}

export function opResume(turn: Turn, op: OpRef): void {
  ordered(turn, op, 'resumed', null);
}

function ordered(turn: Turn, op: OpRef, want: Want, pause: Pause | null): void {
  const { pausing } = turn.state;
  if (pausing !== null && pausing.want === want && samePause(pausing.pause, pause)) {
    turn.join(op, pausing.op);
    return;
  }
  const problem = refusal(turn.state);
  if (problem !== null) {
    turn.note(`${VERB[want]} refused`, { because: problem });
    turn.reply(op, REFUSED, problem);
    return;
  }
  if (pausing !== null)
    finish(turn, pausing, OCF.ERR_GENERIC, `overtaken: ${want} by the operator`);
  const because = pause?.why == null ? {} : { because: pause.why };
  const details = pause === null ? {} : pauseDetails(pause);
  turn.note(`${VERB[want]} asked for by the operator`, { ...because, ...details });
  turn.progress(op, "writing it into the cluster's records");
  const tag = turn.run({ task: 'write-pause', pause });
  const limit_tag = turn.timer(turn.left(op, 0));
  turn.patch({ pausing: { op, want, pause, step: 'write', changed: true, tag, limit_tag } });
}

function refusal({ phase, resource, node, switchover, config }: State): string | null {
  if (phase.kind !== 'primary') return `${resource} does not run on ${node}`;
  if (restarts(config))
    return `${resource} is not replicated (mode=restart); to have it replicated type: crm_resource -r ${resource} -p mode -v remus`;
  if (phase.leaving !== null) return `${resource} is just being taken away from ${node}`;
  return switchover === null ? null : `a switchover of ${resource} is under way`;
}

/** @returns true when the result was the pause's. */
export function pauseWritten(turn: Turn, event: Done): boolean {
  const { pausing, phase } = turn.state;
  if (event.task !== 'write-pause' || pausing?.tag !== event.tag) return false;
  turn.patch({ pausing: { ...pausing, step: 'end', changed: event.value.changed } });
  if (phase.kind !== 'primary') return true;
  if (pausing.want === 'paused') {
    turn.patch({ paused: pausing.pause });
    endForPause(turn, phase);
  } else tryAgain(turn, phase);
  return true;
}

/** @returns true when the failure was the pause's. */
export function pauseNotWritten(turn: Turn, tag: number, error: string): boolean {
  const { pausing, resource } = turn.state;
  if (pausing?.tag !== tag) return false;
  const or = pausing.want === 'paused' ? `, or: remusctl resume ${resource}` : '';
  const reason = `it is not sure that the cluster has taken it down: ${error}; type it again${or}`;
  turn.note(`${VERB[pausing.want]} not done`, { error });
  finish(turn, pausing, OCF.ERR_GENERIC, reason);
  return true;
}

/** @returns true when the timer was the pause's. */
export function pauseTimer(turn: Turn, tag: number): boolean {
  const { pausing, resource } = turn.state;
  if (pausing?.limit_tag !== tag) return false;
  const now = words(turn.state) ?? 'stopped';
  const look = `it goes on by itself; see: remusctl status ${resource}`;
  const late =
    pausing.step === 'write'
      ? 'it is not sure yet that the cluster has taken it down; type it again'
      : pausing.want === 'paused'
        ? `the pause is recorded, but replication has not ended yet (${now}); ${look}`
        : `replication is on again, but ${resource} is not protected yet (${now}); ${look}`;
  finish(turn, pausing, OCF.ERR_GENERIC, late);
  return true;
}

/** After each step: what the operator waits for may have come true, or cannot any more. */
export function settlePause(turn: Turn, before: State): void {
  const { pausing, phase, resource, node } = turn.state;
  if (pausing?.step !== 'end') return;
  const { want, changed, pause } = pausing;
  if (phase.kind !== 'primary') {
    const reason = `${resource} does not run on ${node} any more; that it is ${want} is recorded, for wherever it runs next`;
    finish(turn, pausing, OCF.ERR_GENERIC, reason);
    return;
  }
  const { protection } = phase;
  const over = want === 'paused' ? protection.kind === 'none' : protection.kind === 'protected';
  // Nothing was paused: then there is nothing to wait for either.
  if (over || (want === 'resumed' && !changed)) {
    if (pause !== null)
      turn.note('paused', { because: `there is no replica until ${endOf(pause)}` });
    const data = { node, changed, words: words(turn.state), ...(pause === null ? {} : { pause }) };
    finish(turn, pausing, OCF.SUCCESS, null, data);
    return;
  }
  const now = words(turn.state);
  if (now !== null && now !== words(before)) turn.progress(pausing.op, now);
}

function finish(
  turn: Turn,
  { op }: Pausing,
  rc: number,
  reason: string | null,
  data?: unknown,
): void {
  turn.patch({ pausing: null });
  turn.reply(op, rc, reason, data);
}

function endOf({ until }: Pause): string {
  return until === null ? 'a resume' : `${momentWords(until)}, or a resume`;
}

/** Whatever there is of a replication ends, by its own road, and is not tried again. */
export function endForPause(turn: Turn, phase: Primary): void {
  const { protection } = phase;
  switch (protection.kind) {
    case 'none': {
      // A search that is under way may have seen the records of before the pause. One for a lost record goes on.
      const tag = phase.generation > 0 ? turn.run(FIND_PEERS) : protection.tag;
      setProtection(turn, phase, { kind: 'none', reason: PAUSED, tag });
      return;
    }
    case 'preparing':
    case 'launching':
      abandon(turn, phase, protection, PAUSED);
      return;
    case 'seeding':
      abandon(turn, phase, protection.run, PAUSED);
      return;
    case 'granting':
    case 'protected':
      beginWithdrawal(turn, phase, protection.run, PAUSED);
      return;
    case 'abandoning':
    case 'withdrawing':
      setProtection(turn, phase, { ...protection, reason: PAUSED });
  }
}

function tryAgain(turn: Turn, phase: Primary): void {
  const { protection } = phase;
  if (!isPaused(protection)) return;
  if (protection.kind === 'none' && phase.generation > 0) {
    const tag = turn.run(FIND_PEERS);
    setProtection(turn, { ...phase, attempts: 0 }, { ...protection, tag });
  } else if (protection.kind === 'abandoning' || protection.kind === 'withdrawing') {
    setProtection(turn, { ...phase, attempts: 0 }, { ...protection, reason: RESUMED });
  }
}

/**
 * The search for a peer has looked into the records. A backup may have come, or have lost its primary, since it was last told.
 * @returns why the VM is not protected, when it may be now; null when it is paused.
 */
export function pauseSeen(turn: Turn, phase: Primary, reason: string, found: Seen): string | null {
  const { paused } = found;
  const before = turn.state.paused;
  turn.patch({ paused: paused?.pause ?? null });
  if (paused === null) return notPaused(turn, phase, reason, before, found.peers);
  // Taken out, and there again: somebody has paused it anew, or the cluster does not take it down. Not in a circle.
  if (isOver(paused) && reason !== PAUSE_OVER) {
    const tag = turn.run({ task: 'end-pause', text: paused.text });
    setProtection(turn, phase, { kind: 'none', reason, tag });
    return null;
  }
  if (reason !== PAUSED) turn.note('not replicating', { because: pauseWords(paused.pause) });
  tellPaused(turn, phase, found.peers, true);
  const tag = turn.timer(untilNextLook(paused));
  setProtection(turn, phase, { kind: 'none', reason: PAUSED, tag });
  return null;
}

interface Seen {
  readonly paused: FoundPause | null;
  readonly peers: readonly Peer[];
}

function notPaused(
  turn: Turn,
  phase: Primary,
  reason: string,
  before: Pause | null,
  peers: readonly Peer[],
): string {
  if (reason !== PAUSED && reason !== PAUSE_OVER) return reason;
  const over = reason === PAUSE_OVER;
  const because = over ? PAUSE_OVER : RESUMED;
  const details = over && before !== null ? pauseDetails(before) : {};
  turn.note('replicating again', { because, ...details });
  tellPaused(turn, phase, peers, false);
  return because;
}

function tellPaused(
  turn: Turn,
  { generation }: Primary,
  found: readonly Peer[],
  paused: boolean,
): void {
  const peers = found.map(({ node }) => node);
  if (peers.length > 0) turn.run({ task: 'tell-paused', peers, generation, paused });
}

function isOver({ left_ms }: FoundPause): boolean {
  return left_ms !== null && left_ms <= 0;
}

/** The end is looked for by the wall clock, which may jump: no wait is longer than that for any other change. */
function untilNextLook({ left_ms }: FoundPause): number {
  if (left_ms === null || left_ms <= 0) return DELAY.paused_look;
  return Math.min(DELAY.paused_look, Math.max(left_ms, DELAY.protect_retry));
}

/** A pause that has come to its end is in the records no more: now as after a resume, if no other is there. */
export function pauseEnded(turn: Turn, phase: Primary): void {
  const tag = turn.run(FIND_PEERS);
  setProtection(turn, { ...phase, attempts: 0 }, { kind: 'none', reason: PAUSE_OVER, tag });
}
