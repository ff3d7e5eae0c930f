import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runDir } from './paths.js';

/** The command that carries the stream, with plain pipes on its standard input and output. */
export interface Transport {
  readonly child: ChildProcess;
  /** Our end of its standard input. */
  readonly sendFd: number;
  /** Our end of its standard output. */
  readonly receiveFd: number;
}

/**
 * Runs `sh -c COMMAND` as xl does. node's own pipes are socket pairs, whose buffers and errors differ, so two FIFOs that are
 * unlinked at once take their place: real pipes of 64 KiB, that block.
 */
export function startTransport(command: string): Transport {
  const dir = join(runDir(), 'tmp', `remus-${process.pid}`);
  mkdirSync(dir, { recursive: true });
  const [toChild, fromChild] = [join(dir, 'in'), join(dir, 'out')];
  spawnSync('mkfifo', [toChild, fromChild]);
  const child = spawn(
    'sh',
    ['-c', 'exec sh -c "$1" <"$2" >"$3"', 'sh', command, toChild, fromChild],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const sendFd = openSync(toChild, 'w');
  const receiveFd = openSync(fromChild, 'r');
  rmSync(dir, { recursive: true, force: true });
  return { child, sendFd, receiveFd };
}

/** Reads exactly `length` bytes, or fewer at the end of the stream. Blocks, as xl does. */
export function readExactly(fd: number, length: number): Buffer {
  const data = Buffer.alloc(length);
  let have = 0;
  while (have < length) {
    const got = readSync(fd, data, have, length - have, null);
    if (got === 0) break;
    have += got;
  }
  return data.subarray(0, have);
}

/** Waits for the child's end: exit code or the signal's name. */
export function waitChild(
  child: ChildProcess,
): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve({ code: child.exitCode, signal: child.signalCode });
      return;
    }
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

/** Lets go of both pipes: the command sees the end of its input. */
export function closeTransport(transport: Transport): void {
  closeSync(transport.sendFd);
  closeSync(transport.receiveFd);
}
