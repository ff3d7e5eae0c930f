/** `--dry-run` of what moves a VM: asks what would happen, and orders nothing. */
import { patient } from '../../daemon/adapters/patience.js';
import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import type { Foresight, Verdict } from '../foresight.js';
import { foresightScreen } from '../render/foresight.js';
import { jsonText } from '../render/json.js';
import { palette } from '../render/paint.js';
import type { World } from '../world.js';
import { askForNewer } from './ask.js';

/** Longer than the daemon waits for the other node and for Pacemaker's tools. */
const timeout_ms = patient(40_000);

const EXITS: Readonly<Record<Verdict, number>> = {
  done: EXIT.ok,
  refused: EXIT.refused,
  fails: EXIT.refused,
  unknown: EXIT.failed,
};

export async function dryRun(
  action: Foresight['action'],
  fields: Readonly<Record<string, string>>,
  invocation: Invocation,
  world: World,
): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const question = {
    fields: { action: `foresee-${action}`, resource: vm, ...fields },
    options: { timeout_ms },
    parse: import('../foresight-schema.js').then(({ parseForesight }) => parseForesight),
    noun: 'dry run',
  };
  const unknown = `what would happen to ${vm} could not be found out`;
  const { found, json } = await askForNewer(world, question, unknown);
  world.out(
    invocation.flags.has('json')
      ? jsonText(json, world.terminal)
      : foresightScreen(found, palette(world.color)),
  );
  return EXITS[found.verdict];
}
