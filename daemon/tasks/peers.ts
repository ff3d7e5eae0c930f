/** Tasks that ask a peer's remusd. */
import { z } from 'zod';
import { oneLine } from '../adapters/errors.js';
import type { PeerCalls } from '../peer-calls.js';
import { askPeersVm, type PeersVm } from '../peer-status.js';
import type { Task, TaskResults } from '../core/effect.js';
import type { Host } from './host.js';
import { configOf, type Executor } from './table.js';
import { patient } from '../adapters/patience.js';

type Names = 'prepare-peer' | 'drop-peer' | 'ask-backup' | 'tell-activated' | 'tell-paused';

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
      const { node } = task.peer;
      const answer = prepared.safeParse(await calls.call(node, 'prepare', params, PREPARE_MS));
      if (answer.success) return answer.data;
      throw new Error(
        `${node} does not say where its receiver listens; install the same release on both nodes`,
      );
    },
    'drop-peer': async (task, { resource }) => {
      const { peer, replica, paused } = task;
      await calls.call(peer, 'drop', { resource, replica, paused }, CALL_MS);
      return undefined;
    },
    'ask-backup': (task, { resource }) => askBackup(calls, resource, task),
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

/** @throws when remusd there gives no answer */
export async function askBackup(
  calls: Pick<PeerCalls, 'call'>,
  resource: string,
  { peer, replica }: Extract<Task, { task: 'ask-backup' }>,
): Promise<TaskResults['ask-backup']> {
  const vm = await askPeersVm(calls, peer, resource, CALL_MS);
  return { problem: replicaProblem(peer, replica.generation, vm) };
}

/** @param vm what the backup says of the VM, when it knows it. */
function replicaProblem(peer: string, generation: number, vm: PeersVm | null): string | null {
  if (vm === null) return `the resource is not started on ${peer}`;
  if (!vm.words.startsWith('replica: ')) return `${peer} says "${oneLine(vm.words, 120)}"`;
  if (vm.generation !== generation) return `the replica on ${peer} is another one`;
  return null;
}
