/**
 * Promotion: the only way in which a VM comes to run on this node.
 * idle | replica -> promoting(read -> claim -> activate -> settle | membership -> verify -> clean -> create) -> primary
 */
import { dropReplica, toIdle } from './backup.js';
import type { Done } from './event.js';
import { OCF } from './ocf.js';
import { canActivate, decidePromotion, DELAY, isActivating, onNoReplica } from './policy.js';
import { claimAfter, formatRecord, parseRecord } from './record.js';
import { enterPrimary } from './primary.js';
import type { OpRef, Phase } from './state.js';
import { cancelSwitchover } from './switchover.js';
import { askForHolder, holderAnswered, holderOf, type Next, waitForHolder } from './taken-grant.js';
import { Turn } from './turn.js';

type Promoting = Extract<Phase, { kind: 'promoting' }>;

const READ_RECORD = { task: 'read-record', at: 'dc' } as const;

const AFTER_HOLDER: Next = {
  start: (turn, phase) => cleanForColdStart(turn, phase, false),
  giveUp: (turn, phase, reason) => backOut(turn, phase, reason),
};

export function opPromote(turn: Turn, op: OpRef): void {
  const { phase } = turn.state;
  switch (phase.kind) {
    case 'primary':
      if (phase.leaving === null) turn.ok(op);
      else refuse(turn, op, 'a demote or stop is under way');
      return;
    case 'promoting':
      turn.join(op, phase.op);
      return;
    case 'idle':
    case 'replica':
    case 'preparing-replica':
    case 'dropping-replica':
      break;
    default:
      refuse(turn, op, `${turn.state.resource} is ${phase.kind} on ${turn.state.node}`);
      return;
  }
  // Handed over, but here it is again. Its low score would send it away once more, without its memory.
  cancelSwitchover(turn, 'Pacemaker promotes this node again');
  const held =
    phase.kind === 'replica'
      ? { from: phase.from, replica: phase.replica, receiver: phase.receiver }
      : null;
  if (phase.kind === 'preparing-replica') {
    turn.push({
      type: 'answer-peer',
      request: phase.request,
      ok: false,
      port: 0,
      error: `${turn.state.node} is being promoted`,
    });
  }
  const tag = turn.run(READ_RECORD);
  turn.to({
    ...{ kind: 'promoting', op, held, step: 'read', record: null, cold_reason: null },
    ...{ said: '', tag },
  });
}

function refuse(turn: Turn, op: OpRef, because: string): void {
  turn.note('promotion refused', { because });
  turn.reply(op, OCF.ERR_GENERIC, `cannot promote: ${because}`);
}

export function promotingDone(turn: Turn, phase: Promoting, event: Done): void {
  switch (phase.step) {
    case 'read':
      if (event.task === 'read-record') decide(turn, phase, event.value);
      return;
    case 'claim':
      if (phase.cold_reason === null) activate(turn, phase);
      else if (holderOf(turn, phase) !== null) askForHolder(turn, phase);
      else cleanForColdStart(turn, phase, false);
      return;
    case 'membership':
    case 'verify':
      holderAnswered(turn, phase, event, AFTER_HOLDER);
      return;
    case 'activate':
      turn.note('activated: the VM runs from the last complete checkpoint', {
        from: phase.held?.from,
      });
      settle(turn, phase);
      return;
    case 'clean':
      turn.to({ ...phase, step: 'create', tag: turn.run({ task: 'create', config: turn.config }) });
      return;
    case 'create':
      turn.note('started from the configuration', { because: phase.cold_reason });
      finish(turn, phase);
      return;
    case 'settle':
      finish(turn, phase);
      return;
  }
}

export function promotingFailed(turn: Turn, phase: Promoting, error: string): void {
  switch (phase.step) {
    case 'read':
    case 'claim':
      tryAgain(turn, phase, error);
      return;
    case 'membership':
    case 'verify':
      waitForHolder(turn, phase, error, AFTER_HOLDER);
      return;
    case 'activate':
      activationFailed(turn, phase, error);
      return;
    case 'clean':
    case 'create':
      startFailed(turn, phase, error, error);
      return;
    case 'settle':
      // The VM runs. The stale grant names this very node, which holds no replica any more: harmless, and the next grant overwrites it.
      turn.note('the consumed grant could not be removed yet', { error });
      finish(turn, phase);
  }
}

/**
 * A promotion that fails costs the VM its memory: Pacemaker stops the resource here, and the replica with it. At the
 * very moment of a failover the cluster may be slow to answer.
 */
function tryAgain(turn: Turn, phase: Promoting, error: string): void {
  const { step, op } = phase;
  if (op.deadline_ms - turn.now_ms > DELAY.margin + DELAY.promote_retry) {
    turn.note('the cluster does not do what a promotion needs; trying again', { step, error });
    turn.to({ ...phase, tag: turn.timer(DELAY.promote_retry) });
    return;
  }
  turn.note('promotion failed', { step, error });
  backOut(turn, phase, error);
}

