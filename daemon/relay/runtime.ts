import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../ports.js';

/** Of pacemaker-remus, for hellos and messages. */
export const RELEASE = '0.1.0';

export const clock: Clock = {
  now_ms: () => performance.now(),
  wall: () => new Date().toISOString(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** One line a happening on stderr, which is a log file: a constant message, the variables beside it. */
export function log(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
  const line = JSON.stringify({ time: clock.wall(), pid: process.pid, msg: message, ...fields });
  process.stderr.write(`${line}\n`);
}

export interface RuntimeFiles {
  readonly dir: string;
  path(name: string): string;
  /** Writes NAME.pid with our pid. */
  writePid(name: string): Promise<void>;
  remove(...names: string[]): Promise<void>;
}

/** The VM's runtime directory, which only root may look into. */
export async function runtimeFiles(rundir: string, resource: string): Promise<RuntimeFiles> {
  process.umask(0o077);
  const dir = join(rundir, resource);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = (name: string): string => join(dir, name);
  return {
    dir,
    path,
    writePid: (name) => writeFile(path(name), `${process.pid}\n`),
    remove: async (...names) => {
      for (const name of names) await rm(path(name), { force: true });
    },
  };
}
