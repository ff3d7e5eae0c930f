/** `remusctl drill`: has everything prove itself that a failover needs, and changes nothing. */
import { patient } from '../../daemon/adapters/patience.js';
import type { Invocation } from '../commands.js';
import type { DrillVerdict } from '../drill.js';
import { EXIT } from '../exit-codes.js';
import { drillScreen } from '../render/drill.js';
import { jsonText } from '../render/json.js';
import { palette } from '../render/paint.js';
import type { World } from '../world.js';
import { askForNewer } from './ask.js';

/** Longer than the daemon waits for the other nodes and for the fence devices. */
const timeout_ms = patient(60_000);

const EXITS: Readonly<Record<DrillVerdict, number>> = {
  works: EXIT.ok,
  fails: EXIT.refused,
  unknown: EXIT.failed,
};

export async function drill(invocation: Invocation, world: World): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const as_data = invocation.flags.has('json');
  // For a program only the result counts.
  const progress = (text: string): unknown =>
    text === '' || as_data ? undefined : world.err(`${vm}: ${text}\n`);
  const question = {
    fields: { action: 'drill', resource: vm },
    options: { timeout_ms, progress },
    parse: import('../drill-schema.js').then(({ parseDrill }) => parseDrill),
    noun: 'drill',
  };
  const { found, json } = await askForNewer(world, question, `no drill of ${vm}`);
  world.out(as_data ? jsonText(json, world.terminal) : drillScreen(found, palette(world.color)));
  return EXITS[found.verdict];
}
