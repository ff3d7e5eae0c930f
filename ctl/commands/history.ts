import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { codeOf } from '../error-text.js';
import { entriesOf, HISTORY_LIMIT, type VmHistory } from '../history.js';
import { historyTable, missingNotes } from '../render/history.js';
import { jsonText } from '../render/json.js';
import { palette } from '../render/paint.js';
import type { World } from '../world.js';
import { askFor } from './ask.js';
import { patient } from '../../daemon/adapters/patience.js';

/** Longer than the daemon waits for the other nodes. */
const timeout_ms = patient(20_000);

export async function history(invocation: Invocation, world: World): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const limit = Number(invocation.values.get('limit') ?? HISTORY_LIMIT.default);
  const found = await fromDaemon(vm, limit, world).catch((error: unknown) =>
    fromFile(vm, limit, world, error),
  );
  if (invocation.flags.has('json')) {
    world.out(jsonText(found, world.terminal));
    return EXIT.ok;
  }
  world.out(historyTable(found, palette(world.color)));
  world.err(missingNotes(found.missing));
  return EXIT.ok;
}

async function fromDaemon(vm: string, limit: number, world: World): Promise<VmHistory> {
  const request = { action: 'history', resource: vm, limit: String(limit) };
  const { found } = await askFor(world, {
    ...{ fields: request, options: { timeout_ms } },
    parse: import('../status-schema.js').then(({ parseHistory }) => parseHistory),
    noun: 'history',
  });
  return found;
}

/** A daemon that is down or hangs has left its file; nobody asks the other nodes then. */
async function fromFile(vm: string, limit: number, world: World, why: unknown): Promise<VmHistory> {
  const code = codeOf(why);
  if (code !== 'not-running' && code !== 'timeout' && code !== 'cut') throw why;
  if (world.interrupted.aborted) throw why;
  const entries = entriesOf('here', await world.historyFile(vm, limit));
  if (entries.length === 0) throw why;
  const state = code === 'not-running' ? 'is not running' : 'does not answer';
  world.err(
    `remusctl: remusd ${state} on this node: this is from its file here, and no other node was asked. See: systemctl status remusd\n`,
  );
  return { resource: vm, node: 'here', entries, missing: [] };
}
