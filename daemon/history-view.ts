/** The history of a VM: this node's file, and what the other nodes' daemons have in theirs. */
import { z } from 'zod';
import {
  entriesOf,
  fitting,
  HISTORY_LIMIT,
  type HistoryEntry,
  merged,
  type Missing,
  type VmHistory,
} from '../ctl/history.js';
import { INTERRUPTIONS_MAX } from '../ctl/foresight.js';
import type { ControlAnswer, ControlRequest } from './adapters/control-protocol.js';
import { sentenceOf } from './adapters/errors.js';
import { patient } from './adapters/patience.js';
import type { History } from './adapters/store.js';
import { OCF } from './core/ocf.js';
import type { PeerCalls } from './peer-calls.js';

const PEER_MS = patient(5_000);
/** Of an answer to a peer: a frame has 64 KiB. */
const PEER_BYTES = 48 * 1024;

export interface HistoryParts {
  readonly node: string;
  readonly history: Pick<History, 'newest'>;
  readonly calls: Pick<PeerCalls, 'call'>;
  /** The other nodes of the cluster. */
  readonly others: () => Promise<readonly { readonly name: string; readonly online: boolean }[]>;
}

/** What a peer answers. */
const answerSchema = z.object({
  entries: z.array(
    z.object({ at: z.string(), text: z.string(), data: z.record(z.string(), z.unknown()) }),
  ),
  /** Older ones did not fit. */
  cut: z.boolean(),
});

/** This node's own, for a peer. */
export async function ownHistory(
  { node, history }: Pick<HistoryParts, 'node' | 'history'>,
  resource: string,
  limit: number,
): Promise<z.infer<typeof answerSchema>> {
  const all = entriesOf(node, await history.newest(resource, limit));
  const entries = fitting(all, PEER_BYTES);
  return {
    entries: entries.map(({ at, text, data }) => ({ at, text, data: { ...data } })),
    cut: entries.length < all.length,
  };
}

export async function historyAnswer(
  parts: HistoryParts,
  request: ControlRequest,
  resource: string,
): Promise<ControlAnswer> {
  const limit = Number(request.options['limit'] ?? HISTORY_LIMIT.default);
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= HISTORY_LIMIT.max)) {
    return {
      rc: OCF.ERR_ARGS,
      reason: `the limit must be a whole number from 1 to ${HISTORY_LIMIT.max}`,
    };
  }
  const found = await wholeHistory(parts, resource, limit);
  if (found.entries.length > 0) return { rc: OCF.SUCCESS, json: found };
  const without = found.missing.map(({ node, why }) => `; ${node} has not said: ${why}`).join('');
  const reason = `nothing is written down of a VM "${resource}" on ${parts.node}${without}; "remusctl status" lists the VMs`;
  return { rc: OCF.ERR_GENERIC, reason };
}

export async function wholeHistory(
  parts: HistoryParts,
  resource: string,
  limit: number,
): Promise<VmHistory> {
  const missing: Missing[] = [];
  const own = entriesOf(parts.node, await parts.history.newest(resource, limit));
  const others = await parts.others();
  const theirs = await Promise.all(
    others.map(async ({ name, online }) => {
      if (online) return peerHistory(parts, name, resource, limit, missing);
      missing.push({ node: name, why: 'it is offline' });
      return [];
    }),
  );
  const entries = merged([own, ...theirs], limit);
  return { resource, node: parts.node, entries, missing };
}

/** How long the last switchovers were not to be heard, in milliseconds, the newest last. Each is noted by the node that it left. */
export function interruptionsIn({ entries }: Pick<VmHistory, 'entries'>): readonly number[] {
  return entries
    .filter(({ text }) => text === 'switched over')
    .map(({ data }) => data['interruption_ms'])
    .filter((ms) => typeof ms === 'number')
    .slice(-INTERRUPTIONS_MAX);
}

/** A peer that cannot be asked, or is of a release that does not know the question, is named with the reason. */
async function peerHistory(
  { calls }: HistoryParts,
  node: string,
  resource: string,
  limit: number,
  missing: Missing[],
): Promise<readonly HistoryEntry[]> {
  try {
    const answer = answerSchema.parse(
      await calls.call(node, 'history', { resource, limit }, PEER_MS),
    );
    if (answer.cut)
      missing.push({ node, why: 'its older ones do not fit into an answer; type it there' });
    return answer.entries.map((entry) => ({ ...entry, node }));
  } catch (error) {
    const why =
      error instanceof z.ZodError
        ? 'it answered something else than a history; install the same release on both nodes'
        : sentenceOf(error);
    missing.push({ node, why });
    return [];
  }
}
