/**
 * What remusd answers to action=history, and what `remusctl history --json` prints unchanged: the decisions of every node
 * that could be asked, in the order of their clocks.
 */

export interface HistoryEntry {
  /** Wall clock of the node, ISO 8601. */
  readonly at: string;
  readonly node: string;
  readonly text: string;
  /** The reason, the peer, and whatever else belongs to it. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** A node whose history is not in the answer, or not all of it. */
export interface Missing {
  readonly node: string;
  /** A sentence. */
  readonly why: string;
}

export interface VmHistory {
  readonly resource: string;
  /** The node that was asked. */
  readonly node: string;
  /** The newest, oldest of them first. */
  readonly entries: readonly HistoryEntry[];
  readonly missing: readonly Missing[];
}

export const HISTORY_LIMIT = { default: 50, max: 1_000 } as const;

/** From the lines of a node's file; a line that is no entry is left out. */
export function entriesOf(
  node: string,
  lines: readonly Readonly<Record<string, unknown>>[],
): HistoryEntry[] {
  return lines.flatMap(({ at, text, ...data }) =>
    typeof at === 'string' && typeof text === 'string' ? [{ at, node, text, data }] : [],
  );
}

/** The newest of several nodes', oldest first; what a node noted stays in its own order. */
export function merged(histories: readonly (readonly HistoryEntry[])[], limit: number) {
  return histories
    .flat()
    .sort((a, b) => (a.at === b.at ? 0 : a.at < b.at ? -1 : 1))
    .slice(-limit);
}

/** The newest that are not longer than so many bytes together, as JSON. */
export function fitting(entries: readonly HistoryEntry[], bytes: number): readonly HistoryEntry[] {
  let left = bytes;
  let first = entries.length;
  for (; first > 0; first -= 1) {
    left -= Buffer.byteLength(JSON.stringify(entries[first - 1])) + 1;
    if (left < 0) break;
  }
  return entries.slice(first);
}
