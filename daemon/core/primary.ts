/**
 * The node that runs the VM: watching the guest, and protecting it.
 * none -> preparing -> launching -> seeding -> granting -> protected; trouble leads to abandoning (never
 * granted) or withdrawing (granted, or maybe granted), and from there to none again.
 */
import type { ReplicaId, SenderState } from '../relay/control.js';
import type { TaskResults } from './effect.js';
import type { Done } from './event.js';
import { granted, runGrant } from './grant.js';
import { abandon, abandonRun, abandonStep, endLeftOver, NOTHING_LEFT } from './abandon.js';
import { guestEnded } from './guest-ended.js';
import { beginShutdown } from './demote.js';
import {
  grantAgainSeen,
  grantAgainTimer,
  notGrantedAgain,
  ownRecordNotSeen,
  ownRecordSeen,
  ownRecordTimer,
} from './own-record.js';
import { generationLearnt } from './learn-generation.js';
import { pauseEnded, pauseSeen } from './pause.js';
import { copyAgain, movePlanned, peerForMove, shutDown } from './move.js';
import {
  DELAY,
  endInWords,
  isHandingOver,
  mayGrant,
  nextLook,
  RESTART,
  restarts,
  retryDelay,
} from './policy.js';
import { sameReplica } from './record.js';
import type { GuestEnd, Look, Peer, Phase, Protection, Replication, VmConfig } from './state.js';
import { Turn } from './turn.js';
import {
  beginWithdrawal,
  endAgain,
  withdrawalDone,
  withdrawalFailed,
  withdrawalTimer,
} from './withdraw.js';

export type Primary = Extract<Phase, { kind: 'primary' }>;
export const FIND_PEERS = { task: 'find-peers' } as const;
const READ_RECORD = { task: 'read-record', at: 'dc' } as const;

const NOT_REPLICATED = { kind: 'none', reason: RESTART, tag: Turn.NO_TAG } as const;

type Of<K extends Protection['kind']> = Extract<Protection, { kind: K }>;

export function enterPrimary(turn: Turn, generation: number, reason: string): void {
  turn.patch({ start_failed: false });
  turn.to({
    kind: 'primary',
    generation,
    protection: { kind: 'none', reason, tag: turn.timer(DELAY.protect_first) },
    guest: { kind: 'running', domid: 0 },
    since_ms: turn.now_ms,
    looked_ms: turn.now_ms,
    asked_ms: turn.now_ms,
    poll_tag: turn.look(),
    record_tag: Turn.NO_TAG,
    attempts: 0,
    ended: null,
    leaving: null,
  });
}

export function setProtection(turn: Turn, phase: Primary, protection: Protection): void {
  turn.to({ ...phase, protection });
}

/** The way into `none`: by whichever road the protection ended, what waited for that end goes on now. */
export function unprotected(turn: Turn, phase: Primary, reason: string): void {
  const alone = restarts(turn.state.config);
  if (alone && phase.ended === null && copyAgain(turn, phase, reason)) return;
  if (phase.leaving !== null) {
    beginShutdown(turn, phase.leaving, { whose: 'ours', generation: phase.generation });
    return;
  }
  if (phase.ended !== null) {
    guestEnded(turn, phase.generation, phase.ended);
    return;
  }
  if (alone && phase.generation > 0) {
    setProtection(turn, phase, NOT_REPLICATED);
    return;
  }
  const tag = turn.timer(retryDelay(phase.attempts));
  setProtection(turn, { ...phase, attempts: phase.attempts + 1 }, { kind: 'none', reason, tag });
}

