/**
 * mode=restart: no replica is kept. A failover starts the VM from its configuration; only a planned move takes its memory
 * along, by the same road as a replica: a first copy while the guest runs, then checkpoints, until Pacemaker demotes this node.
 *
 * Disks may be written to, so the copy must never be promoted while the guest here may run on. It is therefore never granted
 * before the end: the guest is paused at the last checkpoint, its domain is destroyed, and then the grant is written (demote.ts).
 * Whatever fails until then costs the copy, and after it the memory, but never the order of what is on a disk.
 *
 * operator: none -> copying -> asking Pacemaker (switchover.ts) -> demote
 * Pacemaker alone (standby, move): demote -> plan -> copying -> hand over, or shut the guest down when there is no time
 */
import { OCF, REFUSED } from './ocf.js';
import { handOverCopy, withdrawFirst } from './demote.js';
import { copied, RESTART, restarts } from './policy.js';
import { abandon } from './abandon.js';
import { FIND_PEERS, type Primary, setProtection } from './primary.js';
import type { TaskResults } from './effect.js';
import type { Leaving, Moving, OpRef, Peer, Protection, Replication, State } from './state.js';
import { askPacemaker, cancelSwitchover } from './switchover.js';
import { Turn } from './turn.js';
import { stateWords } from './view.js';
import { beginWithdrawal } from './withdraw.js';

/** Of a demote's time, left for a guest that has to be shut down after all. */
const SHUTDOWN_SHARE = 0.5;

export function opMove(turn: Turn, op: OpRef, to: string | null): void {
  const { phase } = turn.state;
  const problem = refusal(turn.state);
  if (problem !== null || phase.kind !== 'primary') {
    turn.note('switchover refused', { because: problem });
    turn.reply(op, REFUSED, problem);
    return;
  }
  turn.note('a planned move asked for by the operator', { ...(to === null ? {} : { to }) });
  turn.patch({ moving: { op, to, tried: false, limit_tag: turn.timer(turn.left(op, 0)) } });
  // What is still being ended goes its way first: `unprotected` comes back here.
  if (phase.protection.kind === 'none') begin(turn, phase, turn.state.moving);
}

function refusal({ phase, resource, node, switchover, moving }: State): string | null {
  const status = `type: remusctl status ${resource}`;
  if (phase.kind !== 'primary') return `${resource} does not run on ${node}; ${status}`;
  if (phase.leaving !== null || phase.ended !== null)
    return `${resource} is just being taken away from ${node}; ${status}`;
  return switchover === null && moving === null
    ? null
    : `a switchover of ${resource} is already under way; ${status}`;
}

/** The one copy of a planned move. A primary that is still learning its generation looks for a peer by itself. */
function begin(turn: Turn, phase: Primary, moving: Moving | null): void {
  if (moving !== null) turn.patch({ moving: { ...moving, tried: true } });
  const tag = phase.generation > 0 ? turn.run(FIND_PEERS) : tagOf(phase);
  setProtection(turn, phase, { kind: 'none', reason: RESTART, tag });
}

function tagOf({ protection }: Primary): number {
  return protection.kind === 'none' ? protection.tag : Turn.NO_TAG;
}

/** A demote of a VM whose memory could go along. */
export function leaveByMove(turn: Turn, phase: Primary, op: OpRef, then: Leaving['then']): void {
  if (turn.state.moving !== null) fail(turn, `Pacemaker takes it away from ${turn.state.node}`);
  const tag = turn.run({ task: 'planned-promotion', record: null });
  const limit_tag = turn.timer(turn.left(op, 0) * SHUTDOWN_SHARE);
  turn.to({ ...phase, leaving: { op, then, limit_tag, move: { kind: 'plan', tag } } });
}

/** @returns true when the result was the answer to where Pacemaker will promote. */
export function movePlanned(
  turn: Turn,
  phase: Primary,
  tag: number,
  planned: TaskResults['planned-promotion'] | null,
): boolean {
  const { leaving } = phase;
  if (leaving?.move?.kind !== 'plan' || leaving.move.tag !== tag) return false;
  const to = planned?.node ?? null;
  if (to === null || to === turn.state.node)
    shutDown(turn, phase, 'Pacemaker will not promote another node');
  else copyTo(turn, phase, leaving, to);
  return true;
}

function copyTo(turn: Turn, phase: Primary, leaving: Leaving, to: string): void {
  turn.note('Pacemaker moves the VM: copying its memory first', { to });
  const { protection } = phase;
  const tried = protection.kind === 'none' || peerOf(protection) === to;
  const next: Primary = { ...phase, leaving: { ...leaving, move: { kind: 'copy', to, tried } } };
  turn.to(next);
  if (protection.kind === 'none') begin(turn, next, null);
  else if (!tried) endCopy(turn, next, RESTART);
}

/** Whoever gets the copy that is under way. */
function peerOf(protection: Protection): string | null {
  if (protection.kind === 'preparing' || protection.kind === 'launching')
    return protection.peer.node;
  return protection.kind === 'seeding' ? protection.run.peer.node : null;
}

/** No time, or nobody to take it. */
export function shutDown(turn: Turn, phase: Primary, because: string): void {
  const { leaving } = phase;
  if (leaving === null) return;
  turn.note('no handover', { because });
  withdrawFirst(turn, { ...phase, leaving: null }, leaving.op, leaving.then);
}

