/**
 * An operator's switchover. It only changes promotion scores: Pacemaker then moves the promoted role by its
 * own rules, and no constraint is left behind. The measured interruption is the time from the last
 * checkpoint here to the peer's word that the VM runs there.
 */
import { OCF } from './ocf.js';
import { DELAY, isPaused } from './policy.js';
import type { Event } from './event.js';
import type { OpRef, State } from './state.js';
import { Turn } from './turn.js';
import { words } from './view.js';

/** Exit code of an operator's command that was refused. */
const REFUSED = 3;

export function opSwitchover(turn: Turn, op: OpRef, to: string | null): void {
  const { phase } = turn.state;
  const problem = switchoverProblem(turn.state, to);
  if (problem !== null || phase.kind !== 'primary' || phase.protection.kind !== 'protected') {
    turn.note('switchover refused', { because: problem });
    turn.reply(op, REFUSED, problem);
    return;
  }
  const { resource } = turn.state;
  const peer = phase.protection.run.peer.node;
  turn.note('switchover asked for by the operator', { to: peer });
  turn.progress(op, `asking Pacemaker to promote ${resource} on ${peer}`);
  const wait = Math.min(DELAY.switchover, turn.left(op, 0));
  turn.patch({ switchover: { op, to: peer, tag: turn.timer(wait), stopped_ms: null } });
}

function switchoverProblem(state: State, to: string | null): string | null {
  const { phase, resource, node, switchover, pausing } = state;
  if (phase.kind !== 'primary') return `${resource} does not run on ${node}`;
  if (phase.protection.kind !== 'protected') {
    const next = isPaused(phase.protection)
      ? `type: remusctl resume ${resource}`
      : 'wait until "remusctl status" says protected';
    return `${resource} is not protected (${words(state) ?? 'unknown'}): a switchover now would be a restart; ${next}`;
  }
  const peer = phase.protection.run.peer.node;
  if (to !== null && to !== peer) return `the replica of ${resource} is on ${peer}, not on ${to}`;
  if (pausing?.want === 'paused') return `replication of ${resource} is just being paused`;
  return switchover === null ? null : `a switchover of ${resource} is already under way`;
}

/** @returns true when the timer was the switchover's. */
export function switchoverTimer(turn: Turn, tag: number): boolean {
  const { switchover, resource } = turn.state;
  if (switchover?.tag !== tag) return false;
  const reason =
    switchover.stopped_ms === null
      ? `Pacemaker has not moved ${resource}: see "crm_simulate -sL" for the scores and "crm_mon -1rf" for constraints and failures; nothing has been changed`
      : `${resource} was handed over to ${switchover.to}, which has not said that it runs: see "crm_mon -1Arf"`;
  turn.note('switchover given up', { reason });
  if (switchover.op !== null) turn.reply(switchover.op, OCF.ERR_GENERIC, reason);
  turn.patch({ switchover: null });
  return true;
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
