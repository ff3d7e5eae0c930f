/**
 * The node that does not run the VM: start, stop, and holding a replica.
 * stopped -> starting -> idle <-> preparing-replica -> replica -> dropping-replica -> idle; any -> stopping -> stopped
 */
import { sameReplica } from './record.js';
import type { Done, Event } from './event.js';
import { OCF } from './ocf.js';
import { isActivating, isUnfed, PAUSED } from './policy.js';
import { enterPrimary } from './primary.js';
import type { OpRef, Phase, ReceiverView, VmConfig } from './state.js';
import { cancelSwitchover } from './switchover.js';
import { Turn } from './turn.js';
import type { ReceiverState } from '../relay/control.js';

/** Why a node that is well has no replica yet. */
const WAITING = 'waiting for the primary';

type Of<K extends Phase['kind']> = Extract<Phase, { kind: K }>;

export function toIdle(turn: Turn, reason: string, problem = false): void {
  turn.to({ kind: 'idle', reason, problem, differs: null });
}

/** stopped -> starting: a start makes the node Unpromoted, ready for a replica. */
export function opStart(turn: Turn, op: OpRef, config: VmConfig): void {
  const { phase } = turn.state;
  const { kind } = phase;
  if (kind === 'starting') {
    turn.join(op, phase.op);
    return;
  }
  if (kind !== 'stopped') {
    const started = kind === 'idle' || kind === 'replica';
    if (started || kind === 'preparing-replica' || kind === 'dropping-replica') turn.ok(op);
    else
      turn.reply(
        op,
        OCF.ERR_GENERIC,
        `${config.resource} is ${kind} on ${turn.state.node}; stop it first`,
      );
    return;
  }
  turn.patch({ config });
  turn.to({ kind: 'starting', op, step: 'look', tag: turn.look() });
}

export function startingDone(turn: Turn, phase: Of<'starting'>, event: Done): void {
  if (event.task === 'look') {
    if (event.value.guest.kind !== 'absent') {
      failStart(
        turn,
        phase,
        `domain ${turn.config.domain} already runs here; type: xl shutdown ${turn.config.domain}; crm_resource -C -r ${turn.config.resource}`,
      );
      return;
    }
    turn.to({ ...phase, step: 'clean', tag: turn.run({ task: 'clean', domain: false }) });
  } else if (event.task === 'clean') {
    turn.to({
      ...phase,
      step: 'register',
      tag: turn.run({ task: 'register', config: turn.config }),
    });
  } else {
    turn.ok(phase.op);
    turn.note('started: ready to hold a replica or to be promoted');
    toIdle(turn, WAITING);
  }
}

export function startingFailed(turn: Turn, phase: Of<'starting'>, error: string): void {
  failStart(turn, phase, error);
}

function failStart(turn: Turn, phase: Of<'starting'>, reason: string): void {
  turn.reply(phase.op, OCF.ERR_GENERIC, reason);
  turn.note('start refused', { reason });
  turn.patch({ config: null });
  turn.to({ kind: 'stopped' });
}

/** any -> stopping. The VM itself, if it runs, has been demoted before: see demote.ts. */
export function beginStopping(turn: Turn, op: OpRef): void {
  const was_stopped = turn.state.phase.kind === 'stopped';
  const tag = turn.run({ task: 'clean', domain: true });
  turn.to({ kind: 'stopping', op, was_stopped, step: 'clean', tag });
}

export function stoppingDone(turn: Turn, phase: Of<'stopping'>, event: Done): void {
  if (event.task === 'clean') {
    turn.to({ ...phase, step: 'unregister', tag: turn.run({ task: 'unregister' }) });
    return;
  }
  turn.ok(phase.op);
  turn.note('stopped: nothing of the VM is left on this node');
  cancelSwitchover(turn, 'the resource was stopped here');
  const monitors = turn.state.monitors.map((one) => ({ ...one, may_adopt: false }));
  turn.patch({ config: null, monitors });
  turn.to({ kind: 'stopped' });
}

export function stoppingFailed(turn: Turn, phase: Of<'stopping'>, error: string): void {
  turn.reply(phase.op, OCF.ERR_GENERIC, error);
  turn.note('stop failed', { error });
  if (!phase.was_stopped) {
    toIdle(turn, `stop failed: ${error}`, true);
    return;
  }
  turn.patch({ config: null });
  turn.to({ kind: 'stopped' });
}

