import { constants, closeSync, openSync, read, writeSync } from 'node:fs';
import { sentenceOf } from '../adapters/errors.js';

const SLAB_BYTES = 1024 * 1024;

/**
 * Reads a pipe by exact amounts: what has not been asked for stays in the pipe, and in the guest's way.
 * (A net.Socket reads ahead.) The read blocks in a thread of libuv's pool.
 */
export class PipeReader {
  readonly #fd: number;
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #at = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * The next bytes, at least one, at most `max`; null at the end. What is returned is never written to
   * again, and successive pieces lie next to each other in memory as far as possible.
   */
  read(max: number): Promise<Buffer | null> {
    if (this.#at === this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#at = 0;
    }
    const slab = this.#slab;
    const at = this.#at;
    const length = Math.min(max, slab.length - at);
    return new Promise((resolve, reject) => {
      read(this.#fd, slab, at, length, null, (error, got) => {
        if (error !== null) {
          reject(new Error(`reading from xl remus failed: ${sentenceOf(error)}`));
          return;
        }
        this.#at = at + got;
        resolve(got === 0 ? null : slab.subarray(at, at + got));
      });
    });
  }

  /**
   * Lets a read that blocks return: a process with one cannot exit. A byte of our own into our own pipe,
   * whose contents nobody wants any more. False when that is not possible.
   */
  unblock(): boolean {
    try {
      const flags = constants.O_WRONLY | constants.O_NONBLOCK;
      const fd = openSync(`/proc/self/fd/${this.#fd}`, flags);
      try {
        writeSync(fd, '\n');
      } finally {
        closeSync(fd);
      }
      return true;
    } catch (error) {
      // Full: then a read has something to return.
      return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
    }
  }
}
