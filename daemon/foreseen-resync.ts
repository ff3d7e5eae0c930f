/** What a resync would do now: the machine's own answer to the command, of which nothing is carried out. */
import { z } from 'zod';
import type { ForeseenResync } from '../ctl/resync.js';
import { patient } from './adapters/patience.js';
import { runOf } from './core/primary.js';
import { step } from './core/step.js';
import type { RemusNode } from './node.js';
import type { PeerCalls } from './peer-calls.js';
import type { Clock, Cluster } from './ports.js';
import { whereItRuns } from './whereabouts.js';

const PEER_MS = patient(5_000);
/** No request of the machine's has it. */
const NO_OP = 0;

interface Parts {
  readonly node: Pick<RemusNode, 'name' | 'known'>;
  readonly cluster: Pick<Cluster, 'readRecord'>;
  readonly calls: Pick<PeerCalls, 'call'>;
  readonly clock: Pick<Clock, 'now_ms'>;
}

/** What a peer answers: it may be of a later release. */
const answerSchema = z.looseObject({ resource: z.string(), verdict: z.string() });

/** Typed on any node: the one that runs the VM knows. */
export async function foreseeResync(
  parts: Parts,
  resource: string,
): Promise<ForeseenResync | Readonly<Record<string, unknown>>> {
  const where = await whereItRuns(parts, resource);
  switch (where.kind) {
    case 'here':
      return foreseeResyncHere(parts, resource);
    case 'there': {
      const answer = await parts.calls.call(where.node, 'foresee-resync', { resource }, PEER_MS);
      const parsed = answerSchema.safeParse(answer);
      if (parsed.success) return parsed.data;
      throw new Error(
        `remusd on ${where.node} answered something else than what it foresees; install the same release on both nodes`,
      );
    }
    case 'refused':
      return refused(parts, resource, where.reason);
  }
}

/** For a peer, too. */
export function foreseeResyncHere(
  parts: Pick<Parts, 'node' | 'clock'>,
  resource: string,
): ForeseenResync {
  const { node, clock } = parts;
  const state = node.known(resource)?.driver.state;
  if (state === undefined)
    return refused(parts, resource, `${resource} is not started on ${node.name}`);
  const now_ms = clock.now_ms();
  const op = { id: NO_OP, deadline_ms: now_ms + patient(60_000) };
  const asker = { by: null, node: node.name };
  const { effects } = step(state, { type: 'op-resync', op, asker }, now_ms);
  const reply = effects.find((effect) => effect.type === 'reply' && effect.op === NO_OP);
  if (reply?.type === 'reply')
    return refused(
      parts,
      resource,
      reply.reason ?? 'it gives no reason; type: journalctl -u remusd',
    );
  const { phase } = state;
  const run = phase.kind === 'primary' ? runOf(phase.protection) : null;
  const is_protected = phase.kind === 'primary' && phase.protection.kind === 'protected';
  return { resource, node: node.name, verdict: 'done', to: run?.peer.node ?? null, is_protected };
}

function refused({ node }: Pick<Parts, 'node'>, resource: string, reason: string): ForeseenResync {
  const verdict = 'refused';
  return { resource, node: node.name, verdict, reason, to: null, is_protected: false };
}
