/**
 * P4: the primary goes on alone only after the replica has been made unusable in the cluster's own records,
 * or its holder is known fenced. Until then the output stays held; with netbuf=off there is nothing to hold.
 * end -> membership -> write -> verify (members only) -> lift; `wait` whenever neither rule holds yet.
 */
import type { Membership } from './effect.js';
import type { Done } from './event.js';
import { DELAY, isUnheld, PAUSED, SCORE } from './policy.js';
import { grantOf } from './grant.js';
import { claimAfter, formatRecord, parseRecord, type VmRecord } from './record.js';
import { type Primary, setProtection, unprotected } from './primary.js';
import type { HeldReplica, Protection, Replication, WithdrawStep } from './state.js';
import { cancelSwitchover } from './switchover.js';
import { Turn } from './turn.js';

type Withdrawing = Extract<Protection, { kind: 'withdrawing' }>;

export function beginWithdrawal(
  turn: Turn,
  phase: Primary,
  run: HeldReplica | Replication,
  reason: string,
): void {
  const unheld = isUnheld(run);
  const detail = { peer: run.peer.node, reason };
  if (unheld) turn.note('protection lost: withdrawing the grant, output not held', detail);
  else turn.note('protection lost: withdrawing the grant, output held', detail);
  // Its low score must not outlive the protection: Pacemaker would move the VM without its memory.
  cancelSwitchover(turn, `protection was lost: ${reason}`);
  const protection: Withdrawing = {
    kind: 'withdrawing',
    reason,
    peer: { node: run.peer.node },
    replica: run.replica,
    unheld,
    step: 'end',
    said: '',
    tag: turn.run({ task: 'end-replication', reason }),
  };
  setProtection(turn, phase, protection);
}

export function withdrawalDone(turn: Turn, phase: Primary, now: Withdrawing, event: Done): void {
  switch (now.step) {
    case 'end':
      askMembership(turn, phase, now);
      return;
    case 'membership':
      if (event.task === 'membership') byMembership(turn, phase, now, event.value);
      return;
    case 'write':
      verify(turn, phase, now);
      return;
    case 'verify':
      if (event.task === 'read-record') verified(turn, phase, now, event.value);
      return;
    case 'lift':
      lifted(turn, phase, now);
      return;
    case 'wait':
      return;
  }
}

export function withdrawalFailed(
  turn: Turn,
  phase: Primary,
  now: Withdrawing,
  error: string,
): void {
  if (now.step === 'end' || now.step === 'lift') {
    turn.note('withdrawal: a step failed; trying again', { step: now.step, error });
    setProtection(turn, phase, { ...now, tag: turn.timer(DELAY.protect_retry) });
    return;
  }
  holdOn(turn, phase, now, error);
}

export function withdrawalTimer(turn: Turn, phase: Primary, now: Withdrawing): void {
  if (now.step === 'wait') {
    askMembership(turn, phase, now);
    return;
  }
  const tag =
    now.step === 'lift'
      ? turn.run({ task: 'lift-hold' })
      : turn.run({ task: 'end-replication', reason: now.reason });
  setProtection(turn, phase, { ...now, tag });
}

/** What had been ended was not all: from the beginning. */
export function endAgain(turn: Turn, phase: Primary, now: Withdrawing): void {
  go(turn, phase, now, 'end', turn.run({ task: 'end-replication', reason: now.reason }));
}

function go(turn: Turn, phase: Primary, now: Withdrawing, step: WithdrawStep, tag: number): void {
  setProtection(turn, phase, { ...now, step, tag });
}

function askMembership(turn: Turn, phase: Primary, now: Withdrawing): void {
  go(turn, phase, now, 'membership', turn.run({ task: 'membership', node: now.peer.node }));
}

function byMembership(turn: Turn, phase: Primary, now: Withdrawing, found: Membership): void {
  const record = withdrawn(turn, phase, now);
  switch (found) {
    case 'member':
      go(
        turn,
        phase,
        now,
        'write',
        turn.run({ task: 'withdraw', record, node: now.peer.node, score: SCORE.cold }),
      );
      return;
    case 'fenced':
      // Nobody can promote a fenced node's replica: it is gone. The record follows for the day it comes back.
      turn.note('the peer is known down: its replica is gone', { peer: now.peer.node });
      turn.run({ task: 'withdraw', record, node: now.peer.node, score: null });
      go(turn, phase, now, 'lift', turn.run({ task: 'lift-hold' }));
      return;
    case 'neither':
      holdOn(turn, phase, now, `${now.peer.node} is neither a member nor fenced yet`);
  }
}

function verify(turn: Turn, phase: Primary, now: Withdrawing): void {
  go(turn, phase, now, 'verify', turn.run({ task: 'read-record', at: { node: now.peer.node } }));
}

function verified(turn: Turn, phase: Primary, now: Withdrawing, text: string | null): void {
  const seen = parseRecord(text);
  if (seen === null || formatRecord(seen) !== formatRecord(withdrawn(turn, phase, now))) {
    holdOn(turn, phase, now, `${now.peer.node} does not have the withdrawal yet`);
    return;
  }
  const detail = { peer: now.peer.node };
  if (now.unheld) turn.note('withdrawn: the peer has it in its own CIB', detail);
  else turn.note('withdrawn: the peer has it in its own CIB; letting the output go', detail);
  go(turn, phase, now, 'lift', turn.run({ task: 'lift-hold' }));
}

function lifted(turn: Turn, phase: Primary, now: Withdrawing): void {
  const paused = now.reason === PAUSED;
  turn.run({ task: 'drop-peer', peer: now.peer.node, replica: now.replica, paused });
  turn.note('unprotected', { reason: now.reason });
  unprotected(turn, phase, now.reason);
}

/** Keep holding. If we are the ones being fenced, nothing untrue has left the host. */
function holdOn(turn: Turn, phase: Primary, now: Withdrawing, why: string): void {
  const waits = now.unheld ? 'the withdrawal waits' : 'output stays held';
  if (why !== now.said) turn.note(waits, { because: why });
  go(turn, phase, { ...now, said: why }, 'wait', turn.timer(DELAY.membership));
}

function withdrawn(turn: Turn, phase: Primary, { peer, replica }: Withdrawing): VmRecord {
  const before = grantOf(turn.state.node, phase.generation, { peer, replica });
  return claimAfter(before, phase.generation, turn.state.node);
}
