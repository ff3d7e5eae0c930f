import { closeSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runDir } from './paths.js';

const LOCK_WAIT_MS_MAX = 10_000;
const RETRY_MS = 2;

function holderIsDead(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    if (!(pid > 0)) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function tryLock(path: string): boolean {
  try {
    const fd = openSync(path, 'wx');
    writeSync(fd, String(process.pid));
    closeSync(fd);
    return true;
  } catch {
    return false;
  }
}

/** Runs `body` while holding the host-wide lock `name`. A lock whose holder died is broken. */
export async function withLock<T>(name: string, body: () => T | Promise<T>): Promise<T> {
  mkdirSync(runDir(), { recursive: true });
  const path = join(runDir(), `${name}.lock`);
  const deadline = Date.now() + LOCK_WAIT_MS_MAX;
  while (!tryLock(path)) {
    if (holderIsDead(path)) unlinkSync(path);
    else if (Date.now() > deadline) throw new Error(`simxen: lock ${path} is held for too long`);
    else await sleep(RETRY_MS);
  }
  try {
    return await body();
  } finally {
    unlinkSync(path);
  }
}
