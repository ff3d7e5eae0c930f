/**
 * Demote and stop of a node that runs the VM.
 * Handover (Pacemaker will promote the granted replica): plan -> ask -> finish -> handover.
 * Shutdown (nobody takes over): the grant is withdrawn first, so that no replica resurrects a VM that was
 * shut down; then shutdown -> waiting -> clean.
 */
import { adopt } from './adopt.js';
import {
  askTimer,
  backupAnswered,
  beginAsking,
  type Next,
  senderHeard,
  waitForBackup,
} from './ask-backup.js';
import { beginStopping, toIdle } from './backup.js';
import type { Done, Event } from './event.js';
import { grantOf } from './grant.js';
import { copyNotGranted, grantCopy } from './grant-copy.js';
import { leaveByMove } from './move.js';
import { OCF } from './ocf.js';
import { DELAY, restarts } from './policy.js';
import { abandon, endLeftOver } from './abandon.js';
import { type Primary, unprotected } from './primary.js';
import type { Leaving, Look, OpRef, Phase, Protection, Replication, Whose } from './state.js';
import { cancelSwitchover, switchoverPatience } from './switchover.js';
import { Turn } from './turn.js';
import { beginWithdrawal } from './withdraw.js';

type Demoting = Extract<Phase, { kind: 'demoting' }>;
type Then = Demoting['then'];
type Subject = Pick<Demoting, 'whose' | 'generation'>;

const AFTER_ANSWER: Next = {
  handOver: finish,
  cutOff: (turn, phase, why) => {
    turn.note('replication has ended in the middle of a handover', { because: why });
    if (phase.move) noHandover(turn, phase, why);
    else check(turn, phase);
  },
  giveUp: noHandover,
};

/** Of a VM that Pacemaker did not get rid of: protection is not tried at once, for it will ask again. */
const LATER = 10;

export function opDemote(turn: Turn, op: OpRef): void {
  const { phase } = turn.state;
  switch (phase.kind) {
    case 'stopped':
    case 'starting':
      turn.reply(op, OCF.NOT_RUNNING);
      return;
    case 'preparing-replica':
      refusePeer(turn, phase.request, 'demoted');
      clearAway(turn, op, 'left over', 0);
      return;
    case 'idle':
    case 'replica':
    case 'dropping-replica':
      // P6: it should not run here, but only a look can tell; Pacemaker asks for this when it has seen it run.
      clearAway(turn, op, 'left over', 0);
      return;
    case 'stopping':
    case 'demoting':
      turn.join(op, phase.op);
      return;
    case 'primary':
      if (phase.leaving === null) leave(turn, phase, op, 'idle');
      else turn.join(op, phase.leaving.op);
      return;
    case 'adopting':
      beginShutdown(turn, { op, then: 'idle' }, adopted(phase));
      return;
    case 'promoting': {
      overtake(turn, 'demote');
      const { record } = phase;
      // Before it has claimed anything, what is here was never this promotion's VM.
      clearAway(turn, op, record === null ? 'left over' : 'ours', record?.generation ?? 0);
      return;
    }
    case 'guest-ended':
      clearAway(turn, op, 'ours', phase.generation);
  }
}

export function opStop(turn: Turn, op: OpRef): void {
  const { phase } = turn.state;
  const first = stopUnderWay(phase);
  if (first !== null) {
    turn.join(op, first);
    return;
  }
  overtake(turn, 'stop');
  switch (phase.kind) {
    case 'primary':
      leave(turn, phase, op, 'stopped');
      return;
    case 'adopting':
      beginShutdown(turn, { op, then: 'stopped' }, adopted(phase));
      return;
    case 'preparing-replica':
      refusePeer(turn, phase.request, 'stopped');
      beginStopping(turn, op);
      return;
    default:
      beginStopping(turn, op);
  }
}

function refusePeer(turn: Turn, request: number, being: string): void {
  const error = `${turn.state.resource} is being ${being} on ${turn.state.node}`;
  turn.push({ type: 'answer-peer', request, ok: false, port: 0, error });
}

function stopUnderWay(phase: Phase): OpRef | null {
  if (phase.kind === 'stopping') return phase.op;
  if (phase.kind === 'demoting' && phase.then === 'stopped') return phase.op;
  if (phase.kind === 'primary' && phase.leaving?.then === 'stopped') return phase.leaving.op;
  return null;
}

function adopted({ record }: Extract<Phase, { kind: 'adopting' }>): Subject {
  return { whose: 'adopted', generation: record?.generation ?? 0 };
}

