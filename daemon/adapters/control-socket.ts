/**
 * The server side of remusd's control socket: the agent and remusctl ask here. Whatever comes in, each
 * connection costs a bounded amount of memory and time, and gets an answer or is closed.
 */
import { chmod, chown, lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';

import {
  BadRequest,
  formatAnswer,
  formatItem,
  formatProgress,
  LIMITS,
  parseRequest,
  SAME_RELEASE,
  type ControlAnswer,
  type ControlRequest,
} from './control-protocol.js';
import { sentenceOf } from './errors.js';
import { OCF } from '../core/ocf.js';

/**
 * Carries out one request. A rejection becomes rc 1 with its sentence. `abandoned` is aborted when the client
 * has gone or the deadline has passed: nobody reads the answer any more, what was begun may go on. `item` tells a part of the
 * answer; a client that does not read is cut off.
 */
export type ControlHandler = (
  request: ControlRequest,
  progress: (text: string) => void,
  abandoned: AbortSignal,
  item?: (item: unknown) => void,
) => Promise<ControlAnswer>;

/** Something went wrong with one connection, for the log. */
export type ControlProblem = (message: string, detail: Readonly<Record<string, unknown>>) => void;

export interface ControlSocketOptions {
  readonly path: string;
  readonly handler: ControlHandler;
  readonly problem?: ControlProblem;
  /** For the whole request to arrive. Default 5 s. */
  readonly request_timeout_ms?: number;
  /** Between two empty progress lines while a request is carried out. Default 1 s; the agent takes 2 s of silence for a hung daemon at the earliest. */
  readonly heartbeat_ms?: number;
  /** Default 256. What is over is answered with rc 1 and closed. */
  readonly max_connections?: number;
  /** The id of a group that may connect, too; default none: only root. */
  readonly group?: number;
}

export interface ControlSocket {
  /** Connections that are open now. */
  readonly connections: () => number;
  /** Stop listening, close every connection, remove the socket's file. */
  close(): Promise<void>;
}

/** A client that does not read may be owed this many bytes; then it is cut off. */
const UNREAD_MAX = 4 * 1024 * 1024;
/** How long a client may take to read its answer, and how long closing may take. */
const LINGER_MS = 5_000;

interface Settings extends Required<Omit<ControlSocketOptions, 'path' | 'group'>> {
  readonly open: Set<Socket>;
}

/**
 * Listen on a unix socket that only root can reach (0600), or a group, too (0660).
 * A dead daemon's socket file is replaced.
 * @throws when another daemon answers there.
 */
export async function serveControlSocket(options: ControlSocketOptions): Promise<ControlSocket> {
  const settings: Settings = {
    handler: options.handler,
    problem: options.problem ?? (() => undefined),
    request_timeout_ms: options.request_timeout_ms ?? 5_000,
    heartbeat_ms: options.heartbeat_ms ?? 1_000,
    max_connections: options.max_connections ?? 256,
    open: new Set(),
  };
  await removeStale(options.path);
  // A client that has sent its request may close its half: socat does.
  const server = createServer({ allowHalfOpen: true }, (socket) => accept(socket, settings));
  await listen(server, options.path);
  await admit(options.path, options.group);
  server.on('error', (error) =>
    settings.problem('control socket failed', { error: error.message }),
  );
  return { connections: () => settings.open.size, close: () => close(server, settings) };
}

/** Made with our umask it admits nobody but root: no moment is open to more than it is for. */
async function admit(path: string, group: number | undefined): Promise<void> {
  if (group !== undefined) await chown(path, 0, group);
  await chmod(path, group === undefined ? 0o600 : 0o660);
}

async function removeStale(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => null);
  if (stat === null) return;
  if (!stat.isSocket()) throw new Error(`${path} is in the way: it is not a socket; remove it`);
  if (await answers(path)) {
    throw new Error(`another remusd listens on ${path}; type: systemctl status remusd`);
  }
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.setTimeout(LINGER_MS, () => probe.destroy());
    probe.once('connect', () => {
      resolve(true);
      probe.destroy();
    });
    probe.once('error', () => resolve(false));
    probe.once('close', () => resolve(false));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, backlog: 511 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function close(server: Server, settings: Settings): Promise<void> {
  const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
  for (const socket of settings.open) socket.destroy();
  await closed;
}

function accept(socket: Socket, settings: Settings): void {
  settings.open.add(socket);
  socket.once('close', () => settings.open.delete(socket));
  // A client that goes away in the middle is its own affair; without a listener it would end the daemon.
  socket.on('error', () => socket.destroy());
  if (settings.open.size > settings.max_connections) {
    settings.problem('too many control connections', { max: settings.max_connections });
    finish(socket, { rc: OCF.ERR_GENERIC, reason: 'remusd has too many connections: try again' });
    return;
  }
  readRequest(socket, settings, (text) => void serve(socket, text, settings));
}

/** Collects bytes up to the empty line; a request that is late, long, or cut is refused. */
function readRequest(socket: Socket, settings: Settings, done: (text: string) => void): void {
  let received = Buffer.alloc(0);
  const timer = setTimeout(
    () => refuse('the request did not arrive in time'),
    settings.request_timeout_ms,
  );
  const stop = (): void => {
    clearTimeout(timer);
    socket.off('data', take).off('end', cut).off('close', stop);
    // Whatever else comes is read and thrown away, so that the end of the connection is seen.
    socket.resume();
  };
  const refuse = (why: string): void => {
    stop();
    settings.problem('bad control request', { why });
    finish(socket, misunderstood(why));
  };
  const take = (chunk: Buffer): void => {
    const from = Math.max(0, received.length - 1);
    received = Buffer.concat([received, chunk]);
    const at = received.indexOf('\n\n', from);
    if (at > LIMITS.request || (at === -1 && received.length > LIMITS.request)) {
      refuse(`it is longer than ${LIMITS.request} bytes`);
    } else if (at !== -1) {
      stop();
      done(received.subarray(0, at).toString('utf8'));
    }
  };
  const cut = (): void => {
    if (received.length > 0) {
      refuse('it has no empty line at its end');
      return;
    }
    stop();
    socket.end();
  };
  socket.on('data', take).once('end', cut).once('close', stop);
}

/** The agent and remusctl of its own release say nothing that it does not understand. */
function misunderstood(why: string): ControlAnswer {
  const next = /type: /.test(why) ? '' : `; ${SAME_RELEASE}`;
  return {
    rc: OCF.ERR_ARGS,
    reason: `remusd did not understand the request: ${why}${next}`,
  };
}

async function serve(socket: Socket, text: string, settings: Settings): Promise<void> {
  let request: ControlRequest;
  try {
    request = parseRequest(text);
  } catch (error) {
    const why = error instanceof BadRequest ? error.message : 'it cannot be read';
    settings.problem('bad control request', { why });
    finish(socket, misunderstood(why));
    return;
  }
  if (!(await isHeard(socket, request.action))) {
    settings.problem('a request that nobody waits for any more', { action: request.action });
    socket.destroy();
    return;
  }
  finish(socket, await carryOut(socket, request, settings));
}

/** They only look: done for nobody, they do no harm. */
const LOOKS: ReadonlySet<string> = new Set([
  'monitor',
  'status',
  'ping',
  'validate-all',
  'dump',
  'cluster-event',
]);

/**
 * While we hung, agents have asked, given up, and acted without us. Their requests are still there to be read; to carry
 * them out now would start or stop what has been decided anew since. Only a write tells whether a client is still there.
 */
function isHeard(socket: Socket, action: string): boolean | Promise<boolean> {
  if (LOOKS.has(action)) return true;
  if (socket.destroyed || socket.writableEnded) return false;
  return new Promise((resolve) => {
    socket.write(formatProgress(''), (error) => resolve(error === undefined || error === null));
  });
}

/** Never rejects. The daemon's own deadline comes just before Pacemaker's, so that there is a reason to show. */
async function carryOut(
  socket: Socket,
  request: ControlRequest,
  settings: Settings,
): Promise<ControlAnswer> {
  const abort = new AbortController();
  const heartbeat = setInterval(() => write(socket, formatProgress('')), settings.heartbeat_ms);
  // The handler may go on for ever; what waits for it on this connection's behalf must not.
  const gone = (): void => {
    clearInterval(heartbeat);
    abort.abort();
  };
  socket.once('close', gone);
  const progress = (text: string): void => {
    if (!abort.signal.aborted) write(socket, formatProgress(text));
  };
  const item = (value: unknown): void => {
    if (!abort.signal.aborted) write(socket, formatItem(value));
  };
  try {
    const work = settings.handler(request, progress, abort.signal, item);
    return await withDeadline(work, request, abort.signal);
  } catch (error) {
    const reason = sentenceOf(error);
    settings.problem('control request failed', {
      action: request.action,
      resource: request.resource,
      reason,
    });
    return { rc: OCF.ERR_GENERIC, reason };
  } finally {
    clearInterval(heartbeat);
    socket.off('close', gone);
    abort.abort();
  }
}

/** Milliseconds kept back for the way of the answer. */
function margin(timeout_ms: number): number {
  return Math.min(2_000, timeout_ms / 10);
}

async function withDeadline(
  work: Promise<ControlAnswer>,
  request: ControlRequest,
  abandoned: AbortSignal,
): Promise<ControlAnswer> {
  const { timeout_ms, action } = request;
  if (timeout_ms === undefined) return await work;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ControlAnswer>((resolve) => {
    const reason = `${action} was not done within its timeout of ${timeout_ms} ms; type: remusctl status`;
    timer = setTimeout(
      () => resolve({ rc: OCF.ERR_GENERIC, reason }),
      timeout_ms - margin(timeout_ms),
    );
    abandoned.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function write(socket: Socket, text: string): void {
  if (socket.destroyed || socket.writableEnded) return;
  if (socket.writableLength > UNREAD_MAX) {
    socket.destroy();
    return;
  }
  socket.write(text);
}

/** The last thing on a connection. A client that does not close its side is closed. */
function finish(socket: Socket, answer: ControlAnswer): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.resume();
  socket.end(formatAnswer(answer), () => {
    // All is with the kernel: a client that closed its half needs nothing more, another one is not waited for.
    socket.destroySoon();
  });
}
