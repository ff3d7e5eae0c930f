import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import type { PauseResult } from '../status.js';
import type { World } from '../world.js';
import { order } from './move.js';

export async function pause(invocation: Invocation, world: World): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const { node, changed } = await asked('pause', invocation, world);
  const state = changed ? 'replication is paused' : 'replication was paused already';
  world.out(
    `${vm}: ${state}; it runs${on(node)} without a replica, and a failover would start it anew. To end this: remusctl resume ${vm}\n`,
  );
  return EXIT.ok;
}

export async function resume(invocation: Invocation, world: World): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const { node, changed, words } = await asked('resume', invocation, world);
  const state = changed ? 'replication goes on' : 'replication was not paused';
  world.out(`${vm}: ${state}; it runs${on(node)}, ${words ?? `see: remusctl status ${vm}`}\n`);
  return EXIT.ok;
}

async function asked(
  action: 'pause' | 'resume',
  invocation: Invocation,
  world: World,
): Promise<PauseResult> {
  const answer = await order(action, {}, invocation, world);
  const { parsePause } = await import('../status-schema.js');
  return parsePause(answer.json);
}

function on(node: string | null): string {
  return node === null ? '' : ` on ${node}`;
}
