import type { ControlAnswer } from '../../daemon/adapters/control-protocol.js';
import type { NoDaemon } from '../../daemon/doctor/alone.js';
import type { Invocation } from '../commands.js';
import type { Report } from '../doctor.js';
import { codeOf } from '../error-text.js';
import { EXIT } from '../exit-codes.js';
import { jsonText } from '../render/json.js';
import { palette } from '../render/paint.js';
import { doctorScreen } from '../render/doctor.js';
import type { World } from '../world.js';
import { CommandError, NO_REASON, UNIMPLEMENTED, understood } from './ask.js';
import { patient } from '../../daemon/adapters/patience.js';

/** Every question of the daemon's has a deadline of its own; this is for a daemon that hangs. */
const timeout_ms = patient(60_000);

export async function doctor(invocation: Invocation, world: World): Promise<number> {
  const { resource, config } = await wanted(invocation);
  const [answer, { parseReport }] = await Promise.all([
    ask(world, resource, config),
    import('../doctor-schema.js'),
  ]);
  if (answer.rc !== EXIT.ok) throw new CommandError(EXIT.failed, answer.reason ?? NO_REASON);
  const report = understood(parseReport(answer.json), 'report');
  world.out(shown(report, invocation, world));
  return exitCode(report);
}

async function wanted(
  invocation: Invocation,
): Promise<{ resource: string | null; config: string | null }> {
  const file = invocation.values.get('config');
  const resource = invocation.words[0] ?? null;
  if (file === undefined) return { resource, config: null };
  const path = await import('node:path');
  return { resource, config: path.resolve(file) };
}

/** The daemon, or when there is none this process itself. */
async function ask(
  world: World,
  resource: string | null,
  config: string | null,
): Promise<ControlAnswer> {
  const fields = {
    action: 'doctor',
    ...(resource === null ? {} : { resource }),
    ...(config === null ? {} : { config }),
  };
  try {
    const answer = await world.ask(fields, { timeout_ms });
    const older = answer.rc === UNIMPLEMENTED && answer.json === undefined;
    if (!older) return answer;
    const why = {
      kind: 'older',
      sentence: answer.reason ?? 'it does not know the question',
    } as const;
    return await alone(why, resource, config);
  } catch (error) {
    const code = codeOf(error);
    if (
      world.interrupted.aborted ||
      (code !== 'not-running' && code !== 'timeout' && code !== 'cut')
    )
      throw error;
    return alone({ kind: 'down', sentence: sentences[code] }, resource, config);
  }
}

const sentences = {
  'not-running': 'it is not running',
  timeout: 'it runs, and gives no answer',
  cut: 'it ended before it had answered',
} as const;

async function alone(
  why: NoDaemon,
  resource: string | null,
  config: string | null,
): Promise<ControlAnswer> {
  const { diagnoseAlone } = await import('../../daemon/doctor/alone.js');
  return diagnoseAlone(why, resource, config);
}

function shown(report: Report, invocation: Invocation, world: World): string {
  if (!invocation.flags.has('json')) return doctorScreen(report, palette(world.color));
  return jsonText(report, world.terminal);
}

export function exitCode({ findings }: Report): number {
  if (findings.some(({ severity }) => severity === 'error')) return EXIT.errors;
  return findings.some(({ severity }) => severity === 'warning') ? EXIT.warnings : EXIT.ok;
}
