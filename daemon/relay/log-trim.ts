/**
 * xl says two lines a checkpoint on both sides, about 50 MB a day, and has no option to be silent. Its log lies
 * in /run, which is memory: so it is cut, by the process of ours that lives as long as xl does.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeFileSync } from 'node:fs';
import { errnoOf } from '../adapters/errors.js';

const LOG_BYTES_MAX = 1024 * 1024;
const KEPT_BYTES = 64 * 1024;

/**
 * Empties a log that has grown over `max_bytes`; its end is kept in PATH.old. Whoever writes it has opened it
 * for appending, and goes on at the new end. What is written in the moment between may be lost.
 * @returns whether it did.
 */
export function trimLog(path: string, max_bytes = LOG_BYTES_MAX): boolean {
  try {
    const fd = openSync(path, 'r+');
    try {
      return trimOpen(fd, path, max_bytes);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    // A full disk, or no log: no reason to end a replication.
    return false;
  }
}

function trimOpen(fd: number, path: string, max_bytes: number): boolean {
  const { size } = fstatSync(fd);
  if (size <= max_bytes) return false;
  const tail = Buffer.alloc(Math.min(size, KEPT_BYTES));
  const got = readSync(fd, tail, 0, tail.length, size - tail.length);
  ftruncateSync(fd, 0);
  writeFileSync(`${path}.old`, tail.subarray(0, got), { mode: 0o600 });
  return true;
}
