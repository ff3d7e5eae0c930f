/**
 * The daemon's line to a data process (sender or receiver): its own unix socket, one JSON object a line.
 * The process outlives the daemon, so the daemon connects to it, again and again if need be; only a socket
 * that nobody listens on any more means that the process is gone.
 */
import { basename, dirname, join } from 'node:path';
import { connect, type Socket } from 'node:net';
import { z } from 'zod';
import {
  CONTROL_VERSION,
  type DataProcessState,
  type ReceiverCommand,
  type SenderCommand,
} from '../relay/control.js';
import type { Clock } from '../ports.js';
import { parseHistograms, type SenderHistograms } from '../relay/sender-histograms.js';
import { errnoOf, oneLine } from './errors.js';
import { LineSplitter } from './lines.js';
import { patient } from './patience.js';

const MAX_LINE_BYTES = 64 * 1024;
const RECONNECT_MS = 100;
/** A process that has just been started needs a moment until it listens. */
const START_MS = patient(10_000);

const replica = z.object({
  generation: z.number().int().nonnegative(),
  session: z.string().regex(/^[0-9a-f]{8,64}$/),
});
const count = z.number().nonnegative();
const common = {
  v: z.literal(CONTROL_VERSION),
  type: z.literal('state'),
  pid: z.number().int().positive(),
  resource: z.string().max(200),
  replica,
  reason: z.string().max(2000).optional(),
};
const wire = z.object({
  coding: z.enum(['off', 'delta', 'lz4']),
  why: z.string().max(200),
  last_bytes: count.nullable(),
  bytes_total: count,
  last_coding_ms: count.nullable(),
  coding_ms_total: count,
  link_bytes_per_s: count.nullable(),
});
const sender = z.object({
  ...common,
  role: z.literal('sender'),
  phase: z.enum(['connecting', 'first-copy', 'flowing', 'finishing', 'finished', 'ended']),
  holding: z.boolean(),
  holding_none: z.boolean(),
  netbuf_off: z.literal(true).optional(),
  dumps: z.literal(true).optional(),
  stats: z.object({
    sent: count,
    acked: count,
    acked_age_ms: count.nullable(),
    last_pause_ms: count.nullable(),
    last_ack_ms: count.nullable(),
    last_bytes: count.nullable(),
    last_pages: count.nullable(),
    bytes_total: count,
    first_copy_bytes: count,
    guest_memory_bytes: count,
    rate_per_s: count,
    drained_total: count.optional(),
    wire: wire.optional(),
  }),
});
const receiver = z.object({
  ...common,
  role: z.literal('receiver'),
  xl_pid: z.number().int().positive().nullable(),
  phase: z.enum(['listening', 'first-copy', 'ready', 'activating', 'activated', 'ended']),
  port: z.number().int().min(0).max(65535),
  connected: z.boolean(),
  // One of a former release, which outlives the upgrade of the daemon, does not say it.
  silent_ms: count.default(0),
  complete: count,
  applied: count,
  bytes_total: count,
});
const line = z.discriminatedUnion('role', [sender, receiver]);

/** @returns the state, or null when the line is not one (another version, or rubbish). */
export function parseState(text: string): DataProcessState | null {
  try {
    const parsed = line.safeParse(JSON.parse(text));
    if (!parsed.success) return null;
    const { reason, ...rest } = parsed.data;
    return reason === undefined ? rest : { ...rest, reason: oneLine(reason) };
  } catch {
    return null;
  }
}

export interface DataLinkEvents {
  readonly onState: (state: DataProcessState) => void;
  /** How often what took how long; once a second. */
  readonly onHistograms?: (histograms: SenderHistograms) => void;
  /** Nobody listens any more; `reason` is the last word of the process, or that it left without one. */
  readonly onGone: (reason: string) => void;
}

export class DataLink {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #events: DataLinkEvents;
  #socket: Socket | null = null;
  #retry: { cancel(): void } | null = null;
  readonly #began_ms: number;
  #seen = false;
  #closed = false;
  #last: DataProcessState | null = null;

  constructor(path: string, clock: Clock, events: DataLinkEvents) {
    this.#path = path;
    this.#clock = clock;
    this.#events = events;
    this.#began_ms = clock.now_ms();
    this.#connect();
  }

  /** The last state that was heard. */
  get last(): DataProcessState | null {
    return this.#last;
  }

  /** Neither connected nor about to connect: nobody would ever hear of this process again. */
  get lost(): boolean {
    return !this.#closed && this.#socket === null && this.#retry === null;
  }

  /** False when there is no connection now. */
  send(command: SenderCommand | ReceiverCommand): boolean {
    if (this.#socket === null || this.#socket.connecting) return false;
    return this.#socket.write(`${JSON.stringify(command)}\n`) || true;
  }

  /** Stop listening to it; the process goes on. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#socket?.destroy();
  }

  #connect(): void {
    this.#retry = null;
    const socket = connect(this.#path);
    const lines = new LineSplitter(MAX_LINE_BYTES, 'cut');
    this.#socket = socket;
    let why = 'closed';
    socket.on('error', (error) => (why = errnoOf(error) ?? 'error'));
    socket.on('data', (chunk: Buffer) => lines.push(chunk).forEach((text) => this.#line(text)));
    socket.on('close', () => this.#lost(why));
  }

  #line(text: string): void {
    if (this.#closed) return;
    const histograms = parseHistograms(text);
    if (histograms !== null) this.#events.onHistograms?.(histograms);
    const state = parseState(text);
    if (state === null) return;
    this.#seen = true;
    this.#last = state;
    this.#events.onState(state);
  }

  #lost(why: string): void {
    this.#socket = null;
    if (this.#closed) return;
    const gone = why === 'ECONNREFUSED' || why === 'ENOENT';
    if (gone && (this.#seen || this.#clock.now_ms() - this.#began_ms >= START_MS)) {
      this.#closed = true;
      this.#events.onGone(this.#lastWord());
      return;
    }
    this.#retry = this.#clock.after(RECONNECT_MS, () => this.#connect());
  }

  #lastWord(): string {
    if (this.#last === null) return neverStarted(this.#path);
    return this.#last.reason ?? `the ${this.#last.role} was killed`;
  }
}

/** The sender is a child of xl remus, and writes into its log. */
function neverStarted(socket_path: string): string {
  const name = basename(socket_path, '.sock');
  const log = name === 'sender' ? 'xl-remus.log' : `${name}.log`;
  return `the ${name} did not start; see ${join(dirname(socket_path), log)}`;
}
