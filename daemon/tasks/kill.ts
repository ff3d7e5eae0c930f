/** Ending processes of ours for certain, by pid and never by name. */
import { setTimeout as delay } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { errnoOf } from '../adapters/errors.js';

const POLL_MS = 20;

/**
 * @param mark text that must stand in the command line of `pid`: a number that another program has got
 *   meanwhile is not ours.
 */
export function isOurs(pid: number, mark: string): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return line.includes(mark);
  } catch {
    return false;
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

/** @returns true when it has ended within `ms`. */
export async function ended(pid: number, mark: string, ms: number): Promise<boolean> {
  for (let left = ms; ; left -= POLL_MS) {
    if (!isOurs(pid, mark)) return true;
    if (left <= 0) return false;
    await delay(POLL_MS);
  }
}

/** SIGKILL to the process and its group (our detached children lead their own), and see that it is gone. */
export async function killGroup(pid: number, mark: string, ms: number): Promise<void> {
  if (!isOurs(pid, mark)) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
  signal(pid, 'SIGKILL');
  if (!(await ended(pid, mark, ms))) throw new Error(`process ${pid} (${mark}) cannot be killed`);
}

/** The pid in a file, or null. */
export function pidFrom(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim());
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}
