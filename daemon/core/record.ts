/**
 * The VM's record in the CIB: the one thing that all nodes agree on. Text, so that an operator can read it
 * in `crm configure show`: `g=5 primary=pm1 grant=pm2/5/ab12cd34`, or `... grant=none` when none was made, or
 * `... withdrawn=pm2/5/ab12cd34 grant=none` when that one counts no more.
 *
 * The grant says which replica may be promoted with its memory. Everything that decides about a replica
 * compares it with the replica's whole id, so that a replica of a former promotion, or of a former attempt
 * of the same promotion, can never be taken for the granted one.
 */
import type { ReplicaId } from '../relay/control.js';

export interface Grant {
  readonly node: string;
  readonly replica: ReplicaId;
}

export interface VmRecord {
  /** Number of the promotion that the current primary came from; 0 before the first. */
  readonly generation: number;
  /** The node of the last promotion. */
  readonly primary: string | null;
  readonly grant: Grant | null;
  /**
   * The grant that counts no more. By it the withdrawal is told, in the CIB of a peer that is behind, from the record of before
   * the grant, which grants nothing either; and whoever starts the VM anew knows which node has to have heard of it.
   */
  readonly withdrawn?: Grant;
}

export const NO_RECORD: VmRecord = { generation: 0, primary: null, grant: null };

const NODE = '[A-Za-z0-9._-]+';
const SESSION = '[0-9a-f]{8,64}';
const GRANT = `(${NODE})/(\\d{1,15})/(${SESSION})`;
const RECORD = new RegExp(
  `^g=(\\d{1,15}) primary=(${NODE})(?: withdrawn=${GRANT})? grant=(?:none|${GRANT})$`,
);

/** @returns the record, or null when the text is not one (damaged by hand, or of a later release). */
export function parseRecord(text: string | null): VmRecord | null {
  if (text === null || text === '') return NO_RECORD;
  const match = RECORD.exec(text);
  if (match === null) return null;
  const [, generation, primary = null] = match;
  const withdrawn = grantIn(match, 3);
  return {
    generation: Number(generation),
    primary: primary === '-' ? null : primary,
    grant: grantIn(match, 6),
    ...(withdrawn === null ? {} : { withdrawn }),
  };
}

/** @param at the number of GRANT's first group. */
function grantIn(match: RegExpExecArray, at: number): Grant | null {
  const [node, generation, session] = match.slice(at, at + 3);
  return node === undefined || generation === undefined || session === undefined
    ? null
    : { node, replica: { generation: Number(generation), session } };
}

export function formatRecord(record: VmRecord): string {
  const { generation, primary, grant, withdrawn } = record;
  const before = withdrawn === undefined ? '' : ` withdrawn=${formatGrant(withdrawn)}`;
  const granted = grant === null ? 'none' : formatGrant(grant);
  return `g=${generation} primary=${primary ?? '-'}${before} grant=${granted}`;
}

function formatGrant({ node, replica }: Grant): string {
  return `${node}/${replica.generation}/${replica.session}`;
}

/**
 * The record of the next promotion, when it does not go on with the grant of the one before. That grant stays in it until
 * another is made: whoever comes after it, should it fail, has to know, too, whose replica must not speak any more.
 */
export function claimAfter(before: VmRecord, generation: number, primary: string): VmRecord {
  const withdrawn = before.grant ?? before.withdrawn;
  const claim = { generation, primary, grant: null };
  return withdrawn === undefined ? claim : { ...claim, withdrawn };
}

export function sameReplica(a: ReplicaId, b: ReplicaId): boolean {
  return a.generation === b.generation && a.session === b.session;
}

/** What can be made out of a record that is damaged, or of a later release. */
const BEGINNING = new RegExp(`^g=(\\d{1,15}) primary=(${NODE})\\b`);

/**
 * The other node that was promoted since the primary of `mine`, by what the record says; null when it names nobody else, or an
 * older promotion. It may be wrong: a node that comes back alone with a newer CIB brings the record of a promotion that is over.
 */
export function laterPrimary(text: string | null, mine: VmRecord): string | null {
  const [, generation = '0', primary = null] = BEGINNING.exec(text ?? '') ?? [];
  return Number(generation) < mine.generation || primary === mine.primary ? null : primary;
}