export function promotingTimer(turn: Turn, phase: Promoting, tag: number): void {
  if (tag !== phase.tag) return;
  if (phase.step === 'membership') {
    askForHolder(turn, phase);
    return;
  }
  // Decided anew: nothing that was read a while ago is acted on.
  const again = { ...phase, step: 'read', record: null, cold_reason: null } as const;
  turn.to({ ...again, tag: turn.run(READ_RECORD) });
}

function decide(turn: Turn, phase: Promoting, text: string | null): void {
  const { node, resource } = turn.state;
  const record = parseRecord(text);
  if (record === null) {
    turn.note('promotion refused', { because: 'the record in the CIB is damaged' });
    backOut(
      turn,
      phase,
      `the record of ${resource} in the CIB is damaged; see: crm_attribute -G -n remus-record-${resource}`,
    );
    return;
  }
  const decision = decidePromotion(node, record, phase.held, onNoReplica(turn.config));
  if (decision.kind === 'refuse') {
    turn.note('promotion refused', { because: decision.why });
    backOut(
      turn,
      phase,
      `refused, ${decision.why}; to start without its memory: crm_resource -r ${resource} -p on_no_replica -v start`,
    );
    return;
  }
  const cold = decision.kind === 'cold';
  turn.note(cold ? 'will start from the configuration' : 'will activate the replica', {
    because: decision.why,
  });
  // A record that was removed by hand must not make the numbers begin anew: others are told apart by them.
  const generation = Math.max(record.generation, phase.held?.replica.generation ?? 0) + 1;
  const next = cold
    ? claimAfter(record, generation, node)
    : { generation, primary: node, grant: record.grant };
  turn.to({
    ...phase,
    step: 'claim',
    record: next,
    cold_reason: cold ? decision.why : null,
    tag: turn.run({ task: 'write-record', record: next, before: text }),
  });
}

function activate(turn: Turn, phase: Promoting): void {
  const receiver = phase.held?.receiver;
  if (receiver !== undefined && canActivate(receiver))
    turn.to({ ...phase, step: 'activate', tag: turn.run({ task: 'activate' }) });
  // It was ready when the record was read.
  else activationFailed(turn, phase, `the receiver is ${receiver?.phase ?? 'gone'}`);
}

function activationFailed(turn: Turn, phase: Promoting, error: string): void {
  const cold_reason = `the replica could not be activated: ${error}`;
  if (onNoReplica(turn.config) === 'refuse') {
    startFailed(turn, phase, error, cold_reason);
    return;
  }
  turn.note('activation failed', { error });
  cleanForColdStart(turn, { ...phase, cold_reason }, true);
}

/** Another node may do better: Pacemaker is to try it first. */
function startFailed(turn: Turn, { op, step }: Promoting, error: string, reason: string): void {
  turn.note('promotion failed', { step, error });
  turn.patch({ start_failed: true });
  turn.reply(op, OCF.ERR_GENERIC, reason);
  dropReplica(turn, error, true, true);
}

/** @param domain true after a failed activation: xl gives the replica its name, and may run it, before it fails. */
function cleanForColdStart(turn: Turn, phase: Promoting, domain: boolean): void {
  turn.to({ ...phase, held: null, step: 'clean', tag: turn.run({ task: 'clean', domain }) });
}

function settle(turn: Turn, phase: Promoting): void {
  const before = phase.record === null ? null : formatRecord(phase.record);
  const record = {
    generation: phase.record?.generation ?? 0,
    primary: turn.state.node,
    grant: null,
  };
  turn.to({
    ...phase,
    step: 'settle',
    record,
    tag: turn.run({ task: 'write-record', record, before }),
  });
}

function finish(turn: Turn, phase: Promoting): void {
  turn.ok(phase.op);
  const generation = phase.record?.generation ?? 0;
  // Whom to tell: the node that fed us, for the operator's measured interruption.
  if (phase.held !== null) turn.run({ task: 'tell-activated', node: phase.held.from, generation });
  enterPrimary(turn, generation, 'just promoted');
}

/** Nothing has been touched yet: back to where the promotion came from. */
function backOut(turn: Turn, phase: Promoting, reason: string): void {
  turn.reply(phase.op, OCF.ERR_GENERIC, reason);
  if (phase.held === null) toIdle(turn, reason, true);
  else if (isActivating(phase.held.receiver)) dropReplica(turn, reason, true, true);
  else if (phase.held.receiver.phase === 'ended') dropReplica(turn, reason, true);
  else turn.to({ kind: 'replica', ...phase.held });
}
