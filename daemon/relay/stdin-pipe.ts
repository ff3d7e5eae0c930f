import { constants, closeSync, openSync, read, readSync, writeSync } from 'node:fs';
import { errnoOf, sentenceOf } from '../adapters/errors.js';

const SLAB_BYTES = 1024 * 1024;
/** What is read at a stretch: then the network, the timers and the daemon have their turn. */
const STRETCH_BYTES = 1024 * 1024;

/**
 * Reads a pipe by exact amounts: what has not been asked for stays in the pipe, and in the guest's way.
 * (A net.Socket reads ahead.) What is there already is taken at once, for the guest stands still until all of a checkpoint
 * has been; a read that has to wait blocks in a thread of libuv's pool, which costs two changes of thread.
 */
export class PipeReader {
  readonly #fd: number;
  /** The same pipe by a description of our own, for xl's must go on to block. */
  #at_once: number | null = null;
  #stretch = 0;
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #at = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * The next bytes, at least one, at most `max`; null at the end. What is returned is never written to
   * again, and successive pieces lie next to each other in memory as far as possible.
   */
  async read(max: number): Promise<Buffer | null> {
    if (this.#at === this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#at = 0;
    }
    const length = Math.min(max, this.#slab.length - this.#at);
    const got = await this.#get(length);
    const bytes = this.#slab.subarray(this.#at, this.#at + got);
    this.#at += got;
    return got === 0 ? null : bytes;
  }

  async #get(length: number): Promise<number> {
    if (this.#stretch < STRETCH_BYTES) {
      const got = this.#readAtOnce(length);
      if (got !== null) {
        this.#stretch += got;
        return got;
      }
    }
    this.#stretch = 0;
    return this.#readBlocking(length);
  }

  /** @returns null when nothing is there. */
  #readAtOnce(length: number): number | null {
    try {
      const flags = constants.O_RDONLY | constants.O_NONBLOCK;
      this.#at_once ??= openSync(`/proc/self/fd/${this.#fd}`, flags);
      return readSync(this.#at_once, this.#slab, this.#at, length, null);
    } catch (error) {
      if (errnoOf(error) === 'EAGAIN') return null;
      throw new Error(`reading from xl remus failed: ${sentenceOf(error)}`, { cause: error });
    }
  }

  #readBlocking(length: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#fd, this.#slab, this.#at, length, null, (error, got) => {
        if (error === null) resolve(got);
        else reject(new Error(`reading from xl remus failed: ${sentenceOf(error)}`));
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
      return errnoOf(error) === 'EAGAIN';
    }
  }
}
