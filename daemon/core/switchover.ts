/**
 * An operator's switchover. It only changes promotion scores: Pacemaker then moves the promoted role by its
 * own rules, and no constraint is left behind. The measured interruption is the time from the last
 * checkpoint here to the peer's word that the VM runs there.
 * ask the backup's remusd -> a low score -> Pacemaker demotes this node (demote.ts) -> activated
 */
import { askTask } from './ask-backup.js';
import { OCF, REFUSED } from './ocf.js';
import { opMove } from './move.js';
import { DELAY, isPaused, restarts, takesLastCheckpoint } from './policy.js';
import type { Done, Event } from './event.js';
import type { OpRef, State, Switchover } from './state.js';
import { Turn } from './turn.js';
import { stateWords } from './view.js';

export function opSwitchover(turn: Turn, op: OpRef, to: string | null): void {
  if (restarts(turn.state.config)) {
    opMove(turn, op, to);
    return;
  }
  const { phase } = turn.state;
  const problem = switchoverProblem(turn.state, to);
  if (problem !== null || phase.kind !== 'primary' || phase.protection.kind !== 'protected') {
    turn.note('switchover refused', { because: problem });
    turn.reply(op, REFUSED, problem);
    return;
  }
  const { run } = phase.protection;
  const tag = askTask(turn, run);
  turn.patch({ switchover: { op, asked: false, to: run.peer.node, tag, stopped_ms: null } });
}

/** @returns true when the result was the backup's answer to an operator's switchover. */
export function switchoverAnswered(turn: Turn, event: Done): boolean {
  const { switchover } = turn.state;
  if (event.task !== 'ask-backup' || switchover?.tag !== event.tag) return false;
  if (event.value.problem === null) askPacemaker(turn, switchover.op, switchover.to);
  else cannotPromote(turn, switchover, event.value.problem);
  return true;
}

/** The same when it gives none. */
export function switchoverNotAnswered(turn: Turn, tag: number, error: string): boolean {
  const { switchover } = turn.state;
  if (switchover?.tag !== tag) return false;
  cannotPromote(turn, switchover, error);
  return true;
}

/** By a low score: it takes `to`, which could be promoted. */
export function askPacemaker(turn: Turn, op: OpRef | null, to: string): void {
  const { resource } = turn.state;
  turn.note('switchover asked for by the operator', { to });
  turn.progress(op, `asking Pacemaker to promote ${resource} on ${to}`);
  const tag = turn.timer(switchoverPatience(turn, op));
  turn.patch({ switchover: { op, asked: true, to, tag, stopped_ms: null } });
}

function cannotPromote(turn: Turn, { op, to }: Switchover, why: string): void {
  const { resource } = turn.state;
  const reason = `${to} could not promote its replica of ${resource} now: ${why}; nothing has been changed; on ${to} type: systemctl status remusd`;
  turn.note('switchover refused', { because: reason });
  if (op !== null) turn.reply(op, REFUSED, reason);
  turn.patch({ switchover: null });
}

/** @returns milliseconds for Pacemaker to demote this node. */
export function switchoverPatience(turn: Turn, op: OpRef | null): number {
  return op === null ? DELAY.switchover : Math.min(DELAY.switchover, turn.left(op, 0));
}

/**
 * A former daemon has asked Pacemaker for it. With a primary's score again Pacemaker, which may be demoting this node by now,
 * would promote it once more, without its memory. Nobody waits for the answer.
 */
export function switchoverGoesOn(turn: Turn, to: string): void {
  turn.note('taken over: the switchover goes on', { to });
  const tag = turn.timer(DELAY.switchover);
  turn.patch({ switchover: { op: null, asked: true, to, tag, stopped_ms: null } });
}

/** A former daemon was carrying a demote out. Only Pacemaker knows whether it still wants that. */
export function handoverWaits(turn: Turn, to: string, asked: boolean): void {
  turn.note('taken over in the middle of a handover: waiting for Pacemaker to ask again', { to });
  const tag = turn.timer(DELAY.demote_again);
  turn.patch({ switchover: { op: null, asked, to, tag, stopped_ms: null } });
}

function switchoverProblem(state: State, to: string | null): string | null {
  const { phase, resource, node, switchover, pausing } = state;
  if (phase.kind !== 'primary') return `${resource} does not run on ${node}`;
  if (phase.protection.kind !== 'protected') {
    const next = isPaused(phase.protection)
      ? `type: remusctl resume ${resource}`
      : 'wait until "remusctl status" says protected';
    return `${resource} is not protected (${stateWords(state) ?? 'unknown'}): a switchover now would be a restart; ${next}`;
  }
  const peer = phase.protection.run.peer.node;
  if (to !== null && to !== peer) return `the replica of ${resource} is on ${peer}, not on ${to}`;
  if (pausing?.want === 'paused') return `replication of ${resource} is just being paused`;
  return switchover === null ? null : `a switchover of ${resource} is already under way`;
}

/** @returns true when the timer was the switchover's. */
export function switchoverTimer(turn: Turn, tag: number): boolean {
  const { switchover } = turn.state;
  if (switchover?.tag !== tag) return false;
  const reason = whyNotMoved(turn.state, switchover);
  turn.note('switchover given up', { reason });
  if (switchover.op !== null) turn.reply(switchover.op, OCF.ERR_GENERIC, reason);
  turn.patch({ switchover: null });
  return true;
}

function whyNotMoved({ resource, node, phase }: State, { to, stopped_ms }: Switchover): string {
  if (stopped_ms !== null)
    return `${resource} was handed over to ${to}, which has not said that it runs: see "crm_mon -1Arf"`;
  if (phase.kind === 'primary' && takesLastCheckpoint(phase.protection))
    return `Pacemaker has not asked again to demote ${node}: ${resource} goes on there`;
  return `Pacemaker has not moved ${resource}: see "crm_simulate -sL" for the scores and "crm_mon -1rf" for constraints and failures; nothing has been changed`;
}

/** The peer runs the VM: what we handed over has arrived. */
export function peerActivated(turn: Turn, event: Extract<Event, { type: 'peer-activated' }>): void {
  const { switchover, node } = turn.state;
  if (switchover?.to !== event.node || switchover.stopped_ms === null) return;
  const last = {
    from: node,
    to: event.node,
    interruption_ms: Math.round(turn.now_ms - switchover.stopped_ms),
  };
  turn.note('switched over', { ...last });
  if (switchover.op !== null) turn.reply(switchover.op, OCF.SUCCESS, null, last);
  turn.patch({ switchover: null, last_switchover: last });
}

/** The VM goes away for another reason while a switchover waits. */
export function cancelSwitchover(turn: Turn, reason: string): void {
  const { switchover } = turn.state;
  if (switchover === null) return;
  turn.note('switchover given up', { reason });
  if (switchover.op !== null) turn.reply(switchover.op, OCF.ERR_GENERIC, reason);
  turn.patch({ switchover: null });
}
