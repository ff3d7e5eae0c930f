/**
 * An operator distrusts the replica, or has mended something: it is given up by the rules that every end of a protection obeys (P4), and
 * made anew. The guest runs on; it is the same promotion, so the generation stays, and the session is another one.
 */
import { OCF, REFUSED } from './ocf.js';
import { isPaused, restarts, RESYNC } from './policy.js';
import { abandon } from './abandon.js';
import { FIND_PEERS, type Primary, runOf, setProtection } from './primary.js';
import { sameReplica } from './record.js';
import type { OpRef, Resync, State } from './state.js';
import { Turn } from './turn.js';
import { stateWords, words } from './view.js';
import { beginWithdrawal } from './withdraw.js';

/** Who asks, and where. */
export interface Asker {
  readonly by: string | null;
  readonly node: string;
}

export function opResync(turn: Turn, op: OpRef, { by, node }: Asker): void {
  const { resync, phase } = turn.state;
  if (resync !== null) {
    turn.join(op, resync.op);
    return;
  }
  const problem = refusal(turn.state);
  if (problem !== null || phase.kind !== 'primary') {
    turn.note('resync refused', { because: problem });
    turn.reply(op, REFUSED, problem);
    return;
  }
  turn.note('a new replica asked for by the operator', {
    ...(by === null ? {} : { by }),
    on: node,
  });
  const { protection } = phase;
  const replica = runOf(protection)?.replica ?? null;
  const since_ms = protection.kind === 'protected' ? turn.now_ms : null;
  const limit_tag = turn.timer(turn.left(op, 0));
  turn.patch({ resync: { op, replica, since_ms, limit_tag } });
  begin(turn, { ...phase, attempts: 0 });
}

/** What to type instead is in it. */
function refusal(state: State): string | null {
  const { phase, resource, node, switchover, pausing, config } = state;
  if (restarts(config))
    return `${resource} has no replica (mode=restart); for one type: crm_resource -r ${resource} -p mode -v remus`;
  const status = `type: remusctl status ${resource}`;
  if (phase.kind !== 'primary') return `${resource} does not run on ${node}; ${status}`;
  if (phase.leaving !== null || phase.ended !== null)
    return `${resource} is just being taken away from ${node}; ${status}`;
  if (switchover !== null)
    return `a switchover of ${resource} is under way, which ends with a new replica; ${status}`;
  const resume = `type: remusctl resume ${resource}`;
  if (pausing !== null)
    return pausing.want === 'paused'
      ? `replication of ${resource} is just being paused; for a new replica ${resume}`
      : `replication of ${resource} is just being resumed, which makes a new replica; ${status}`;
  if (!isPaused(phase.protection)) return null;
  return `${resource} has no replica (${stateWords(state) ?? 'paused'}); for a new one ${resume}`;
}

/** Whatever there is of the old one ends, by its own road; what has only just begun is a new one already. */
function begin(turn: Turn, phase: Primary): void {
  const { protection } = phase;
  switch (protection.kind) {
    case 'none':
      if (phase.generation > 0)
        setProtection(turn, phase, { ...protection, tag: turn.run(FIND_PEERS) });
      return;
    case 'launching':
      abandon(turn, phase, protection, RESYNC);
      return;
    case 'seeding':
      abandon(turn, phase, protection.run, RESYNC);
      return;
    case 'granting':
    case 'protected':
      beginWithdrawal(turn, phase, protection.run, RESYNC);
      return;
    case 'preparing':
    case 'abandoning':
    case 'withdrawing':
      turn.to(phase);
  }
}

/** After each step: what the operator waits for may have come true, or cannot any more. */
export function settleResync(turn: Turn, before: State): void {
  const { resync, phase, resource, node } = turn.state;
  if (resync === null) return;
  if (phase.kind !== 'primary' || phase.leaving !== null || phase.ended !== null) {
    const reason = `${resource} is not to run on ${node} any more; where it runs next, its replica is made anew; see: remusctl status ${resource}`;
    finish(turn, resync, OCF.ERR_GENERIC, reason);
    return;
  }
  const { protection } = phase;
  if (isPaused(protection)) {
    const reason = `overtaken: ${stateWords(turn.state) ?? 'paused'}; type: remusctl resume ${resource}`;
    finish(turn, resync, OCF.ERR_GENERIC, reason);
    return;
  }
  if (protection.kind === 'protected' && isAnother(resync, protection.run.replica)) {
    done(turn, resync, protection.run.peer.node);
    return;
  }
  const now = words(turn.state);
  if (now !== null && now !== words(before)) turn.progress(resync.op, now);
}

function isAnother({ replica }: Resync, now: NonNullable<Resync['replica']>): boolean {
  return replica === null || !sameReplica(replica, now);
}

function done(turn: Turn, resync: Resync, to: string): void {
  const { node } = turn.state;
  const { since_ms } = resync;
  const unprotected_ms = since_ms === null ? null : Math.round(turn.now_ms - since_ms);
  turn.note('protected by the new replica', {
    to,
    ...(unprotected_ms === null ? {} : { unprotected_ms }),
  });
  finish(turn, resync, OCF.SUCCESS, null, { node, to, unprotected_ms, words: words(turn.state) });
}

/** @returns true when the timer was the resync's. */
export function resyncTimer(turn: Turn, tag: number): boolean {
  const { resync, resource } = turn.state;
  if (resync?.limit_tag !== tag) return false;
  const now = stateWords(turn.state) ?? 'stopped';
  const late = `the replica is being made anew, but ${resource} is not protected yet (${now}); it goes on by itself; see: remusctl status ${resource}`;
  finish(turn, resync, OCF.ERR_GENERIC, late);
  return true;
}

function finish(
  turn: Turn,
  { op }: Resync,
  rc: number,
  reason: string | null,
  data?: unknown,
): void {
  turn.patch({ resync: null });
  turn.reply(op, rc, reason, data);
}