export function primaryDone(turn: Turn, phase: Primary, event: Done): void {
  if (event.tag === phase.poll_tag) {
    if (event.task === 'look') guestSeen(turn, phase, event.value);
    return;
  }
  const planned = event.task === 'planned-promotion' ? event.value : null;
  if (movePlanned(turn, phase, event.tag, planned)) return;
  const text = event.task === 'read-record' ? event.value : null;
  if (ownRecordSeen(turn, phase, event.tag, text)) return;
  const { protection } = phase;
  switch (protection.kind) {
    case 'none':
      if (event.tag !== protection.tag) return;
      if (event.task === 'find-peers') peersFound(turn, phase, event.value);
      else if (event.task === 'read-record') generationLearnt(turn, phase, event.value);
      else if (event.task === 'end-pause') pauseEnded(turn, phase);
      else if (event.task === 'write-record')
        setProtection(turn, phase, { ...protection, tag: turn.run(READ_RECORD) });
      return;
    case 'preparing':
      if (event.tag === protection.tag && event.task === 'prepare-peer')
        launch(turn, phase, protection, event.value.port);
      return;
    case 'launching':
      if (event.tag === protection.tag) launched(turn, phase, protection, null);
      return;
    case 'granting':
      if (event.tag !== protection.tag) return;
      if (event.task === 'read-record') grantAgainSeen(turn, phase, protection, event.value);
      else granted(turn, phase, protection.run);
      return;
    case 'abandoning':
      if (event.tag === protection.tag) abandonStep(turn, phase, protection);
      return;
    case 'withdrawing':
      if (event.tag === protection.tag) withdrawalDone(turn, phase, protection, event);
      return;
    case 'seeding':
    case 'protected':
      return;
  }
}

export function primaryFailed(turn: Turn, phase: Primary, tag: number, error: string): void {
  if (tag === phase.poll_tag) {
    turn.to({ ...phase, poll_tag: turn.timer(nextLook(turn.now_ms - phase.asked_ms)) });
    return;
  }
  if (movePlanned(turn, phase, tag, null)) return;
  if (ownRecordNotSeen(turn, phase, tag)) return;
  const { protection } = phase;
  if (protection.kind === 'seeding' || protection.kind === 'protected' || tag !== protection.tag)
    return;
  switch (protection.kind) {
    case 'none':
      notReplicating(turn, protection.reason, error);
      unprotected(turn, phase, error);
      return;
    case 'preparing':
      // Once a reason: it is tried again and again.
      if (error !== protection.reason) {
        turn.note('the peer cannot hold a replica', { peer: protection.peer.node, error });
      }
      unprotected(turn, phase, error);
      return;
    case 'launching':
      abandon(turn, phase, protection, error);
      return;
    case 'granting':
      if (protection.again !== null) notGrantedAgain(turn, phase, protection, error);
      else beginWithdrawal(turn, phase, protection.run, `the grant could not be written: ${error}`);
      return;
    case 'abandoning':
      // P5 does not give up: the guest must run and its output must flow.
      turn.note('replication could not be ended yet; trying again', { error });
      setProtection(turn, phase, { ...protection, tag: turn.timer(DELAY.protect_retry) });
      return;
    case 'withdrawing':
      withdrawalFailed(turn, phase, protection, error);
      return;
  }
}

export function primaryTimer(turn: Turn, phase: Primary, tag: number): void {
  if (tag === phase.poll_tag) {
    turn.to({ ...phase, poll_tag: turn.look(), asked_ms: turn.now_ms });
    return;
  }
  if (ownRecordTimer(turn, phase, tag)) return;
  if (phase.leaving !== null && tag === phase.leaving.limit_tag) {
    if (phase.leaving.move !== null) {
      shutDown(turn, phase, 'there is no time to copy its memory');
      return;
    }
    const owed = phase.protection.kind === 'withdrawing' ? phase.protection : null;
    if (owed?.unheld === true) turn.note('the withdrawal takes too long; shutting down');
    else turn.note('the withdrawal takes too long; shutting down with the output held');
    beginShutdown(turn, phase.leaving, { whose: 'ours', generation: phase.generation }, owed);
    return;
  }
  const { protection } = phase;
  switch (protection.kind) {
    case 'none':
      if (tag === protection.tag) {
        const task = phase.generation > 0 ? FIND_PEERS : READ_RECORD;
        setProtection(turn, phase, { ...protection, tag: turn.run(task) });
      }
      return;
    case 'seeding':
    case 'protected':
    case 'granting':
      if (tag === protection.run.watch_tag) {
        trouble(turn, phase, 'the sender has not been heard of for the replication timeout');
      } else if (protection.kind === 'granting' && tag === protection.tag) {
        grantAgainTimer(turn, phase, protection);
      }
      return;
    case 'abandoning':
      if (tag === protection.tag) setProtection(turn, phase, abandonRun(turn, protection));
      return;
    case 'withdrawing':
      if (tag === protection.tag) withdrawalTimer(turn, phase, protection);
      return;
    case 'preparing':
    case 'launching':
      return;
  }
}

