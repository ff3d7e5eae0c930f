/** `--dry-run` of what moves a VM: asks what would happen, and orders nothing. */
import { patient } from '../../daemon/adapters/patience.js';
import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import type { Foresight, Verdict } from '../foresight.js';
import { foresightScreen } from '../render/foresight.js';
import { jsonText } from '../render/json.js';
import { palette } from '../render/paint.js';
import type { World } from '../world.js';
import { CommandError } from './ask.js';

/** Longer than the daemon waits for the other node and for Pacemaker's tools. */
const timeout_ms = patient(40_000);
/** What the daemon answers to an action that it does not know; what it foresees is no refusal of the question. */
const unimplemented = 3;

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
  const request = { action: `foresee-${action}`, resource: vm, ...fields };
  const [answer, { parseForesight }] = await Promise.all([
    world.ask(request, { timeout_ms }),
    import('../foresight-schema.js'),
  ]);
  if (answer.rc === unimplemented)
    throw failed(
      vm,
      'remusd here is of a former release and knows no dry run; type: systemctl restart remusd',
    );
  if (answer.rc !== EXIT.ok) throw failed(vm, answer.reason ?? 'remusd gave no reason');
  const found = parseForesight(answer.json);
  if (found === null)
    throw failed(
      vm,
      'remusd answered something else: is it of another release? Type: remusctl version',
    );
  world.out(
    invocation.flags.has('json')
      ? jsonText(answer.json, world.terminal)
      : foresightScreen(found, palette(world.color)),
  );
  return EXITS[found.verdict];
}

function failed(vm: string, why: string): CommandError {
  return new CommandError(EXIT.failed, `what would happen to ${vm} could not be found out: ${why}`);
}