/**
 * A copy has come to its end before it was handed over, or there was none.
 * @returns true when another one is begun, or will be.
 */
export function copyAgain(turn: Turn, phase: Primary, reason: string): boolean {
  if (phase.leaving !== null) return leavingAgain(turn, phase, phase.leaving, reason);
  cancelSwitchover(turn, `the copy of its memory has ended: ${reason}; it runs on as before`);
  const { moving } = turn.state;
  if (moving?.tried === false) {
    begin(turn, phase, moving);
    return true;
  }
  fail(turn, `its memory could not be copied: ${reason}; it runs on as before`);
  return false;
}

function leavingAgain(turn: Turn, phase: Primary, leaving: Leaving, reason: string): boolean {
  const { move } = leaving;
  if (move === null) return false;
  if (move.kind === 'plan') {
    setProtection(turn, phase, { kind: 'none', reason, tag: Turn.NO_TAG });
    return true;
  }
  if (move.tried) {
    turn.note('no handover', { because: reason });
    return false;
  }
  begin(turn, { ...phase, leaving: { ...leaving, move: { ...move, tried: true } } }, null);
  return true;
}

/** Who shall get the copy; null when none is wanted, then `because`. */
export function peerForMove(
  { moving, switchover, phase }: State,
  { peers, none_because }: TaskResults['find-peers'],
): { readonly peer: Peer | null; readonly because: string } {
  const leaving = phase.kind === 'primary' ? (phase.leaving?.move ?? null) : null;
  if (moving === null && switchover === null && leaving === null)
    return { peer: null, because: RESTART };
  const to = leaving?.kind === 'copy' ? leaving.to : (moving?.to ?? switchover?.to ?? null);
  const peer = peers.find(({ node }) => to === null || node === to) ?? null;
  return { peer, because: none_because || `${to ?? 'no other node'} cannot take it now` };
}

function isWanted({ moving, switchover, phase }: State): boolean {
  const leaving = phase.kind === 'primary' && phase.leaving?.move != null;
  return moving !== null || switchover !== null || leaving;
}

/** After each step: the copy may be whole, or nobody wants it any more. */
export function settleMove(turn: Turn, before: State): void {
  const { phase, moving, resource, node } = turn.state;
  if (phase.kind !== 'primary' || phase.ended !== null) {
    if (moving !== null) fail(turn, `${resource} does not run on ${node} any more`);
    return;
  }
  if (!restarts(turn.state.config)) {
    if (moving !== null) fail(turn, 'its parameter "mode" was changed; type it again');
    return;
  }
  if (!isWanted(turn.state)) {
    // A shutdown has its own road.
    if (phase.leaving === null) endCopy(turn, phase, RESTART);
    return;
  }
  const run = copied(phase.protection);
  if (run !== null) wholeCopy(turn, phase, run);
  else if (moving !== null) tellProgress(turn, before, moving.op);
}

function wholeCopy(turn: Turn, phase: Primary, run: Replication): void {
  const { moving } = turn.state;
  const { leaving } = phase;
  if (leaving !== null) {
    if (leaving.move?.kind === 'copy' && leaving.move.to === run.peer.node)
      handOverCopy(turn, phase, leaving, run);
  } else if (moving !== null) {
    turn.patch({ moving: null });
    askPacemaker(turn, moving.op, run.peer.node);
  }
}

function tellProgress(turn: Turn, before: State, op: OpRef): void {
  const now = stateWords(turn.state);
  if (now !== null && now !== stateWords(before)) turn.progress(op, now);
}

function endCopy(turn: Turn, phase: Primary, reason: string): void {
  const { protection } = phase;
  switch (protection.kind) {
    case 'preparing':
    case 'launching':
      abandon(turn, phase, protection, reason);
      return;
    case 'seeding':
      abandon(turn, phase, protection.run, reason);
      return;
    case 'granting':
    case 'protected':
      // Its mode was changed just now.
      beginWithdrawal(turn, phase, protection.run, reason);
      return;
    case 'none':
    case 'abandoning':
    case 'withdrawing':
  }
}

/** @returns true when the timer ended an operator's wait. */
export function moveTimer(turn: Turn, tag: number): boolean {
  const { moving } = turn.state;
  if (moving?.limit_tag !== tag) return false;
  const now = stateWords(turn.state) ?? 'stopped';
  const why = `its memory was not copied in time (${now}); it runs on as before`;
  fail(turn, `${why}; type it again with a longer --timeout`);
  return true;
}

function fail(turn: Turn, because: string): void {
  const { moving, resource } = turn.state;
  if (moving === null) return;
  turn.note('switchover given up', { reason: because });
  turn.reply(moving.op, OCF.ERR_GENERIC, `${resource} was not moved: ${because}`);
  turn.patch({ moving: null });
}

/**
 * A mode that was changed while the VM runs. What restart ends, `settleMove` ends. For remus a new replica is begun: what a copy's
 * guest has sent was not held, so it can never be granted while that guest runs.
 */
export function modeChanged(turn: Turn, before: State): void {
  const { phase, config } = turn.state;
  if (!restarts(before.config) || restarts(config) || phase.kind !== 'primary') return;
  const { protection } = phase;
  if (protection.kind !== 'none') endCopy(turn, phase, 'its mode was changed');
  else if (phase.generation > 0)
    setProtection(turn, { ...phase, attempts: 0 }, { ...protection, tag: turn.run(FIND_PEERS) });
}
