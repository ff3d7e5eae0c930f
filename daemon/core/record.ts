/**
 * The VM's record in the CIB: the one thing that all nodes agree on. Text, so that an operator can read it
 * in `crm configure show`: `g=5 primary=pm1 grant=pm2/5/ab12cd34`, or `... grant=none` when none was made, or
 * `... withdrawn=ab12cd34 grant=none` when that one was.
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
   * The session whose grant was withdrawn last. So that the withdrawal can be told, in the CIB of a peer that is behind,
   * from the record of before the grant, which grants nothing either.
   */
  readonly withdrawn?: string;
}

export const NO_RECORD: VmRecord = { generation: 0, primary: null, grant: null };

const NODE = '[A-Za-z0-9._-]+';
const SESSION = '[0-9a-f]{8,64}';
const RECORD = new RegExp(
  `^g=(\\d{1,15}) primary=(${NODE})(?: withdrawn=(${SESSION}))? grant=(?:none|(${NODE})/(\\d{1,15})/(${SESSION}))$`,
);

/** @returns the record, or null when the text is not one (damaged by hand, or of a later release). */
export function parseRecord(text: string | null): VmRecord | null {
  if (text === null || text === '') return NO_RECORD;
  const match = RECORD.exec(text);
  if (match === null) return null;
  const [, generation, primary = null, withdrawn, node, of, session] = match;
  const grant =
    node !== undefined && of !== undefined && session !== undefined
      ? { node, replica: { generation: Number(of), session } }
      : null;
  return {
    generation: Number(generation),
    primary: primary === '-' ? null : primary,
    grant,
    ...(withdrawn === undefined ? {} : { withdrawn }),
  };
}

export function formatRecord(record: VmRecord): string {
  const { generation, primary, grant, withdrawn } = record;
  const granted =
    grant === null ? 'none' : `${grant.node}/${grant.replica.generation}/${grant.replica.session}`;
  const before = withdrawn === undefined ? '' : ` withdrawn=${withdrawn}`;
  return `g=${generation} primary=${primary ?? '-'}${before} grant=${granted}`;
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
