/**
 * The one place that starts processes. argv arrays only, a deadline on everything, one flat result record.
 *
 * Every child is the leader of its own process group (and session), so that a deadline reaches its helpers
 * too, and so that a signal meant for the daemon's group never reaches a domain's process.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Exec, ExecOptions, ExecResult } from '../ports.js';
import { AdapterError, errnoOf, errnoWords } from './errors.js';
import { BoundedBytes, LineSplitter } from './lines.js';

const DEFAULT_MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const DEFAULT_KILL_GRACE_MS = 2000;
/** After a child's exit: how long output still in its pipes is waited for (a grandchild may hold them open for ever). */
const DRAIN_MS = 250;
/** After SIGKILL: how long an exit is waited for; a process in uninterruptible sleep never comes. */
const UNKILLABLE_MS = 1000;
const MAX_LOG_BYTES = 1024 * 1024;
const STDERR_TAIL_BYTES = 16 * 1024;
const MAX_LINE_BYTES = 64 * 1024;

/** Env of the service manager that must not reach a child: it would speak to systemd in our name. */
const PRIVATE_ENV = /^(NOTIFY_SOCKET|WATCHDOG_.*|LISTEN_(FDS|PID|FDNAMES)|FDSTORE)$/;

/** A program could not be started. */
export class SpawnError extends AdapterError<'spawn'> {}

/** The environment of a child: ours without the service manager's, messages in English. */
export function childEnv(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !PRIVATE_ENV.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C', ...extra };
}

/** Signal a whole process group; true when there was one. */
export function signalGroup(pgid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pgid, signal);
    return true;
  } catch {
    return false;
  }
}

let turns = Promise.resolve();

/**
 * Node stands still while it forks: for a millisecond, or for half a second in a slow dom0. So programs are started one at a
 * time, and before each one what has come in is looked at, and what is to be said is said.
 */
function ownTurn(): Promise<void> {
  turns = turns.then(() => new Promise((resolve) => setImmediate(resolve)));
  return turns;
}

interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
}

/** Spawn, and turn Node's two ways to fail (throw, 'error' event) into one. */
async function start(
  argv: readonly string[],
  stdio: StdioOptions,
  env: Readonly<Record<string, string>> | undefined,
  cwd?: string,
): Promise<Started> {
  await ownTurn();
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      const why = errnoOf(error) ?? 'EUNKNOWN';
      const program = argv[0] ?? '(nothing)';
      reject(
        new SpawnError(
          'spawn',
          'program could not be started',
          why === 'ENOENT'
            ? `${program}: not found in PATH; install it or correct PATH`
            : `${program} could not be started: ${errnoWords(why)}`,
          { argv, errno: why },
        ),
      );
    };
    try {
      const options = { stdio, env: childEnv(env), detached: true, ...(cwd ? { cwd } : {}) };
      const child = spawn(argv[0] ?? '', argv.slice(1), options);
      child.on('error', fail);
      child.once('spawn', () => {
        if (child.pid === undefined) fail(new Error('spawned without a pid'));
        else resolve({ child, pid: child.pid });
      });
    } catch (error) {
      fail(error);
    }
  });
}

/** How a child ended. */
export interface ChildExit {
  /** Exit code, null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Wait for the end of a child within a deadline: SIGTERM to its group at `timeout_ms`, SIGKILL `grace_ms` later,
 * and if even that does not help, give up on it. Also waits (shortly) for the rest of its output.
 */
function ended(
  { child, pid }: Started,
  timeout_ms: number,
  grace_ms: number,
): Promise<ChildExit & { readonly timed_out: boolean }> {
  return new Promise((resolve) => {
    let timed_out = false;
    let timer: NodeJS.Timeout;
    const settle = (code: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(timer);
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.stdin?.destroy();
      resolve({ code, signal, timed_out });
    };
    const kill = (): void => {
      signalGroup(pid, 'SIGKILL');
      timer = setTimeout(() => {
        child.unref();
        settle(null, null);
      }, UNKILLABLE_MS);
    };
    timer = setTimeout(() => {
      timed_out = true;
      signalGroup(pid, 'SIGTERM');
      timer = setTimeout(kill, grace_ms);
    }, timeout_ms);
    child.once('close', settle);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      // What the program left running after a deadline is as late as the program.
      if (timed_out) signalGroup(pid, 'SIGKILL');
      timer = setTimeout(() => settle(code, signal), DRAIN_MS);
    });
  });
}

