/** What a test asks the systemd of a node, and does to the daemon that it keeps. */
import assert from 'node:assert/strict';
import { z } from 'zod';
import type { Lab } from '../lab/lab.js';
import { PATIENCE_MS } from './scenario.js';

const UNIT = 'remusd.service';
/** A third of the unit's, to see it at work; still generous for a busy machine. */
const WATCHDOG_S = 12;

/** Properties of a unit, as `systemctl show` prints them. */
export async function show(
  lab: Lab,
  node: string,
  unit: string,
  ...names: readonly string[]
): Promise<Readonly<Record<string, string>>> {
  const argv = ['systemctl', 'show', unit, ...names.map((name) => `--property=${name}`)];
  const lines = (await lab.sh(node, argv)).trim().split('\n');
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

/** Moments of a unit's life, e.g. ActiveEnter: microseconds on one clock for all units of a node. */
export async function moment(lab: Lab, node: string, unit: string, name: string): Promise<number> {
  const property = `${name}TimestampMonotonic`;
  const at = Number((await show(lab, node, unit, property))[property]);
  assert.ok(at > 0, `${unit} on ${node} has no ${property}`);
  return at;
}

export async function mainPid(lab: Lab, node: string): Promise<number> {
  return Number((await show(lab, node, UNIT, 'MainPID'))['MainPID']);
}

const entrySchema = z.object({
  MESSAGE: z.string(),
  PRIORITY: z.string().default('6'),
  _TRANSPORT: z.string().optional(),
  _PID: z.string().optional(),
  SYSLOG_IDENTIFIER: z.string().optional(),
  __REALTIME_TIMESTAMP: z.string(),
});
const lineSchema = z.looseObject({ level: z.string(), time: z.string(), msg: z.string() });

/** One line of the daemon in the journal. */
export interface DaemonLine {
  readonly priority: number;
  readonly pid: number;
  /** The name that journalctl puts before the line. */
  readonly identifier: string;
  /** The structured line; undefined when it is none. */
  readonly json: z.infer<typeof lineSchema> | undefined;
  readonly text: string;
}

async function journal(
  lab: Lab,
  node: string,
  args: readonly string[],
): Promise<z.infer<typeof entrySchema>[]> {
  await lab.sh(node, ['journalctl', '--sync']);
  const text = await lab.sh(node, ['journalctl', '--output=json', '--all', ...args]);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => entrySchema.parse(JSON.parse(line)));
}

function structured(text: string): DaemonLine['json'] {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** What the daemon wrote since the node was booted; `from_ms` as Date.now() gives it. */
export async function daemonLines(lab: Lab, node: string, from_ms = 0): Promise<DaemonLine[]> {
  const since = `--since=@${(from_ms / 1000).toFixed(3)}`;
  const entries = await journal(lab, node, ['--boot', since, `_SYSTEMD_UNIT=${UNIT}`]);
  return entries
    .filter((entry) => entry._TRANSPORT === 'stdout')
    .map((entry) => ({
      priority: Number(entry.PRIORITY),
      pid: Number(entry._PID),
      identifier: entry.SYSLOG_IDENTIFIER ?? '',
      json: structured(entry.MESSAGE),
      text: entry.MESSAGE,
    }));
}

/** What systemd said of units, in order; `boot` 0 is this boot, -1 the one before. */
export async function managerLines(
  lab: Lab,
  node: string,
  boot: number,
  ...units: readonly string[]
): Promise<string[]> {
  const args = [`--boot=${boot}`, ...units.map((unit) => `--unit=${unit}`), '_PID=1'];
  return (await journal(lab, node, args)).map(({ MESSAGE }) => MESSAGE);
}

/** Waits until another process than `pid` is the daemon, and says that it is ready. */
export function untilBack(lab: Lab, node: string, pid: number): Promise<number> {
  return lab.waitFor(
    `remusd is back on ${node}`,
    async () => {
      const now = await show(lab, node, UNIT, 'MainPID', 'ActiveState', 'StatusText');
      const ready = now['ActiveState'] === 'active' && /^node pm/.test(now['StatusText'] ?? '');
      return ready && ![0, pid].includes(Number(now['MainPID'])) && Number(now['MainPID']);
    },
    PATIENCE_MS,
  );
}

/** `systemctl restart remusd`; the new pid. */
export async function restartDaemon(lab: Lab, node: string): Promise<number> {
  const before = await mainPid(lab, node);
  await lab.sh(node, ['systemctl', 'restart', UNIT], { timeout_ms: PATIENCE_MS });
  return untilBack(lab, node, before);
}

/** A drop-in that makes the watchdog impatient; the daemon's pid under it. */
export async function impatientWatchdog(lab: Lab, node: string): Promise<number> {
  const dir = `/etc/systemd/system/${UNIT}.d`;
  const script = `mkdir -p ${dir} && printf '[Service]\\nWatchdogSec=${WATCHDOG_S}\\n' >${dir}/test.conf && systemctl daemon-reload`;
  await lab.sh(node, ['sh', '-c', script]);
  const pid = await restartDaemon(lab, node);
  const { WatchdogUSec } = await show(lab, node, UNIT, 'WatchdogUSec');
  assert.equal(WatchdogUSec, `${WATCHDOG_S}s`);
  return pid;
}

/** Runs code inside the daemon that the node has, by Node's own debugger: no door of ours is needed for it. */
export async function inject(lab: Lab, node: string, pid: number, code: string): Promise<void> {
  const debug = 'timeout 30 node inspect 127.0.0.1:9229';
  let said = '';
  // What comes before the debugger has its prompt is lost.
  for (const ready_s of [2, 5, 10]) {
    const script = `kill -USR1 ${pid}; sleep 1; { sleep ${ready_s}; cat; sleep 3; } | ${debug}`;
    const stdin = `exec (${code}, 'injected')\n`;
    said = (await lab.exec(node, ['sh', '-c', script], { stdin, timeout_ms: PATIENCE_MS })).stdout;
    if (said.includes("'injected'")) return;
  }
  assert.fail(`nothing was injected; the debugger said: ${said}`);
}
