/** The size of the pipe on our stdin, which decides how far `xl remus` gets while we do not read. */
import { fstatSync } from 'node:fs';
import { AdapterError } from '../adapters/errors.js';
import { spawnPiped, type PipedChild } from '../adapters/exec.js';
import { patient } from '../adapters/patience.js';

/** The pipe from `xl remus` cannot be what output commit needs. */
export class PipeError extends AdapterError<'not-a-pipe' | 'pipe-size'> {}

/** The smallest that Linux gives, and smaller than any checkpoint. */
const NARROW_BYTES = 4096;
/** The most that Linux gives without asking for more (fs.pipe-max-size). */
const WIDE_BYTES = 1024 * 1024;
const ANSWER_TIMEOUT_MS = patient(5000);

/**
 * Node has no fcntl; perl-base is on every Debian. 1031 is F_SETPIPE_SZ. The pipe is open only for the moment of the call: a
 * helper that kept it would keep xl writing to a sender that has died.
 */
const RESIZE = [
  '$| = 1;',
  'while (my $size = <STDIN>) {',
  '  my $r = open(PIPE, "<", $ARGV[0]) ? fcntl(PIPE, 1031, int($size)) : undef;',
  '  print defined $r ? "size $r" : $!{EBUSY} ? "busy" : "error $!", "\\n";',
  '  close(PIPE);',
  '}',
].join(' ');

interface Question {
  readonly answer: (line: string) => void;
  readonly failed: (error: PipeError) => void;
}

/**
 * Resizes one pipe as often as is wanted, by a helper that lives as long as we do.
 *
 * Why: the guest is suspended from before the first byte of a checkpoint until the last one is in the pipe. Of a new
 * checkpoint we read 8 bytes (its first record's header) and nothing more until the plug's `block` has been carried out. With a
 * narrow pipe at most 8 + 4096 bytes have left xl by then. The smallest checkpoint there can be holds the processor's state
 * (2.5 KiB and more) and at least one page that the act of suspending has dirtied (4 KiB and its list), so xl is still
 * writing, and the guest still suspended, when the block lands. From then on a wide pipe lets the guest go on sooner.
 */
export class PipeSize {
  readonly #questions: Question[] = [];
  #child: PipedChild | null = null;
  #ended = false;

  /** Rejects when `fd` is no pipe. */
  static async start(fd: number, spawn = spawnPiped): Promise<PipeSize> {
    if (!fstatSync(fd).isFIFO()) {
      throw new PipeError('not-a-pipe', 'stdin is no pipe', 'stdin is not a pipe from xl remus');
    }
    const size = new PipeSize();
    const path = `/proc/${process.pid}/fd/${fd}`;
    const child = await spawn(['perl', '-MErrno', '-e', RESIZE, path], {
      onLine: (line) => size.#questions.shift()?.answer(line),
    });
    size.#child = child;
    void child.exited.then(() => size.#end(`its helper has ended: ${child.stderrTail()}`));
    return size;
  }

  /** For the first copy, and for the rest of a checkpoint whose output is blocked. */
  async widen(): Promise<void> {
    // A user may own more pipe memory than is allowed: then it stays as it is, and is only slower.
    await this.#ask(WIDE_BYTES);
  }

  /** Before a checkpoint begins. False when more is in the pipe than fits: then it stays wide. */
  async narrow(): Promise<boolean> {
    const answer = await this.#ask(NARROW_BYTES);
    if (answer === `size ${NARROW_BYTES}`) return true;
    if (answer === 'busy') return false;
    throw failed(`cannot be made ${NARROW_BYTES} bytes small: ${answer}`);
  }

  /** Ends the helper. */
  close(): void {
    this.#child?.stdin?.end();
    this.#end('it is not needed any more');
  }

  #ask(bytes: number): Promise<string> {
    if (this.#ended) return Promise.reject(failed('cannot be resized: its helper has ended'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#child?.signal('SIGKILL');
        this.#end(`its helper did not answer within ${ANSWER_TIMEOUT_MS} ms`);
      }, ANSWER_TIMEOUT_MS);
      const settled = (settle: () => void): void => {
        clearTimeout(timer);
        settle();
      };
      this.#questions.push({
        answer: (line) => settled(() => resolve(line)),
        failed: (error) => settled(() => reject(error)),
      });
      this.#child?.stdin?.write(`${bytes}\n`);
    });
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const question of this.#questions.splice(0)) {
      question.failed(failed(`cannot be resized: ${why}`));
    }
  }
}

function failed(what: string): PipeError {
  return new PipeError('pipe-size', 'pipe not resized', `the pipe from xl remus ${what}`);
}