/** Pacemaker has given the running action up and asks for another: the first one must not wait for ever. */
export function overtake(turn: Turn, by: string): void {
  const { phase } = turn.state;
  const open = phase.kind === 'primary' ? phase.leaving?.op : 'op' in phase ? phase.op : undefined;
  if (open !== undefined) turn.reply(open, OCF.ERR_GENERIC, `overtaken by a ${by}`);
}

/** Whatever of the VM is here is taken down, held output dropped; the record decides the rest. */
function clearAway(turn: Turn, op: OpRef, whose: Whose, generation: number): void {
  toStep(turn, {
    kind: 'demoting',
    op,
    whose,
    generation,
    then: 'idle',
    step: 'clean',
    run: null,
    move: false,
    owed: null,
    said: '',
    tag: turn.run({ task: 'clean', domain: true }),
    limit_tag: Turn.NO_TAG,
  });
}

function toStep(turn: Turn, phase: Demoting): void {
  turn.to(phase);
}

function leave(turn: Turn, phase: Primary, op: OpRef, then: Then): void {
  const { protection } = phase;
  if (protection.kind === 'protected') {
    const record = grantOf(turn.state.node, phase.generation, protection.run);
    const tag = turn.run({ task: 'planned-promotion', record });
    toStep(turn, {
      kind: 'demoting',
      op,
      whose: 'ours',
      generation: phase.generation,
      then,
      step: 'plan',
      run: protection.run,
      move: false,
      owed: null,
      said: '',
      tag,
      limit_tag: Turn.NO_TAG,
    });
    return;
  }
  const granted = protection.kind === 'granting' || protection.kind === 'withdrawing';
  if (restarts(turn.state.config) && !granted && phase.ended === null)
    leaveByMove(turn, phase, op, then);
  else withdrawFirst(turn, phase, op, then);
}

/** A whole copy: from here on as with a granted replica, but for the grant (move.ts). */
export function handOverCopy(
  turn: Turn,
  phase: Primary,
  { op, then }: Leaving,
  run: Replication,
): void {
  noteSwitchover(turn, run);
  const { generation } = phase;
  const demoting: Demoting = {
    ...{ kind: 'demoting', op, whose: 'ours', generation, then, step: 'ask', run, move: true },
    ...{ owed: null, said: '', tag: Turn.NO_TAG, limit_tag: Turn.NO_TAG },
  };
  beginAsking(turn, demoting, run);
}

/** End the protection by its own rules, for a bounded time; `unprotected` then begins the shutdown. */
export function withdrawFirst(turn: Turn, phase: Primary, op: OpRef, then: Then): void {
  const limit_tag = turn.timer(Math.min(DELAY.demote_withdraw, turn.left(op, DELAY.margin)));
  const leaving: Primary = { ...phase, leaving: { op, then, limit_tag, move: null } };
  turn.to(leaving);
  const reason = 'the VM is being shut down';
  const { protection } = phase;
  switch (protection.kind) {
    case 'protected':
    case 'granting':
      beginWithdrawal(turn, leaving, protection.run, reason);
      return;
    case 'seeding':
      abandon(turn, leaving, protection.run, reason);
      return;
    case 'launching':
      abandon(turn, leaving, protection, reason);
      return;
    case 'abandoning':
    case 'withdrawing':
      return;
    case 'none':
    case 'preparing':
      unprotected(turn, leaving, reason);
  }
}

/** @param owed the withdrawal that has not come to its end, when there is one. */
export function beginShutdown(
  turn: Turn,
  { op, then }: { readonly op: OpRef; readonly then: Then },
  subject: Subject,
  owed: Demoting['owed'] = null,
): void {
  turn.note('shutting the guest down');
  const limit = Math.min(turn.config.shutdown_timeout_ms, turn.left(op, DELAY.margin));
  toStep(turn, {
    kind: 'demoting',
    op,
    ...subject,
    then,
    step: 'shutdown',
    run: null,
    move: false,
    owed,
    said: '',
    tag: turn.run({ task: 'shutdown-guest' }),
    limit_tag: turn.timer(limit),
  });
}