/** idle | replica -> preparing-replica: the primary wants to replicate to us. */
export function peerPrepare(turn: Turn, event: Extract<Event, { type: 'peer-prepare' }>): void {
  const { phase } = turn.state;
  const refusal = prepareRefusal(turn, event);
  if (refusal !== null || (phase.kind !== 'idle' && phase.kind !== 'replica')) {
    const error = refusal ?? `${turn.state.resource} is ${phase.kind} on ${turn.state.node}`;
    turn.push({ type: 'answer-peer', request: event.request, ok: false, port: 0, error });
    return;
  }
  // It runs there.
  turn.patch({ start_failed: false });
  turn.note('preparing a replica', { from: event.from, generation: event.replica.generation });
  turn.to({
    kind: 'preparing-replica',
    request: event.request,
    from: event.from,
    replica: event.replica,
    step: 'clean',
    tag: turn.run({ task: 'clean', domain: false }),
  });
}

function prepareRefusal(
  turn: Turn,
  event: Extract<Event, { type: 'peer-prepare' }>,
): string | null {
  const { phase, node, resource } = turn.state;
  if (phase.kind === 'stopped') return `${resource} is not started on ${node}`;
  if (phase.kind === 'replica' && isActivating(phase.receiver))
    return `the replica of ${resource} on ${node} is being activated`;
  // Of the same node, it is one that has lost count with its record: there is no older primary beside it.
  const older = phase.kind === 'replica' && event.replica.generation < phase.replica.generation;
  if (older && event.from !== phase.from) {
    return `${node} holds a replica of generation ${phase.replica.generation}, newer than ${event.replica.generation}`;
  }
  return null;
}

export function preparingDone(turn: Turn, phase: Of<'preparing-replica'>, event: Done): void {
  if (event.task === 'clean') {
    const { replica, from } = phase;
    const tag = turn.run({ task: 'launch-receiver', replica, from, config: turn.config });
    turn.to({ ...phase, step: 'launch', tag });
    return;
  }
  if (event.task !== 'launch-receiver') return;
  turn.push({
    type: 'answer-peer',
    request: phase.request,
    ok: true,
    port: event.value.port,
    error: '',
  });
  const receiver: ReceiverView = {
    ...{ phase: 'listening', connected: false, complete: 0, applied: 0, unfed: false },
  };
  turn.to({ kind: 'replica', from: phase.from, replica: phase.replica, receiver });
}

export function preparingFailed(turn: Turn, phase: Of<'preparing-replica'>, error: string): void {
  turn.push({ type: 'answer-peer', request: phase.request, ok: false, port: 0, error });
  turn.note('could not prepare a replica', { error });
  dropReplica(turn, error, true);
}

/** A receiver's news. Its end is the replica's end: xl has nothing more to resume from. */
export function receiverNews(turn: Turn, phase: Of<'replica'>, news: ReceiverState): void {
  if (!sameReplica(news.replica, phase.replica)) return;
  if (news.phase === 'ended') {
    replicaLost(turn, phase, news.reason ?? 'the receiver ended');
    return;
  }
  if (news.phase === 'activated') {
    turn.note('activated by an order of before the restart: the VM runs here', {
      from: phase.from,
    });
    enterPrimary(turn, 0, 'just promoted');
    return;
  }
  const before = phase.receiver;
  const now = viewOf(news, turn.config);
  turn.to({ ...phase, receiver: now });
  noteFeeding(turn, phase.from, before, now);
  if (before.phase !== 'ready' && news.phase === 'ready')
    turn.note('the replica is complete', { from: phase.from });
  if (before.connected && !news.connected)
    turn.note('the connection from the primary is lost; the replica waits', { from: phase.from });
}

/** Said when it has become so: an operator finds in the history since when the replica is old. */
function noteFeeding(turn: Turn, from: string, before: ReceiverView, now: ReceiverView): void {
  if (isActivating(now) || before.unfed === now.unfed) return;
  const { complete } = now;
  if (now.unfed)
    turn.note('nothing comes from the primary any more; the replica waits', { from, complete });
  else turn.note('the primary feeds the replica again', { from });
}

export function viewOf(news: ReceiverState, config: VmConfig): ReceiverView {
  const { phase, connected, complete, applied } = news;
  return { phase, connected, complete, applied, unfed: isUnfed(news, config) };
}

