import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where all simulated state of one host lives; a power cut of the host loses it. */
export function runDir(): string {
  return process.env.SIMXEN_RUNDIR ?? '/run/simxen';
}

/** The directory of one domain: info.json, state.json and ctl.sock. */
export function domainDir(domid: number): string {
  return join(runDir(), 'dom', String(domid));
}

/** Log files that xl keeps under /var/log/xen; here in the run directory, because lab nodes may share /var. */
export function logDir(): string {
  const dir = process.env.SIMXEN_LOGDIR ?? join(runDir(), 'log');
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** The two releases that were measured. */
export type Release = '4.17' | '4.20';

/** Which release to behave like: SIMXEN_VERSION, else the file `version` in the run directory, else 4.20. */
export function release(): Release {
  let text = process.env.SIMXEN_VERSION;
  if (text === undefined) {
    try {
      text = readFileSync(join(runDir(), 'version'), 'utf8');
    } catch {
      text = '4.20';
    }
  }
  return text.trim().startsWith('4.17') ? '4.17' : '4.20';
}

/** How long xl waits for a guest that does not suspend, in milliseconds (60 s in the real one). */
export function suspendWaitMs(): number {
  return Number(process.env.SIMXEN_DESTROY_WAIT_MS ?? '60000');
}