/** What the sender says; only of the replication that is ours now. */
export function senderNews(turn: Turn, phase: Primary, news: SenderState): void {
  const { protection } = phase;
  if (protection.kind === 'launching' && sameReplica(news.replica, protection.replica)) {
    if (news.phase === 'ended') {
      trouble(turn, phase, news.reason ?? 'the sender ended');
      return;
    }
    launched(turn, phase, protection, news);
    return;
  }
  const run = runOf(protection);
  if (run === null || !sameReplica(news.replica, run.replica)) return;
  if (news.phase === 'ended') {
    trouble(turn, phase, news.reason ?? 'the sender ended');
    return;
  }
  if (isHandingOver(news) && turn.state.switchover === null) {
    // P5: the guest stands still when it has finished, and the demote that asked for it has gone.
    trouble(turn, phase, 'a handover was begun and given up');
    return;
  }
  if (protection.kind !== 'seeding' && news.phase === 'flowing' && !mayGrant(news)) {
    trouble(turn, phase, 'output is not held any more');
    return;
  }
  const next = heardOf(turn, run, news);
  if (next.still_ms > standstillLimit(turn.config)) {
    trouble(turn, phase, 'xl remus makes no checkpoints any more');
    return;
  }
  const grants = mayGrant(news) && !restarts(turn.state.config);
  if (protection.kind === 'seeding' && grants) runGrant(turn, phase, next, null);
  else keepRun(turn, phase, next);
}

/** The sender says something every second: a longer gap is our own deafness, and no standstill of xl's. */
const HEARTBEAT_MAX_MS = 2_000;

function heardOf(turn: Turn, run: Replication, news: SenderState): Replication {
  const before = run.sender?.stats;
  const { bytes_total, drained_total } = news.stats;
  // While it connects, the backup's xl is being started; the sender has its own deadline for that.
  const moved =
    news.phase === 'connecting' ||
    bytes_total !== before?.bytes_total ||
    drained_total !== before.drained_total;
  return {
    ...run,
    sender: news,
    heard_ms: turn.now_ms,
    still_ms: moved ? 0 : run.still_ms + Math.min(turn.now_ms - run.heard_ms, HEARTBEAT_MAX_MS),
    watch_tag: watch(turn),
  };
}

/** An `xl remus` that stands still keeps the output of the guest held for nothing. */
function standstillLimit(config: VmConfig): number {
  return config.interval_ms + config.replication_timeout_ms + DELAY.sender_grace;
}

function keepRun(turn: Turn, phase: Primary, run: Replication): void {
  const { protection } = phase;
  if (
    protection.kind === 'seeding' ||
    protection.kind === 'protected' ||
    protection.kind === 'granting'
  ) {
    setProtection(turn, phase, { ...protection, run });
  }
}

export function senderGone(turn: Turn, phase: Primary, session: string, reason: string): void {
  const { protection } = phase;
  const replica = protection.kind === 'launching' ? protection.replica : runOf(protection)?.replica;
  if (replica?.session === session) trouble(turn, phase, reason);
}

export function runOf(protection: Protection): Replication | null {
  switch (protection.kind) {
    case 'seeding':
    case 'granting':
    case 'protected':
      return protection.run;
    case 'none':
    case 'preparing':
    case 'launching':
    case 'abandoning':
    case 'withdrawing':
      return null;
  }
}

/** Replication is over, for this reason. */
export function trouble(turn: Turn, phase: Primary, reason: string): void {
  const { protection } = phase;
  switch (protection.kind) {
    case 'launching':
      abandon(turn, phase, protection, reason);
      return;
    case 'seeding':
      abandon(turn, phase, protection.run, reason);
      return;
    case 'granting':
    case 'protected':
      beginWithdrawal(turn, phase, protection.run, reason);
      return;
    case 'none':
    case 'preparing':
    case 'abandoning':
    case 'withdrawing':
      return;
  }
}

