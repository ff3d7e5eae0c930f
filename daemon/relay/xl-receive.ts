import { closeSync, constants, openSync } from 'node:fs';
import { open, rm, stat, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { oneLine } from '../adapters/errors.js';
import { signalGroup, spawnPiped, type PipedChild } from '../adapters/exec.js';
import type { Exec } from '../ports.js';
import type { XlExit, XlFeed } from './receiver-session.js';
import { trimLog } from './log-trim.js';
import type { RuntimeFiles } from './runtime.js';
import { patient } from '../adapters/patience.js';

const BANNER = 'xl migration receiver ready, send binary domain data.\n';
const FAILED_OVER = /^migration target: Remus Failover for domain \d+/m;
const BANNER_TIMEOUT_MS = patient(30_000);
const POLL_MS = 20;
const COMMAND_TIMEOUT_MS = patient(5000);
const LOG_TAIL_BYTES = 16 * 1024;

/**
 * The shell opens the fifo for reading and writing as descriptor 9 and becomes xl, which keeps it without
 * knowing: as long as xl lives, there is a writer, and xl never sees the end of its input, whoever dies.
 * -r: Remus; -e: xl does not stay to watch the domain.
 */
const SCRIPT = 'exec 9<>"$1"; exec xl migrate-receive -r -e <"$1"';

/**
 * `xl migrate-receive` and the fifo into it. What it says goes to a file and not to us, so that it does
 * not miss us when we are gone.
 */
export class XlReceive {
  readonly #child: PipedChild;
  readonly #log_path: string;
  #log_start: number;
  #exited = false;

  private constructor(child: PipedChild, log_path: string, log_start: number) {
    this.#child = child;
    this.#log_path = log_path;
    this.#log_start = log_start;
    void child.exited.then(() => (this.#exited = true));
  }

  /** The fifo must be new: a left-over xl would read from the old one. */
  static async start(exec: Exec, files: RuntimeFiles): Promise<XlReceive> {
    const fifo = files.path('fifo');
    await rm(fifo, { force: true });
    const made = await exec.run(['mkfifo', '-m', '600', fifo], { timeout_ms: COMMAND_TIMEOUT_MS });
    if (made.code !== 0) throw new Error(`mkfifo ${fifo} failed: ${oneLine(made.stderr)}`);
    const log_path = files.path('xl-receive.log');
    const log = openSync(log_path, 'a', 0o600);
    try {
      const { size } = await stat(log_path);
      const argv = ['sh', '-c', SCRIPT, 'sh', fifo];
      const child = await spawnPiped(argv, { stdin: 'ignore', stdout: log, stderr: log });
      await writeFile(files.path('xl-receive.pid'), `${child.pid}\n`);
      return new XlReceive(child, log_path, size);
    } finally {
      closeSync(log);
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Settles when xl has ended. */
  async exited(): Promise<XlExit> {
    const { code, signal } = await this.#child.exited;
    const text = await this.#said();
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const said = oneLine(lines.at(-1) ?? '', 300);
    return { code, signal, failed_over: FAILED_OVER.test(text), said };
  }

  /** Waits until xl is ready for the stream, then opens the way into it. */
  async feed(fifo: string, onError: (error: Error) => void): Promise<XlFeed> {
    const deadline = performance.now() + BANNER_TIMEOUT_MS;
    while (!(await this.#said()).includes(BANNER)) {
      if (this.#exited) throw new Error('xl migrate-receive has ended before it was ready');
      if (performance.now() > deadline) {
        throw new Error(`xl migrate-receive was not ready within ${BANNER_TIMEOUT_MS} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return openFifo(fifo, onError);
  }

  /** Not while an activation is under way: what xl says of it is read from the log. */
  trimLog(): void {
    if (trimLog(this.#log_path)) this.#log_start = 0;
  }

  /** xl and its helper, at once. Leaves the paused domain. */
  kill(): void {
    if (!this.#exited) signalGroup(this.#child.pid, 'SIGKILL');
  }

  /** The last of what xl has written since its start. */
  async #said(): Promise<string> {
    const file = await open(this.#log_path, 'r');
    try {
      const { size } = await file.stat();
      const from = Math.max(this.#log_start, size - LOG_TAIL_BYTES);
      const buffer = Buffer.alloc(Math.max(0, size - from));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

/** Not blocking: there is a reader, or this fails. Our own description, xl's is not changed by it. */
function openFifo(path: string, onError: (error: Error) => void): XlFeed {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', onError);
  return {
    write(pieces, done) {
      const last = pieces.at(-1);
      if (last === undefined) {
        socket.write('', () => done());
        return;
      }
      socket.cork();
      for (const piece of pieces.slice(0, -1)) socket.write(piece);
      socket.write(last, (error) => {
        if (error === null || error === undefined) done();
      });
      socket.uncork();
    },
  };
}
