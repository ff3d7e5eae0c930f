/** Tasks that ask a peer's remusd. */
import { z } from 'zod';
import type { PeerCalls } from '../peer-calls.js';
import type { Host } from './host.js';
import { configOf, type Executor } from './table.js';
import { patient } from '../adapters/patience.js';

type Names = 'prepare-peer' | 'drop-peer' | 'tell-activated' | 'tell-paused';

const PREPARE_MS = patient(30_000);
const CALL_MS = patient(5_000);
const TELL_TRIES = 5;

const prepared = z.object({ port: z.number().int().min(1).max(65535) });

export function peerTasks(
  calls: PeerCalls,
  host: Pick<Host, 'delay'>,
): { readonly [K in Names]: Executor<K> } {
  return {
    'prepare-peer': async (task, context) => {
      const params = {
        resource: context.resource,
        replica: task.replica,
        ...(await calls.facts(configOf(context))),
      };
      return prepared.parse(await calls.call(task.peer.node, 'prepare', params, PREPARE_MS));
    },
    'drop-peer': async (task, { resource }) => {
      const { peer, replica, paused } = task;
      await calls.call(peer, 'drop', { resource, replica, paused }, CALL_MS);
      return undefined;
    },
    // It is said again at the next look; one of a former release does not know it, and waits.
    'tell-paused': async ({ peers, generation, paused }, { resource }) => {
      const params = { resource, generation, paused };
      await Promise.allSettled(peers.map((node) => calls.call(node, 'paused', params, CALL_MS)));
      return undefined;
    },
    'tell-activated': async (task, { resource }) => {
      for (let left = TELL_TRIES; ; left -= 1) {
        try {
          await calls.call(
            task.node,
            'activated',
            { resource, generation: task.generation },
            CALL_MS,
          );
          return undefined;
        } catch (error) {
          if (left <= 1) throw error;
          await host.delay(500);
        }
      }
    },
  };
}
