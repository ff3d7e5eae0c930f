import { readFile } from 'node:fs/promises';
import { AdapterError, oneLine } from '../adapters/errors.js';
import { signalGroup } from '../adapters/exec.js';
import type { Exec } from '../ports.js';
import { patient } from '../adapters/patience.js';

/** The replica's domain or its processes are still there. */
export class CleanupError extends AdapterError<'process' | 'domain'> {}

const DESTROY_TIMEOUT_MS = patient(30_000);
const DESTROY_TRIES = 3;
const EXIT_TIMEOUT_MS = patient(3000);

/** The paused domain that xl migrate-receive makes. After an activation it has the guest's own name. */
export function incomingName(name: string): string {
  return `${name}--incoming`;
}

/**
 * Removes what is left of a replica whose receiver is dead or gives it up: xl migrate-receive with its
 * helper, then the domain NAME--incoming. Never touches a domain called NAME. Idempotent.
 * `xl_pid_path` is the receiver's xl-receive.pid.
 */
export async function destroyReplica(exec: Exec, name: string, xl_pid_path: string): Promise<void> {
  await killNamed(xl_pid_path, 'migrate-receive');
  await destroyDomain(exec, incomingName(name));
}

/** xl may say that it failed when it has succeeded (facts/xen): ask again, until it says that there is none. */
async function destroyDomain(exec: Exec, domain: string): Promise<void> {
  let why = '';
  for (let tries = 0; tries < DESTROY_TRIES; tries += 1) {
    const result = await exec.run(['xl', 'destroy', domain], { timeout_ms: DESTROY_TIMEOUT_MS });
    if (result.code === 0 || /invalid domain identifier/.test(result.stderr)) return;
    why = result.timed_out ? 'took too long' : oneLine(result.stderr) || 'it gave no reason';
  }
  const sentence = `"xl destroy ${domain}": ${why}; type it by hand`;
  throw new CleanupError('domain', 'replica not destroyed', sentence, { domain });
}

/** Kills the process group led by the pid in the file, if that is still the program that we know. */
export async function killNamed(pid_path: string, program: string): Promise<void> {
  const pid = await pidIn(pid_path);
  if (pid === null || !(await runs(pid, program))) return;
  signalGroup(pid, 'SIGKILL');
  const deadline = performance.now() + EXIT_TIMEOUT_MS;
  while (await runs(pid, program)) {
    if (performance.now() > deadline) {
      const sentence = `process ${pid} (${program}) cannot be killed; look at it with: ps -o stat,wchan:30,args -p ${pid}`;
      throw new CleanupError('process', 'process not killed', sentence, { pid });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function pidIn(path: string): Promise<number | null> {
  try {
    const pid = Number((await readFile(path, 'utf8')).trim());
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/** A pid may have been given to somebody else since: look at its command line. A zombie has none. */
async function runs(pid: number, program: string): Promise<boolean> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'latin1')).includes(program);
  } catch {
    return false;
  }
}
