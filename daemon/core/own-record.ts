/**
 * The record of a protected VM is looked at whenever the cluster's configuration has changed: somebody may have removed or
 * damaged it by hand, and a merge with an older CIB may have brought an older one back. A replica that is fed is granted anew
 * then, by the same rules as the first time: nothing is written over the record of a node that Pacemaker has promoted since.
 * protected -> granting(again) -> protected
 */
import { granted, grantOf, runGrant } from './grant.js';
import { DELAY } from './policy.js';
import { type Primary, setProtection } from './primary.js';
import { formatRecord, parseRecord, type VmRecord } from './record.js';
import type { Protection, Replication } from './state.js';
import { Turn } from './turn.js';

type Granting = Extract<Protection, { kind: 'granting' }>;

/** One that is under way may be older than the change. */
export function configurationChanged(turn: Turn, phase: Primary): void {
  if (phase.protection.kind === 'protected') turn.to({ ...phase, record_tag: readOwn(turn) });
}

/** In this node's own CIB: it has what this node has written, which the DC may get a moment later. */
function readOwn(turn: Turn): number {
  return turn.run({ task: 'read-record', at: { node: turn.state.node } });
}

/** @returns true when the result, failure or timer was the look's. */
export function ownRecordSeen(
  turn: Turn,
  phase: Primary,
  tag: number,
  text: string | null,
): boolean {
  if (tag !== phase.record_tag) return false;
  const seen: Primary = { ...phase, record_tag: Turn.NO_TAG };
  turn.to(seen);
  if (phase.protection.kind === 'protected') compare(turn, seen, phase.protection.run, text, null);
  return true;
}

/** The cluster does not answer: it will. */
export function ownRecordNotSeen(turn: Turn, phase: Primary, tag: number): boolean {
  if (tag !== phase.record_tag) return false;
  turn.to({ ...phase, record_tag: turn.timer(DELAY.look_for_peer) });
  return true;
}

export function ownRecordTimer(turn: Turn, phase: Primary, tag: number): boolean {
  if (tag !== phase.record_tag) return false;
  configurationChanged(turn, { ...phase, record_tag: Turn.NO_TAG });
  return true;
}

/** The replica is still fed, and its grant could not be written again yet. Nothing is let go without its acknowledgement. */
export function notGrantedAgain(turn: Turn, phase: Primary, now: Granting, error: string): void {
  wait(turn, phase, now.run, error, now.again);
}

export function grantAgainTimer(turn: Turn, phase: Primary, now: Granting): void {
  setProtection(turn, phase, { ...now, tag: readOwn(turn) });
}

export function grantAgainSeen(
  turn: Turn,
  phase: Primary,
  now: Granting,
  text: string | null,
): void {
  compare(turn, phase, now.run, text, now.again);
}

/** @param again why it is not what it was, as last said. */
function compare(
  turn: Turn,
  phase: Primary,
  run: Replication,
  text: string | null,
  again: string | null,
): void {
  const mine = grantOf(turn.state.node, phase.generation, run);
  if (text === formatRecord(mine)) {
    if (phase.protection.kind === 'granting') granted(turn, phase, run);
    return;
  }
  const because = whatHappened(text, mine);
  if (again === null) turn.note('granting again: the record is not what was written', { because });
  // What is tried again and again shows one reason all the while.
  runGrant(turn, phase, run, again ?? because);
}

function wait(
  turn: Turn,
  phase: Primary,
  run: Replication,
  why: string,
  again: string | null,
): void {
  if (why !== again) turn.note('the replica is fed, but cannot be granted', { because: why });
  const tag = turn.timer(DELAY.grant_again);
  setProtection(turn, phase, { kind: 'granting', run, again: why, tag });
}

function whatHappened(text: string | null, mine: VmRecord): string {
  if (text === null || text === '') return 'its record was removed from the CIB';
  const record = parseRecord(text);
  if (record === null) return 'its record in the CIB was damaged';
  return record.primary === mine.primary && record.generation === mine.generation
    ? 'its record in the CIB was changed'
    : `the record in the CIB is of another promotion (g=${record.generation}, ${record.primary ?? 'none'})`;
}
