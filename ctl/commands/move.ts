import type { ControlAnswer } from '../../daemon/adapters/control-protocol.js';
import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { codeOf } from '../error-text.js';
import { jsonText } from '../render/json.js';
import { seconds } from '../render/units.js';
import type { World } from '../world.js';
import { CommandError, NO_REASON } from './ask.js';
import { dryRun } from './dry-run.js';

const timeout_s_default = 120;
/** The daemon gives up by itself; this is for a daemon that does not. */
const timeout_margin_ms = 10_000;

export async function switchover(invocation: Invocation, world: World): Promise<number> {
  const to = invocation.values.get('to');
  const fields = to === undefined ? {} : { to };
  if (invocation.flags.has('dry-run')) return dryRun('switchover', fields, invocation, world);
  return move('switchover', 'switched', fields, invocation, world);
}

/** Asks the daemon to move a VM, shows how it goes, and ends with what came of it. */
export async function move(
  action: 'switchover' | 'failover',
  verb: string,
  fields: Readonly<Record<string, string>>,
  invocation: Invocation,
  world: World,
): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const answer = await order(action, fields, invocation, world);
  world.out(
    invocation.flags.has('json')
      ? jsonText(answer.json ?? {}, world.terminal)
      : await result(answer, vm, verb),
  );
  return EXIT.ok;
}

/** Has the daemon do something that takes time, and shows how it goes. @throws CommandError unless it was done */
export async function order(
  action: string,
  fields: Readonly<Record<string, string>>,
  invocation: Invocation,
  world: World,
): Promise<ControlAnswer> {
  const vm = invocation.words[0] ?? '';
  const timeout_ms = Number(invocation.values.get('timeout') ?? timeout_s_default) * 1000;
  const request = { action, resource: vm, timeout_ms: String(timeout_ms), ...fields };
  const answer = await world
    .ask(request, {
      timeout_ms: timeout_ms + timeout_margin_ms,
      // An empty one only says that the daemon is alive.
      progress: (text) => text !== '' && world.err(`${vm}: ${text}\n`),
    })
    .catch((error: unknown) => {
      throw interrupted(error, world, vm, action);
    });
  if (answer.rc !== 0) throw refusal(answer, vm, action);
  return answer;
}

/** Ctrl-C ends remusctl only. */
function interrupted(error: unknown, world: World, vm: string, action: string): unknown {
  if (!world.interrupted.aborted || codeOf(error) !== 'cut') return error;
  return new CommandError(
    EXIT.interrupted,
    `interrupted; remusd goes on with the ${action} of ${vm}. Type: remusctl status ${vm}`,
  );
}

function refusal(answer: ControlAnswer, vm: string, action: string): CommandError {
  const what = action === 'pause-for' ? 'pause' : action;
  const became = answer.rc === EXIT.refused ? 'refused' : 'failed';
  const reason = answer.reason ?? NO_REASON;
  return new CommandError(answer.rc, `${what} of ${vm} ${became}: ${reason}`);
}

async function result(answer: ControlAnswer, vm: string, verb: string): Promise<string> {
  const { parseMove } = await import('../status-schema.js');
  const moved = parseMove(answer.json);
  if (moved === null) return `${vm}: ${verb}\n`;
  const { from, to, interruption_ms } = moved;
  const lasted =
    interruption_ms === null
      ? 'interruption not measured'
      : `interruption ${seconds(interruption_ms)}`;
  return `${vm}: ${verb} from ${from} to ${to}, ${lasted}\n`;
}
