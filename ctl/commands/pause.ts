import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { durationOf, wrongReason } from '../pause.js';
import type { PauseResult } from '../status.js';
import type { World } from '../world.js';
import { CommandError } from './ask.js';
import { order } from './move.js';

export async function pause(invocation: Invocation, world: World): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const lasts = invocation.values.get('for');
  const for_s = lasts === undefined ? null : durationOf(lasts);
  const fields = { by: world.user, ...reason(invocation) };
  // Another action: a remusd that does not know it must not pause for good.
  const {
    node,
    changed,
    pause: recorded,
  } = for_s === null
    ? await asked('pause', fields, invocation, world)
    : await asked('pause-for', { ...fields, for_s: String(for_s) }, invocation, world);
  const state = changed ? 'replication is paused' : 'replication was paused already';
  const until = recorded?.until ?? null;
  const { momentWords } = await import('../../daemon/core/pause-record.js');
  const end = until === null ? '' : `${changed ? '' : ', now'} until ${momentWords(until)}`;
  const sooner =
    until === null ? 'To end this' : 'It is resumed by itself then. To end this sooner';
  world.out(
    `${vm}: ${state}${end}; it runs${on(node)} without a replica, and a failover would start it anew. ${sooner}: remusctl resume ${vm}\n`,
  );
  return EXIT.ok;
}

/** @throws CommandError */
function reason({ words }: Invocation): { readonly why?: string } {
  const [, ...said] = words;
  if (said.length === 0) return {};
  const why = said.join(' ').trim();
  const problem = wrongReason(why);
  if (problem !== null) throw new CommandError(EXIT.usage, problem);
  return { why };
}

export async function resume(invocation: Invocation, world: World): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const { node, changed, words } = await asked('resume', {}, invocation, world);
  const state = changed ? 'replication goes on' : 'replication was not paused';
  world.out(`${vm}: ${state}; it runs${on(node)}, ${words ?? `see: remusctl status ${vm}`}\n`);
  return EXIT.ok;
}

async function asked(
  action: 'pause' | 'pause-for' | 'resume',
  fields: Readonly<Record<string, string>>,
  invocation: Invocation,
  world: World,
): Promise<PauseResult> {
  const answer = await order(action, fields, invocation, world);
  const { parsePause } = await import('../status-schema.js');
  return parsePause(answer.json);
}

function on(node: string | null): string {
  return node === null ? '' : ` on ${node}`;
}
