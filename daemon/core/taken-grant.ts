/**
 * P4 for a start from the configuration: the claim takes a grant away from another node, or comes after one that did, or after
 * a withdrawal, of which nobody here knows whether it was proven. What the VM says then must not be heard while that node could
 * still be promoted with its replica: so it starts only when that node has the claim in its own CIB, or is known down. A
 * partition may have come between the order to promote and the claim.
 * claim -> membership -> verify (members only) -> clean
 */
import type { Membership } from './effect.js';
import type { Done } from './event.js';
import { DELAY } from './policy.js';
import { formatRecord } from './record.js';
import type { Phase } from './state.js';
import type { Turn } from './turn.js';

type Promoting = Extract<Phase, { kind: 'promoting' }>;

/** What promote.ts does next. */
export interface Next {
  readonly start: (turn: Turn, phase: Promoting) => void;
  readonly giveUp: (turn: Turn, phase: Promoting, reason: string) => void;
}

/** The other node whose grant counts no more by what this promotion has written. */
export function holderOf(turn: Turn, { record }: Promoting): string | null {
  const node = record?.withdrawn?.node;
  return node === undefined || node === turn.state.node ? null : node;
}

/** The grant's old node is asked for, again and again. */
export function askForHolder(turn: Turn, phase: Promoting): void {
  const holder = holderOf(turn, phase);
  if (holder === null) return;
  const tag = turn.run({ task: 'membership', node: holder });
  turn.to({ ...phase, step: 'membership', tag });
}

export function holderAnswered(turn: Turn, phase: Promoting, event: Done, next: Next): void {
  const holder = holderOf(turn, phase);
  if (holder === null) return;
  if (event.task === 'membership') byMembership(turn, phase, holder, event.value, next);
  else if (event.task === 'read-record') {
    if (phase.record !== null && event.value === formatRecord(phase.record))
      next.start(turn, phase);
    else waitForHolder(turn, phase, `${holder} does not have the claim yet`, next);
  }
}

function byMembership(
  turn: Turn,
  phase: Promoting,
  holder: string,
  found: Membership,
  next: Next,
): void {
  switch (found) {
    case 'fenced':
      next.start(turn, phase);
      return;
    case 'member': {
      const tag = turn.run({ task: 'read-record', at: { node: holder } });
      turn.to({ ...phase, step: 'verify', tag });
      return;
    }
    case 'neither':
      waitForHolder(turn, phase, `${holder} is neither a member nor fenced yet`, next);
  }
}

/** Also for a cluster that does not answer. */
export function waitForHolder(turn: Turn, phase: Promoting, why: string, next: Next): void {
  const because = `${holderOf(turn, phase) ?? ''} had a granted replica, and ${why}`;
  if (phase.op.deadline_ms - turn.now_ms <= DELAY.margin) {
    turn.note('promotion failed', { step: phase.step, error: because });
    next.giveUp(turn, phase, because);
    return;
  }
  if (because !== phase.said) turn.note('the start waits', { because });
  turn.to({ ...phase, step: 'membership', said: because, tag: turn.timer(DELAY.membership) });
}
