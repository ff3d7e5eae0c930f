/**
 * Before a domain is given up for its replica: a promote needs remusd on the backup, and one that fails costs the VM its
 * memory. So a handover asks it first, again and again for a while; the guest runs on meanwhile, protected.
 * plan -> ask -> finish
 */
import type { TaskResults } from './effect.js';
import type { Event } from './event.js';
import { DELAY } from './policy.js';
import { sameReplica } from './record.js';
import type { HeldReplica, Phase, Replication } from './state.js';
import type { Turn } from './turn.js';

type Demoting = Extract<Phase, { kind: 'demoting' }>;
type Answer = TaskResults['ask-backup'];

/** A handover that has come to this question. */
interface Asking {
  readonly phase: Demoting;
  readonly run: Replication;
}

/** What demote.ts does next. */
export interface Next {
  readonly handOver: (turn: Turn, phase: Demoting) => void;
  /** Replication has come to its end: there is nothing to wait for. */
  readonly cutOff: (turn: Turn, phase: Demoting, why: string) => void;
  /** The backup is fed, and its remusd does not answer: no promote would succeed there. */
  readonly giveUp: (turn: Turn, phase: Demoting, why: string) => void;
}

export function askTask(turn: Turn, { peer, replica }: HeldReplica): number {
  return turn.run({ task: 'ask-backup', peer: peer.node, replica });
}

export function beginAsking(turn: Turn, phase: Demoting, run: Replication): void {
  const limit_tag = turn.timer(
    Math.min(DELAY.backup_answers, turn.left(phase.op, DELAY.margin) / 2),
  );
  turn.to({ ...phase, step: 'ask', said: '', limit_tag, tag: askTask(turn, run) });
}

export function backupAnswered(turn: Turn, asking: Asking, { problem }: Answer, next: Next): void {
  if (problem === null) next.handOver(turn, asking.phase);
  else waitForBackup(turn, asking, problem, next);
}

/** Also when it gives no answer. */
export function waitForBackup(
  turn: Turn,
  { phase, run }: Asking,
  because: string,
  next: Next,
): void {
  const silent_ms = turn.now_ms - run.heard_ms;
  if (silent_ms > turn.config.replication_timeout_ms + DELAY.sender_grace) {
    next.cutOff(turn, phase, `the sender has been silent for ${Math.round(silent_ms)} ms`);
    return;
  }
  if (because !== phase.said) turn.note('the handover waits', { because });
  turn.to({ ...phase, said: because, tag: turn.timer(DELAY.ask_backup) });
}

export function askTimer(turn: Turn, { phase, run }: Asking, tag: number, next: Next): void {
  if (tag === phase.limit_tag) next.giveUp(turn, phase, phase.said);
  else if (tag === phase.tag) turn.to({ ...phase, tag: askTask(turn, run) });
}

/** The sender's word while the backup is asked. */
export function senderHeard(turn: Turn, { phase, run }: Asking, event: Event, next: Next): void {
  if (event.type === 'sender' && sameReplica(event.state.replica, run.replica)) {
    const { state } = event;
    if (state.phase === 'ended') next.cutOff(turn, phase, state.reason ?? 'the sender ended');
    else turn.to({ ...phase, run: { ...run, sender: state, heard_ms: turn.now_ms } });
  } else if (event.type === 'sender-gone' && event.session === run.replica.session) {
    next.cutOff(turn, phase, event.reason);
  }
}