export function demotingDone(turn: Turn, phase: Demoting, event: Done): void {
  switch (phase.step) {
    case 'plan':
      if (event.task === 'planned-promotion') planned(turn, phase, event.value.node);
      return;
    case 'ask':
      if (event.task === 'ask-backup' && phase.run !== null)
        backupAnswered(turn, { phase, run: phase.run }, event.value, AFTER_ANSWER);
      return;
    case 'finish':
      handover(turn, phase);
      return;
    case 'check':
      if (event.task === 'look') askForPeer(turn, phase, event.value);
      else if (event.task === 'membership') checked(turn, phase, event.value === 'member');
      return;
    case 'handover':
      if (phase.move) grantCopy(turn, phase);
      else handedOver(turn, phase);
      return;
    case 'grant':
      handedOver(turn, phase);
      return;
    case 'shutdown':
      toStep(turn, { ...phase, step: 'waiting', tag: turn.look() });
      return;
    case 'waiting':
      if (event.task === 'look') guestLook(turn, phase, event.value);
      return;
    case 'clean':
      cleaned(turn, phase);
  }
}

export function demotingFailed(turn: Turn, phase: Demoting, error: string): void {
  switch (phase.step) {
    case 'plan':
      // A clean shutdown never harms the guest; a handover that nobody takes up would.
      turn.note(
        'cannot learn where Pacemaker will promote: shutting down instead of handing over',
        { error },
      );
      planned(turn, phase, null);
      return;
    case 'ask':
      if (phase.run !== null) waitForBackup(turn, { phase, run: phase.run }, error, AFTER_ANSWER);
      return;
    case 'finish':
      turn.note('no last checkpoint came', { error });
      // On its disks is what the guest has written since the checkpoint before.
      if (phase.move) noHandover(turn, phase, error);
      else check(turn, phase);
      return;
    case 'check':
      checked(turn, phase, false);
      return;
    case 'shutdown':
      toStep(turn, { ...phase, step: 'waiting', tag: turn.look() });
      return;
    case 'waiting':
      toStep(turn, { ...phase, tag: turn.timer(DELAY.guest_poll) });
      return;
    case 'grant':
      copyNotGranted(turn, phase, error, handedOver);
      return;
    case 'handover':
    case 'clean':
      demoteFailed(turn, phase, error);
  }
}

export function demotingTimer(turn: Turn, phase: Demoting, tag: number): void {
  if (phase.step === 'ask' && phase.run !== null)
    askTimer(turn, { phase, run: phase.run }, tag, AFTER_ANSWER);
  if (phase.step === 'grant' && tag === phase.tag) grantCopy(turn, phase);
  if (phase.step !== 'waiting' && phase.step !== 'shutdown') return;
  if (tag === phase.limit_tag) {
    turn.note('the guest did not shut down in time: destroying it', {
      shutdown_timeout_ms: turn.config.shutdown_timeout_ms,
    });
    toStep(turn, { ...phase, step: 'clean', tag: turn.run({ task: 'clean', domain: true }) });
  } else if (tag === phase.tag) {
    toStep(turn, { ...phase, tag: turn.look() });
  }
}

function planned(turn: Turn, phase: Demoting, node: string | null): void {
  const { run } = phase;
  if (run !== null && node === run.peer.node) {
    noteSwitchover(turn, run);
    beginAsking(turn, phase, run);
    return;
  }
  const because =
    node === null
      ? 'Pacemaker will not promote another node'
      : `Pacemaker will promote ${node}, which has no granted replica`;
  noHandover(turn, phase, because);
}

/** A clean shutdown: what nobody takes up would be lost with its disks as after a power cut. */
function noHandover(turn: Turn, phase: Demoting, because: string): void {
  turn.note('no handover', { because });
  if (phase.move) cancelSwitchover(turn, because);
  const back: Primary = asPrimary(turn, phase, phase.run);
  withdrawFirst(turn, back, phase.op, phase.then);
}

export function demotingSender(turn: Turn, phase: Demoting, event: Event): void {
  if (phase.step === 'ask' && phase.run !== null)
    senderHeard(turn, { phase, run: phase.run }, event, AFTER_ANSWER);
}

function finish(turn: Turn, phase: Demoting): void {
  const to = phase.run?.peer.node;
  const because = `Pacemaker will promote the ${phase.move ? 'copy' : 'granted replica'}`;
  turn.note('handing over', { to, because });
  turn.progress(turn.state.switchover?.op ?? null, 'taking the last checkpoint');
  toStep(turn, {
    ...phase,
    step: 'finish',
    tag: turn.run({ task: 'finish-sender', freeze: phase.move }),
  });
}

function noteSwitchover(turn: Turn, run: Replication): void {
  const { switchover } = turn.state;
  turn.progress(switchover?.op ?? null, 'Pacemaker demotes this node');
  const before = switchover ?? { op: null, asked: false };
  const tag = turn.timer(switchoverPatience(turn, before.op));
  turn.patch({ switchover: { ...before, to: run.peer.node, tag, stopped_ms: null } });
}