export function receiverGone(
  turn: Turn,
  phase: Of<'replica'>,
  session: string,
  reason: string,
): void {
  if (session === phase.replica.session) replicaLost(turn, phase, reason);
}

function replicaLost(turn: Turn, phase: Of<'replica'>, reason: string): void {
  turn.note('the replica is lost', { reason, from: phase.from });
  dropReplica(turn, reason, false, isActivating(phase.receiver));
}

/** A promote is under way: what becomes of the replica meanwhile decides with it. */
export function heldNews(turn: Turn, phase: Of<'promoting'>, news: ReceiverState): void {
  const { held } = phase;
  if (held === null || !sameReplica(news.replica, held.replica)) return;
  turn.to({ ...phase, held: { ...held, receiver: viewOf(news, turn.config) } });
}

export function heldGone(turn: Turn, phase: Of<'promoting'>, session: string): void {
  const { held } = phase;
  if (held?.replica.session !== session) return;
  // One that has activated its replica leaves: the VM runs.
  const over = held.receiver.phase === 'activated' ? 'activated' : 'ended';
  const receiver: ReceiverView = { ...held.receiver, phase: over, connected: false };
  turn.to({ ...phase, held: { ...held, receiver } });
}

/** The primary has withdrawn, or gave this attempt up. */
export function peerDrop(
  turn: Turn,
  phase: Of<'replica' | 'preparing-replica'>,
  { replica, paused }: Extract<Event, { type: 'peer-drop' }>,
): void {
  if (!sameReplica(replica, phase.replica)) return;
  if (phase.kind === 'preparing-replica') {
    const error = `${phase.from} does not want it any more`;
    turn.push({ type: 'answer-peer', request: phase.request, ok: false, port: 0, error });
  } else if (isActivating(phase.receiver)) return;
  const because = paused ? { because: PAUSED } : {};
  turn.note('the primary does not want this replica any more', { from: phase.from, ...because });
  dropReplica(turn, paused ? PAUSED : WAITING, false);
}

/** The primary says it again and again while the pause lasts: we may have been away, or deaf. */
export function peerPaused(turn: Turn, event: Extract<Event, { type: 'peer-paused' }>): void {
  const { phase } = turn.state;
  const { paused, from, generation } = event;
  if (phase.kind === 'idle' && !phase.problem) {
    if (paused !== (phase.reason === PAUSED)) toIdle(turn, paused ? PAUSED : WAITING);
  } else if (phase.kind === 'dropping-replica' && !phase.problem && paused) {
    turn.to({ ...phase, reason: PAUSED });
  } else if (phase.kind === 'replica' && paused && phase.from === from) {
    // Whoever says this feeds nothing, and has withdrawn what it had granted. A link that was cut leaves a connection behind.
    const fed = phase.receiver.connected && !phase.receiver.unfed;
    if (fed || phase.replica.generation > generation) return;
    peerDrop(turn, phase, { type: 'peer-drop', replica: phase.replica, paused });
  }
}

/** Nobody else can tell on this node why there is no replica. One that is here goes on: data processes outlive daemons. */
export function peerVersion(
  turn: Turn,
  { from, problem }: Extract<Event, { type: 'peer-version' }>,
): void {
  const { phase } = turn.state;
  if (phase.kind !== 'idle') return;
  if (problem === null) {
    if (phase.differs !== from) return;
    turn.note('the peer can be understood again', { from });
    toIdle(turn, WAITING);
  } else if (phase.differs === from ? phase.reason !== problem : !phase.problem) {
    turn.note('the peer cannot be understood', { from, because: problem });
    turn.to({ kind: 'idle', reason: problem, problem: true, differs: from });
  }
}

/** @param domain true when it may have become the VM. */
export function dropReplica(turn: Turn, reason: string, problem: boolean, domain = false): void {
  const tag = turn.run({ task: 'clean', domain });
  turn.to({ kind: 'dropping-replica', reason, problem, tag });
}

export function droppingDone(turn: Turn, phase: Of<'dropping-replica'>): void {
  toIdle(turn, phase.reason, phase.problem);
}

export function droppingFailed(turn: Turn, error: string): void {
  toIdle(turn, `the old replica could not be removed: ${error}`, true);
}
