/** The daemon is back: the VM is taken over from what is really there, not from what we believed. */
import { receiverNews, toIdle, viewOf } from './backup.js';
import type { Findings } from './event.js';
import { DELAY } from './policy.js';
import { enterPrimary, guestSeen, type Primary, senderNews, setProtection } from './primary.js';
import { sameReplica } from './record.js';
import type { Replication } from './state.js';
import { Turn } from './turn.js';
import { beginWithdrawal } from './withdraw.js';

export function recovered(turn: Turn, found: Findings): void {
  turn.patch({ config: found.config });
  const here = found.look.guest.kind !== 'absent';
  if (here || found.was_primary) recoverPrimary(turn, found);
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

function recoverReplica(turn: Turn, found: Findings): void {
  const receiver = found.receiver;
  if (receiver === null) return;
  turn.note('taken over: the replica is still held', { from: found.from });
  const phase = {
    kind: 'replica' as const,
    from: found.from ?? '',
    replica: receiver.replica,
    receiver: viewOf(receiver),
  };
  turn.to(phase);
  receiverNews(turn, phase, receiver);
}

function recoverPrimary(turn: Turn, found: Findings): void {
  const generation = found.record?.generation ?? found.sender?.replica.generation ?? 0;
  enterPrimary(turn, generation, 'the daemon was restarted');
  const phase = turn.state.phase as Primary;
  protectionFrom(turn, phase, found);
  const now = turn.state.phase as Primary;
  guestSeen(turn, now, found.look);
}

function protectionFrom(turn: Turn, phase: Primary, found: Findings): void {
  const { sender, peer, record } = found;
  const grant = record?.grant ?? null;
  if (sender !== null && peer !== null && sender.phase !== 'ended' && sender.phase !== 'finished') {
    const run: Replication = {
      peer,
      replica: sender.replica,
      sender,
      watch_tag: turn.timer(turn.config.replication_timeout_ms + DELAY.sender_grace),
    };
    const granted = grant !== null && sameReplica(grant.replica, sender.replica);
    turn.note('taken over: replication goes on', { peer: peer.node, granted });
    setProtection(turn, phase, granted ? { kind: 'protected', run } : { kind: 'seeding', run });
    if (!granted) senderNews(turn, turn.state.phase as Primary, sender);
    return;
  }
  if (grant !== null && grant.node !== turn.state.node) {
    beginWithdrawal(
      turn,
      phase,
      { peer: { node: grant.node }, replica: grant.replica },
      'replication ended while the daemon was down',
    );
    return;
  }
  if (record === null && peer !== null && sender !== null) {
    beginWithdrawal(
      turn,
      phase,
      { peer, replica: sender.replica },
      'replication ended while the daemon was down',
    );
    return;
  }
  turn.note('taken over: the VM runs without protection');
  // A sender that died before its grant may have left held output and a suspended guest behind.
  if (peer !== null && sender !== null) {
    setProtection(turn, phase, {
      kind: 'abandoning',
      reason: 'replication ended while the daemon was down',
      peer,
      replica: sender.replica,
      step: 'end',
      tag: turn.run({ task: 'end-replication', reason: 'daemon restarted' }),
    });
    return;
  }
  const replica = { generation: phase.generation, session: '00000000' };
  const none = { node: '', address: '', port: 0, fingerprint: '' };
  setProtection(turn, phase, {
    kind: 'abandoning',
    reason: 'the daemon was restarted',
    peer: peer ?? none,
    replica,
    step: 'end',
    tag: turn.run({ task: 'end-replication', reason: 'daemon restarted' }),
  });
}
