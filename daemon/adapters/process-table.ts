/**
 * Processes that outlive the daemon, found again after its restart. A pid alone proves nothing, it may have been
 * given to somebody else: pid and start time together name a process until the next boot.
 */
import { readFile, readdir } from 'node:fs/promises';
import { errnoOf } from './errors.js';
import { writeFileAtomic } from './files.js';

export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot (field 22 of /proc/PID/stat). */
  readonly start_ticks: number;
}

export interface ProcessInfo extends ProcessIdentity {
  readonly ppid: number;
  readonly argv: readonly string[];
}

interface Stat {
  readonly state: string;
  readonly ppid: number;
  readonly start_ticks: number;
}

/** The fields we need of a line of /proc/PID/stat; the command may contain anything, also `) `. Exported for tests. */
export function parseStat(text: string): Stat | null {
  const end = text.lastIndexOf(')');
  if (end === -1) return null;
  const fields = text.slice(end + 2).split(' ');
  const [state = '', ppid] = fields;
  const start_ticks = Number(fields[19]);
  if (state === '' || !Number.isInteger(start_ticks)) return null;
  return { state, ppid: Number(ppid), start_ticks };
}

async function statOf(pid: number): Promise<Stat | null> {
  try {
    return parseStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    // ESRCH: it ended while its file was being read.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return null;
    throw error;
  }
}

function isLiving(stat: Stat | null): stat is Stat {
  return stat !== null && stat.state !== 'Z' && stat.state !== 'X';
}

/** The identity of a living process; null when there is none. */
export async function identify(pid: number): Promise<ProcessIdentity | null> {
  const stat = await statOf(pid);
  return isLiving(stat) ? { pid, start_ticks: stat.start_ticks } : null;
}

/** The letter that ps shows (R, S, D, T for stopped, Z); null when there is no such process. */
export async function stateOf(pid: number): Promise<string | null> {
  return (await statOf(pid))?.state ?? null;
}

/** Whether this very process lives. A zombie does not. */
export async function isAlive({ pid, start_ticks }: ProcessIdentity): Promise<boolean> {
  return (await identify(pid))?.start_ticks === start_ticks;
}

/** Signal this very process; false when it lives no more. */
export async function killProcess(
  identity: ProcessIdentity,
  signal: NodeJS.Signals,
): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** Wait until it lives no more; false when it still does at the end of `timeout_ms`. */
export async function waitGone(identity: ProcessIdentity, timeout_ms: number): Promise<boolean> {
  const end = performance.now() + timeout_ms;
  while (await isAlive(identity)) {
    if (performance.now() >= end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** SIGTERM, SIGKILL after `grace_ms`; true when it is gone within one more second. */
export async function stopProcess(identity: ProcessIdentity, grace_ms: number): Promise<boolean> {
  if (!(await killProcess(identity, 'SIGTERM'))) return true;
  if (await waitGone(identity, grace_ms)) return true;
  await killProcess(identity, 'SIGKILL');
  return waitGone(identity, 1000);
}

/** The living processes whose command line the predicate likes. */
export async function findProcesses(
  wanted: (argv: readonly string[]) => boolean,
): Promise<ProcessInfo[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => describe(pid, wanted)));
  return found.filter((one) => one !== null);
}

async function describe(
  pid: number,
  wanted: (argv: readonly string[]) => boolean,
): Promise<ProcessInfo | null> {
  const before = await statOf(pid);
  if (!isLiving(before)) return null;
  const argv = await argvOf(pid);
  if (argv.length === 0 || !wanted(argv)) return null;
  // The command line must belong to the process that the start time belongs to.
  const after = await statOf(pid);
  if (!isLiving(after) || after.start_ticks !== before.start_ticks) return null;
  return { pid, start_ticks: after.start_ticks, ppid: after.ppid, argv };
}

async function argvOf(pid: number): Promise<string[]> {
  try {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    return text === '' ? [] : text.replace(/\0$/, '').split('\0');
  } catch {
    return [];
  }
}

/** A pid file that names the process for sure: `PID START_TICKS`. */
export async function writePidFile(path: string, identity: ProcessIdentity): Promise<void> {
  await writeFileAtomic(path, `${identity.pid} ${identity.start_ticks}\n`);
}

/** The process a pid file names, whether it lives or not; null without a usable file. */
export async function readPidFile(path: string): Promise<ProcessIdentity | null> {
  try {
    const found = /^([1-9]\d{0,9}) (\d{1,19})\n?$/.exec(await readFile(path, 'utf8'));
    return found ? { pid: Number(found[1]), start_ticks: Number(found[2]) } : null;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