async function run(argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
  const began = performance.now();
  const max = options.max_output_bytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const stdout = new BoundedBytes(max);
  const stderr = new BoundedBytes(max);
  const record = (rest: Partial<ExecResult>): ExecResult => ({
    argv,
    code: null,
    signal: null,
    timed_out: false,
    stdout: stdout.text(),
    stderr: stderr.text(),
    duration_ms: Math.round(performance.now() - began),
    ...rest,
  });
  try {
    const stdin = options.stdin === undefined ? 'ignore' : 'pipe';
    const started = await start(argv, [stdin, 'pipe', 'pipe'], options.env);
    const { child } = started;
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk)).on('error', ignore);
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk)).on('error', ignore);
    // A child that does not read its stdin answers with EPIPE: its exit code says the rest.
    child.stdin?.on('error', ignore).end(options.stdin);
    const grace_ms = options.kill_grace_ms ?? DEFAULT_KILL_GRACE_MS;
    return record(await ended(started, options.timeout_ms, grace_ms));
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    return record({ spawn_error: String(error.detail['errno']), stderr: error.sentence });
  }
}

function ignore(): void {
  // The event is expected, and the child's exit tells what matters.
}

/** A log for a detached child: private, appended to, and set aside as `.old` when it has grown over 1 MiB. */
function openLog(path: string): number {
  try {
    if (statSync(path).size > MAX_LOG_BYTES) renameSync(path, `${path}.old`);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return openSync(path, 'a', 0o600);
}

async function spawnDetached(
  argv: readonly string[],
  options: { readonly log_path: string; readonly env?: Readonly<Record<string, string>> },
): Promise<{ readonly pid: number }> {
  const fd = openLog(options.log_path);
  try {
    const { child, pid } = await start(argv, ['ignore', fd, fd], options.env, '/');
    child.unref();
    return { pid };
  } finally {
    closeSync(fd);
  }
}

/** The Exec port. */
export function createExec(): Exec {
  return { run, spawnDetached };
}

/** Where one of a piped child's standard streams goes: a pipe to us, /dev/null, or a descriptor of ours that it inherits. */
export type ChildStream = 'pipe' | 'ignore' | number;

export interface PipedOptions {
  /** Default: pipe. */
  readonly stdin?: ChildStream;
  /** Default: pipe. */
  readonly stdout?: ChildStream;
  /** Default: pipe, kept as a tail of 16 KiB for messages. */
  readonly stderr?: ChildStream;
  /** Descriptors of ours that the child inherits as 3, 4, ... */
  readonly extra_fds?: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of stdout, without its newline. Lines over 64 KiB are cut. Leave it out to read `stdout` yourself. */
  readonly onLine?: (line: string) => void;
  /** Called with each line of stderr. */
  readonly onErrorLine?: (line: string) => void;
}

/** A long-lived child with pipes. It does not die with us by itself: it sees the end of its stdin. */
export interface PipedChild {
  readonly pid: number;
  /** Null when stdin is not a pipe. Errors (EPIPE) are swallowed: `exited` tells. */
  readonly stdin: Writable | null;
  /** Null when stdout is not a pipe. */
  readonly stdout: Readable | null;
  /** The last 16 KiB of stderr, when it is a pipe. */
  stderrTail(): string;
  /** Settles when the process has ended; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Signal the child alone, not its group. False when it has ended. */
  signal(signal: NodeJS.Signals): boolean;
  /** SIGTERM to its group, SIGKILL after `grace_ms`; resolves at the end. */
  stop(grace_ms: number): Promise<ChildExit>;
}

/** Start a long-lived child with pipes. Rejects with `SpawnError`. */
export async function spawnPiped(
  argv: readonly string[],
  options: PipedOptions = {},
): Promise<PipedChild> {
  const { stdin = 'pipe', stdout = 'pipe', stderr = 'pipe', extra_fds = [] } = options;
  const started = await start(argv, [stdin, stdout, stderr, ...extra_fds], options.env);
  const { child, pid } = started;
  const tail = new BoundedBytes(STDERR_TAIL_BYTES, 'last');
  const exited = new Promise<ChildExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  child.stdin?.on('error', ignore);
  child.stdout?.on('error', ignore);
  child.stderr?.on('error', ignore).on('data', (chunk: Buffer) => tail.push(chunk));
  splitInto(child.stdout, options.onLine);
  splitInto(child.stderr, options.onErrorLine);
  return {
    pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderrTail: () => tail.text(),
    exited,
    signal: (signal) => child.kill(signal),
    stop: (grace_ms) => stopPiped(started, exited, grace_ms),
  };
}

function splitInto(stream: Readable | null, onLine: ((line: string) => void) | undefined): void {
  if (!stream || !onLine) return;
  const splitter = new LineSplitter(MAX_LINE_BYTES, 'cut');
  stream.on('data', (chunk: Buffer) => splitter.push(chunk).forEach(onLine));
  stream.on('end', () => splitter.end().forEach(onLine));
}

async function stopPiped(
  { child, pid }: Started,
  exited: Promise<ChildExit>,
  grace_ms: number,
): Promise<ChildExit> {
  // Once the child is reaped its number may belong to somebody else.
  if (child.exitCode !== null || child.signalCode !== null) return exited;
  signalGroup(pid, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), grace_ms);
  try {
    return await exited;
  } finally {
    clearTimeout(timer);
  }
}