function check(turn: Turn, phase: Demoting): void {
  toStep(turn, { ...phase, step: 'check', tag: turn.look() });
}

/** A guest that has shut itself down must not come back from its replica, on the disks that it has unmounted since. */
function askForPeer(turn: Turn, phase: Demoting, { guest }: Look): void {
  if (guest.kind === 'absent' || guest.kind === 'ended') {
    noHandover(turn, phase, 'the guest has ended by itself');
    return;
  }
  const node = phase.run?.peer.node ?? '';
  toStep(turn, { ...phase, tag: turn.run({ task: 'membership', node }) });
}

/** Everything after the last acknowledged checkpoint is still held: a backup that is there goes on from it. */
function checked(turn: Turn, phase: Demoting, member: boolean): void {
  if (member) {
    turn.note('handing over the last acknowledged checkpoint');
    handover(turn, phase);
  } else {
    noHandover(turn, phase, `${phase.run?.peer.node ?? 'the backup'} is not a member any more`);
  }
}

function handover(turn: Turn, phase: Demoting): void {
  const { switchover } = turn.state;
  if (switchover !== null) {
    const { op } = switchover;
    const wait = op === null ? DELAY.takeover : Math.min(DELAY.takeover, turn.left(op, 0));
    const stopped_ms = turn.now_ms;
    turn.patch({ switchover: { ...switchover, stopped_ms, tag: turn.timer(wait) } });
  }
  toStep(turn, { ...phase, step: 'handover', tag: turn.run({ task: 'destroy-handed-over' }) });
}

function handedOver(turn: Turn, phase: Demoting): void {
  const to = phase.run?.peer.node ?? 'the peer';
  turn.note('handed over', { to });
  turn.progress(turn.state.switchover?.op ?? null, `handed over; waiting for ${to} to promote`);
  ended(turn, phase, `handed over to ${to}`);
}

function cleaned(turn: Turn, phase: Demoting): void {
  turn.note('the VM is down on this node');
  ended(turn, phase, 'waiting for the primary');
}

function ended(turn: Turn, phase: Demoting, reason: string): void {
  if (phase.then === 'stopped') {
    beginStopping(turn, phase.op);
    return;
  }
  turn.ok(phase.op);
  toIdle(turn, reason);
}

function guestLook(turn: Turn, phase: Demoting, look: Look): void {
  if (look.guest.kind === 'absent' || look.guest.kind === 'ended') {
    toStep(turn, { ...phase, step: 'clean', tag: turn.run({ task: 'clean', domain: true }) });
  } else {
    toStep(turn, { ...phase, tag: turn.timer(DELAY.guest_poll) });
  }
}

/** The domain may still be there: it stays this node's VM, and is watched and reported as such. */
function demoteFailed(turn: Turn, phase: Demoting, error: string): void {
  turn.note('demote failed', { error });
  turn.reply(phase.op, OCF.ERR_GENERIC, error);
  if (phase.whose === 'left over') {
    toIdle(turn, `demote failed: ${error}`, true);
    return;
  }
  if (phase.whose === 'adopted') {
    adopt(turn, turn.config, { kind: 'running', domid: 0 });
    return;
  }
  const back = asPrimary(turn, phase, phase.run);
  turn.to(back);
  const reason = `demote failed: ${error}`;
  const open = phase.run ?? phase.owed;
  if (phase.move && phase.run !== null) abandon(turn, back, phase.run, reason);
  else if (open !== null) beginWithdrawal(turn, back, open, reason);
  else endLeftOver(turn, { ...back, attempts: LATER }, reason);
}

function protectionBy(run: Replication | null, move: boolean): Protection {
  if (run === null) return { kind: 'none', reason: 'demote failed', tag: Turn.NO_TAG };
  return { kind: move ? 'seeding' : 'protected', run };
}

function asPrimary(turn: Turn, phase: Demoting, run: Replication | null): Primary {
  return {
    kind: 'primary',
    generation: phase.generation,
    protection: protectionBy(run, phase.move),
    guest: { kind: 'running', domid: 0 },
    since_ms: turn.now_ms,
    looked_ms: turn.now_ms,
    asked_ms: turn.now_ms,
    poll_tag: turn.look(),
    record_tag: Turn.NO_TAG,
    attempts: 0,
    ended: null,
    leaving: null,
  };
}