/** How the guest does. Its end ends the protection first, so that no replica resurrects it. */
export function guestSeen(turn: Turn, phase: Primary, look: Look): void {
  const seen: Primary = {
    ...phase,
    guest: look.guest,
    looked_ms: turn.now_ms,
    poll_tag: turn.timer(nextLook(turn.now_ms - phase.asked_ms)),
  };
  turn.to(seen);
  if (look.guest.kind === 'suspended' && phase.guest.kind === 'suspended')
    leftSuspended(turn, seen);
  if (phase.ended !== null || (look.guest.kind !== 'ended' && look.guest.kind !== 'absent')) return;
  const how: GuestEnd | 'gone' = look.guest.kind === 'ended' ? look.guest.how : 'gone';
  turn.note(endInWords(how));
  const ended: Primary = { ...seen, ended: how };
  turn.to(ended);
  switch (phase.protection.kind) {
    case 'none':
    case 'preparing':
      unprotected(turn, ended, endInWords(how));
      return;
    case 'abandoning':
    case 'withdrawing':
      return;
    case 'launching':
    case 'seeding':
    case 'granting':
    case 'protected':
      trouble(turn, ended, endInWords(how));
  }
}

/**
 * P5: a guest that was asked to suspend and whose `xl remus` was killed then does so late, after it was looked at.
 * Seen twice: one look may be older than the end of the replication.
 */
function leftSuspended(turn: Turn, phase: Primary): void {
  const { protection } = phase;
  const again = protection.kind === 'withdrawing' || protection.kind === 'abandoning';
  if (protection.kind !== 'none' && !(again && protection.step !== 'end')) return;
  turn.note('the guest was left suspended by an ended replication: resuming it');
  if (protection.kind === 'withdrawing') endAgain(turn, phase, protection);
  else endLeftOver(turn, phase, protection.reason, again ? protection : NOTHING_LEFT);
}

/** Once a reason: it is tried again and again. */
function notReplicating(turn: Turn, before: string, because: string): void {
  if (because !== before) turn.note('not replicating', { because });
}

function peersFound(turn: Turn, phase: Primary, found: TaskResults['find-peers']): void {
  if (restarts(turn.state.config)) {
    const { peer, because } = peerForMove(turn.state, found);
    if (peer === null) unprotected(turn, phase, because);
    else prepare(turn, phase, RESTART, peer, found.session);
    return;
  }
  const before = phase.protection.kind === 'none' ? phase.protection.reason : '';
  const reason = pauseSeen(turn, phase, before, found);
  if (reason === null) return;
  const peer = found.peers[phase.attempts % Math.max(1, found.peers.length)];
  if (peer === undefined) {
    // Looking is cheap, and a node that comes back should not wait: no longer and longer delays here.
    const tag = turn.timer(DELAY.look_for_peer);
    notReplicating(turn, reason, found.none_because);
    setProtection(turn, phase, { kind: 'none', reason: found.none_because, tag });
    return;
  }
  prepare(turn, phase, reason, peer, found.session);
}

function prepare(turn: Turn, phase: Primary, reason: string, peer: Peer, session: string): void {
  const replica: ReplicaId = { generation: phase.generation, session };
  setProtection(turn, phase, {
    kind: 'preparing',
    reason,
    peer,
    replica,
    tag: turn.run({ task: 'prepare-peer', peer, replica }),
  });
}

function launch(
  turn: Turn,
  phase: Primary,
  { reason, peer, replica }: Of<'preparing'>,
  port: number,
): void {
  const move = restarts(turn.config);
  // Of a copy for a move no client ever hears: what the guest sends meanwhile is true.
  const config: VmConfig = move ? { ...turn.config, netbuf: 'off' } : turn.config;
  const tag = turn.run({ task: 'launch-remus', peer, port, replica, config, move });
  setProtection(turn, phase, { kind: 'launching', reason, peer, replica, tag });
}

function launched(
  turn: Turn,
  phase: Primary,
  { peer, replica }: Of<'launching'>,
  sender: SenderState | null,
): void {
  turn.note('replicating', { to: peer.node, generation: replica.generation });
  setProtection(turn, phase, {
    kind: 'seeding',
    run: {
      peer,
      replica,
      sender,
      heard_ms: turn.now_ms,
      still_ms: 0,
      watch_tag: sender === null ? turn.timer(DELAY.sender_start) : watch(turn),
    },
  });
}

function watch(turn: Turn): number {
  return turn.timer(turn.config.replication_timeout_ms + DELAY.sender_grace);
}
