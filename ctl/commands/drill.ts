/** `remusctl drill`: has everything prove itself that a failover needs, and changes nothing. */
import { patient } from '../../daemon/adapters/patience.js';
import type { Invocation } from '../commands.js';
import type { DrillVerdict } from '../drill.js';
import { EXIT } from '../exit-codes.js';
import { drillScreen } from '../render/drill.js';
import { jsonText } from '../render/json.js';
import { palette } from '../render/paint.js';
import type { World } from '../world.js';
import { CommandError } from './ask.js';

/** Longer than the daemon waits for the other nodes and for the fence devices. */
const timeout_ms = patient(60_000);
/** What the daemon answers to an action that it does not know. */
const unimplemented = 3;

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
  const [answer, { parseDrill }] = await Promise.all([
    world.ask({ action: 'drill', resource: vm }, { timeout_ms, progress }),
    import('../drill-schema.js'),
  ]);
  if (answer.rc === unimplemented)
    throw failed(
      vm,
      'remusd here is of a former release and knows no drill; type: systemctl restart remusd',
    );
  if (answer.rc !== EXIT.ok) throw failed(vm, answer.reason ?? 'remusd gave no reason');
  const found = parseDrill(answer.json);
  if (found === null)
    throw failed(
      vm,
      'remusd answered something else: is it of another release? Type: remusctl version',
    );
  world.out(
    as_data ? jsonText(answer.json, world.terminal) : drillScreen(found, palette(world.color)),
  );
  return EXITS[found.verdict];
}

function failed(vm: string, why: string): CommandError {
  return new CommandError(EXIT.failed, `no drill of ${vm}: ${why}`);
}
