import { constants, closeSync, fstatSync, openSync, read, writeSync } from 'node:fs';
import { AdapterError, sentenceOf } from '../adapters/errors.js';
import { spawnPiped } from '../adapters/exec.js';
import { patient } from '../adapters/patience.js';

/** The pipe from `xl remus` cannot be what output commit needs. */
export class PipeError extends AdapterError<'not-a-pipe' | 'pipe-size'> {}

/** The smallest that Linux gives, and smaller than any checkpoint. */
export const PIPE_BYTES = 4096;
const SLAB_BYTES = 256 * 1024;
const RESIZE_TIMEOUT_MS = patient(5000);

/**
 * Node has no fcntl; perl-base is on every Debian. 1031 is F_SETPIPE_SZ. The pipe keeps its size when the
 * helper has ended: it is a property of the pipe, not of the descriptor.
 */
const RESIZE = `my $r = fcntl(STDIN, 1031, ${PIPE_BYTES}); print defined $r ? "size $r" : "error $!", "\\n";`;

/**
 * Makes the pipe on descriptor `fd` so small that no whole checkpoint fits into it. To be done before
 * anything is in it.
 *
 * Why: the guest is suspended from before the first byte of a checkpoint until the last one is in the
 * pipe. We read 8 bytes of a new checkpoint (its first record's header) and nothing more until the plug's
 * `block` has been carried out. Until then at most 8 + 4096 bytes have left xl. The smallest checkpoint
 * there can be holds the processor's state (2.5 KiB and more) and at least one page that the act of
 * suspending has dirtied (4 KiB and its list), so xl is still writing, and the guest still suspended, when
 * the block lands.
 */
export async function shrinkPipe(fd: number): Promise<void> {
  if (!fstatSync(fd).isFIFO()) {
    throw new PipeError('not-a-pipe', 'stdin is no pipe', 'stdin is not a pipe from xl remus');
  }
  const said: string[] = [];
  const onLine = (line: string): void => void said.push(line);
  const child = await spawnPiped(['perl', '-e', RESIZE], { stdin: fd, onLine });
  const timer = setTimeout(() => child.signal('SIGKILL'), RESIZE_TIMEOUT_MS);
  await child.exited;
  clearTimeout(timer);
  // The exit may be known before the last line.
  for (let i = 0; i < 50 && said.length === 0; i += 1) await new Promise((r) => setTimeout(r, 10));
  const answer = said[0] ?? child.stderrTail();
  if (answer === `size ${PIPE_BYTES}`) return;
  const sentence = `the pipe from xl remus cannot be made ${PIPE_BYTES} bytes small: ${answer}`;
  throw new PipeError('pipe-size', 'pipe not resized', sentence);
}

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
