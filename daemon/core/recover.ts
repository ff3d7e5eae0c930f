/** The daemon is back: the VM is taken over from what is really there, not from what we believed. */
import { dropReplica, receiverNews, toIdle, viewOf } from './backup.js';
import type { Findings } from './event.js';
import { endForPause } from './pause.js';
import { DELAY, isActivating, isHandingOver } from './policy.js';
import { endLeftOver } from './abandon.js';
import { enterPrimary, guestSeen, type Primary, senderNews, setProtection } from './primary.js';
import { sameReplica } from './record.js';
import type { HeldReplica, Peer, Replication } from './state.js';
import type { SenderState } from '../relay/control.js';
import { handoverWaits, switchoverGoesOn } from './switchover.js';
import { Turn } from './turn.js';
import { beginWithdrawal } from './withdraw.js';

export function recovered(turn: Turn, found: Findings): void {
  turn.patch({ config: found.config });
  if (halfMade(found)) {
    turn.note('found a start that was interrupted: removing it');
    dropReplica(turn, 'a start was interrupted', true, true);
  } else if (halfHandedOver(turn, found)) {
    turn.note('found a handover that was interrupted: bringing it to its end');
    dropReplica(turn, 'handed over', false, true);
  } else if (found.was_primary || runsHere(found)) recoverPrimary(turn, found);
  else if (found.receiver !== null && found.receiver.phase !== 'ended') recoverReplica(turn, found);
  else if (found.look.incoming) {
    turn.note('found a replica without a receiver: removing it');
    turn.to({
      kind: 'dropping-replica',
      reason: 'waiting for the primary',
      problem: false,
      tag: turn.run({ task: 'clean', domain: false }),
    });
  } else {
    turn.note('taken over: no replica here');
    toIdle(turn, 'waiting for the primary');
  }
}

/** xl runs a new domain at last, and one of us that has seen it run has noted that. */
function halfMade({ look: { guest }, receiver, was_primary }: Findings): boolean {
  const becoming = receiver !== null && isActivating(receiver);
  return guest.kind === 'paused' && !was_primary && !becoming;
}

/** Nobody has seen what the guest did after its last acknowledged checkpoint: a replica that is granted goes on from there. */
function halfHandedOver({ state }: Turn, { handing_over, record, replica }: Findings): boolean {
  if (!handing_over || replica === null || record?.primary !== state.node) return false;
  const { grant } = record;
  return grant !== null && grant.node !== state.node && sameReplica(grant.replica, replica);
}

/** A domain that is not running yet may be a replica that has just been given its name. */
function runsHere({ look: { guest }, receiver }: Findings): boolean {
  const becoming = receiver !== null && isActivating(receiver);
  return becoming ? guest.kind === 'running' : guest.kind !== 'absent';
}

function recoverReplica(turn: Turn, found: Findings): void {
  const receiver = found.receiver;
  if (receiver === null) return;
  turn.note('taken over: the replica is still held', { from: found.from });
  const phase = {
    kind: 'replica' as const,
    from: found.from ?? '',
    replica: receiver.replica,
    receiver: viewOf(receiver, found.config),
  };
  turn.to(phase);
  receiverNews(turn, phase, receiver);
}

function recoverPrimary(turn: Turn, found: Findings): void {
  // Another node's: from before our promotion, as a DC has it that has just come back.
  const record = found.record?.primary === turn.state.node ? found.record : null;
  // A replica that was held, not fed, is older than the promotion that it came to run by.
  const fed = found.from === null ? found.replica : null;
  const learnt = record?.generation ?? found.sender?.replica.generation ?? fed?.generation ?? 0;
  const generation = Math.max(learnt, found.generation);
  enterPrimary(turn, generation, 'the daemon was restarted');
  const phase = turn.state.phase as Primary;
  protectionFrom(turn, phase, { ...found, record });
  if (found.paused !== null) {
    turn.patch({ paused: found.paused });
    endForPause(turn, turn.state.phase as Primary);
  }
  const now = turn.state.phase as Primary;
  guestSeen(turn, now, found.look);
}

function protectionFrom(turn: Turn, phase: Primary, found: Findings): void {
  const { sender, peer, record, replica, leaving, unheld = false, move = false } = found;
  const grant = record?.grant ?? null;
  const granted = grant !== null && sender !== null && sameReplica(grant.replica, sender.replica);
  // A copy for a move that nobody waits for any more; the next one makes its own.
  if (sender !== null && peer !== null && !move && carriesOn(sender, granted)) {
    goOn(turn, phase, { sender, peer, leaving }, granted);
  } else if (grant !== null && grant.node !== turn.state.node) {
    withdraw(turn, phase, { peer: { node: grant.node }, replica: grant.replica, unheld });
  } else if (peer !== null && replica !== null) {
    // Its output was not let go. Whether it was granted is not known: then it was. Nor does a record without a grant prove
    // anything: a withdrawal that only this node's partition has does not keep the peer from promoting.
    withdraw(turn, phase, { peer, replica, unheld });
  } else {
    leftOvers(turn, phase, found);
  }
}

/** What is finishing, or has, was begun by a demote that will be asked for again: of a replica that may be promoted. */
function carriesOn(sender: SenderState, granted: boolean): boolean {
  return sender.phase !== 'ended' && (granted || !isHandingOver(sender));
}

function goOn(
  turn: Turn,
  phase: Primary,
  { sender, peer, leaving }: Running,
  granted: boolean,
): void {
  const watch_tag = turn.timer(turn.config.replication_timeout_ms + DELAY.sender_grace);
  const run: Replication = {
    peer,
    replica: sender.replica,
    sender,
    heard_ms: turn.now_ms,
    still_ms: 0,
    watch_tag,
  };
  turn.note('taken over: replication goes on', { peer: peer.node, granted });
  const seeding: Primary = { ...phase, protection: { kind: 'seeding', run } };
  if (granted) {
    setProtection(turn, phase, { kind: 'protected', run });
    if (isHandingOver(sender)) handoverWaits(turn, peer.node, leaving);
    else if (leaving) switchoverGoesOn(turn, peer.node);
  } else senderNews(turn, seeding, sender);
}

interface Running {
  readonly sender: SenderState;
  readonly peer: Peer;
  readonly leaving: boolean;
}

function withdraw(turn: Turn, phase: Primary, run: HeldReplica): void {
  beginWithdrawal(turn, phase, run, 'replication ended while the daemon was down');
}

/** Never granted: a sender that died may still have left held output and a suspended guest behind. */
function leftOvers(turn: Turn, phase: Primary, found: Findings): void {
  const reason = 'the daemon was restarted';
  turn.note('taken over: the VM runs without protection');
  endLeftOver(turn, phase, reason, found);
}
