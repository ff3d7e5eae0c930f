import { writeSync } from 'node:fs';
import { release } from './paths.js';

const EAGAIN_PAUSE_MS = 1;
const pauseCell = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of it, waiting as long as the reader makes us: xl's writes block. */
export function writeAll(fd: number, data: Buffer): void {
  for (let at = 0; at < data.length;) {
    try {
      at += writeSync(fd, data, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(pauseCell, 0, 0, EAGAIN_PAUSE_MS);
    }
  }
}

/** Writes to standard output; a reader that went away is ignored. */
export function out(text: string): void {
  try {
    writeAll(1, Buffer.from(text));
  } catch {
    // nobody listens
  }
}

/** Writes a line to standard error; a reader that went away is ignored. */
export function err(line: string): void {
  try {
    writeAll(2, Buffer.from(`${line}\n`));
  } catch {
    // nobody listens
  }
}

let timestamps = false;

/** xl -T: put date and process number before the lines of libxl and libxc. */
export function useTimestamps(): void {
  timestamps = true;
}

/** A line from libxl or libxc. */
export function log(line: string): void {
  const now = new Date().toISOString();
  const prefix = timestamps ? `${now.slice(0, 10)} ${now.slice(11, 19)} UTC [${process.pid}] ` : '';
  err(prefix + line);
}

/** The source lines that the two releases name in their messages. */
const LINES = {
  '4.17': {
    read: 505,
    resume: 666,
    destroy: 1183,
    destroyCb: 1137,
    destroyEnd: 1064,
    create: 1296,
    remus: 448,
    rebuild: 1640,
    destruction: 2051,
    config: 2335,
  },
  '4.20': {
    read: 507,
    resume: 661,
    destroy: 1179,
    destroyCb: 1133,
    destroyEnd: 1060,
    create: 1351,
    remus: 444,
    rebuild: 1695,
    destruction: 2106,
    config: 2323,
  },
} as const;

/** The number of a source line in the release that is simulated. */
export function line(name: keyof (typeof LINES)['4.17']): number {
  return LINES[release()][name];
}

/** What libxl says when it destroys a domain that is not there. */
export function logDestroyMissing(domid: number): void {
  log(
    `libxl: error: libxl_domain.c:${line('destroy')}:libxl__destroy_domid: Domain ${domid}:Non-existant domain`,
  );
  log(
    `libxl: error: libxl_domain.c:${line('destroyCb')}:domain_destroy_callback: Domain ${domid}:Unable to destroy guest`,
  );
}

/** The last of libxl's lines about a destruction that failed. */
export function logDestroyFailed(domid: number): void {
  log(
    `libxl: error: libxl_domain.c:${line('destroyEnd')}:domain_destroy_cb: Domain ${domid}:Destruction of domain failed`,
  );
}
