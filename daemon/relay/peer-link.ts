import type { Duplex } from 'node:stream';
import { reasonOf, sentenceOf } from '../adapters/errors.js';
import { FrameDecoder, encodeFrame, type Frame, type FrameType } from '../stream/frames.js';
import {
  HELLO_HEAD_BYTES,
  helloBodyLength,
  parseHello,
  type ReceivedHello,
  type Result,
} from '../stream/hello.js';

/**
 * Waits for exactly so many bytes; null when the connection ends, fails or is late. What there is is taken out each time:
 * with a part of it left in, the stream says at once, and again and again, that it is readable (seen: nothing else ran).
 */
async function readExactly(
  socket: Duplex,
  bytes: number,
  timeout_ms: number,
): Promise<Buffer | null> {
  const deadline = performance.now() + timeout_ms;
  let got = Buffer.alloc(0);
  for (;;) {
    got = Buffer.concat([got, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
    if (got.length >= bytes) {
      if (got.length > bytes) socket.unshift(got.subarray(bytes));
      return got.subarray(0, bytes);
    }
    const left_ms = deadline - performance.now();
    if (left_ms <= 0 || socket.destroyed || socket.readableEnded) return null;
    await readable(socket, left_ms);
  }
}

function readable(socket: Duplex, timeout_ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const event of ['readable', 'end', 'close', 'error']) socket.off(event, done);
      resolve();
    };
    const timer = setTimeout(done, timeout_ms);
    for (const event of ['readable', 'end', 'close', 'error']) socket.once(event, done);
  });
}

/** The other side's hello, or a sentence that says why there is none. */
export async function readHello(
  socket: Duplex,
  timeout_ms: number,
): Promise<Result<ReceivedHello>> {
  const silent = { ok: false, reason: 'the peer did not answer, or hung up' } as const;
  const head = await readExactly(socket, HELLO_HEAD_BYTES, timeout_ms);
  if (head === null) return silent;
  const length = helloBodyLength(head);
  if (!length.ok) return length;
  const body = await readExactly(socket, length.value, timeout_ms);
  return body === null ? silent : parseHello(head, body);
}

export interface LinkEvents {
  readonly onFrame: (frame: Frame) => void;
  /** Called once: the connection is gone, or the other side broke the protocol. A sentence. */
  readonly onLost: (reason: string) => void;
}

/**
 * What is encrypted and sent at a time, once a turn of the event loop. The sender reads up to a megabyte a turn: so what the guest
 * waits for, its pipe, is emptied first, and the network is never idle. (A TLS socket that is given more than it can send puts all
 * of it together, by copying it, and encrypts it at a stretch: of a big checkpoint tens of megabytes.)
 */
const WRITE_BYTES = 256 * 1024;

/** Makes the stream's bytes of the body of a packed frame; throws when it cannot be. */
export type Unpack = (body: Buffer) => Buffer;

/** Frames over a connection whose hellos are done. */
export class PeerLink {
  readonly #socket: Duplex;
  readonly #events: LinkEvents;
  readonly #decoder: FrameDecoder;
  readonly #unpack: Unpack | null;
  #lost = false;
  #written = 0;
  /** What the socket has not been given yet. */
  #waiting: Buffer[] = [];
  #waiting_bytes = 0;
  #pump_planned = false;
  #on_drained: (() => void)[] = [];

  /** `allowed`: what the other side may send; packed frames only with `unpack`, and they come as data frames. */
  constructor(
    socket: Duplex,
    allowed: readonly FrameType[],
    events: LinkEvents,
    unpack: Unpack | null = null,
  ) {
    this.#socket = socket;
    this.#unpack = unpack;
    this.#events = events;
    this.#decoder = new FrameDecoder(allowed);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#lose(`the connection broke: ${reasonOf(error)}`));
    socket.on('end', () => this.#lose('the peer closed the connection'));
    socket.on('close', () => this.#lose('the connection was closed'));
    socket.on('drain', () => this.#planPump());
    socket.resume();
    // What was over before we listened is not said again. Not at once: who makes this is not done yet.
    if (socket.destroyed || socket.readableEnded)
      setImmediate(() => this.#lose('the connection was closed'));
  }

  /** Bytes that wait to be sent. */
  get queued_bytes(): number {
    return this.#waiting_bytes + this.#socket.writableLength;
  }

  /** Nothing is kept back here. */
  get staged_bytes(): number {
    return 0;
  }

  /** Bytes that the network has taken so far: grows as the peer takes them. */
  get taken_bytes(): number {
    return this.#written - this.queued_bytes;
  }

  send(frame: Frame): void {
    if (this.#lost) return;
    for (const buffer of encodeFrame(frame)) {
      this.#written += buffer.length;
      this.#waiting_bytes += buffer.length;
      this.#waiting.push(buffer);
    }
    this.#planPump();
  }

  /** Resolves when all that was sent has been taken, or the connection is gone. */
  drained(): Promise<void> {
    if (this.#lost || !this.#busy()) return Promise.resolve();
    return new Promise((resolve) => this.#on_drained.push(resolve));
  }

  #busy(): boolean {
    return this.#waiting.length > 0 || this.#socket.writableNeedDrain;
  }

  #planPump(): void {
    if (this.#pump_planned) return;
    this.#pump_planned = true;
    setImmediate(() => {
      this.#pump_planned = false;
      this.#pump();
    });
  }

  /** Goes on when the socket has sent what it was given: then it says `drain`. */
  #pump(): void {
    if (this.#waiting.length > 0 && !this.#socket.writableNeedDrain) this.#write(WRITE_BYTES);
    if (this.#busy()) {
      if (!this.#socket.writableNeedDrain) this.#planPump();
      return;
    }
    for (const resolve of this.#on_drained.splice(0)) resolve();
  }

  /** As many buffers as it takes to be at least so many bytes, or all. */
  #write(least_bytes: number): void {
    let bytes = 0;
    let count = 0;
    for (const buffer of this.#waiting) {
      if (bytes >= least_bytes) break;
      bytes += buffer.length;
      count += 1;
    }
    this.#waiting_bytes -= bytes;
    this.#socket.cork();
    for (const buffer of this.#waiting.splice(0, count)) this.#socket.write(buffer);
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Closes after a last frame; no more events come. */
  close(last?: Frame): void {
    if (this.#lost) return;
    if (last !== undefined) this.send(last);
    this.#write(Infinity);
    this.#over();
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), 1000);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #read(chunk: Buffer): void {
    if (this.#lost) return;
    const { frames, error } = this.#decoder.push(chunk);
    for (const frame of frames) {
      const plain = this.#plain(frame);
      if (plain === null) return;
      this.#events.onFrame(plain);
      // A frame's handler may have closed the connection: what follows is void.
      if (this.#closed()) return;
    }
    if (error !== null) this.#lose(`the peer broke the protocol: ${error}`);
  }

  /** A packed frame as data; null when it was none, and the connection is lost. */
  #plain(frame: Frame): Frame | null {
    if (frame.type !== 'packed' || this.#unpack === null) return frame;
    try {
      return { type: 'data', bytes: this.#unpack(frame.body) };
    } catch (error) {
      this.#lose(`the peer broke the protocol: ${sentenceOf(error)}`);
      return null;
    }
  }

  #closed(): boolean {
    return this.#lost;
  }

  #over(): void {
    this.#lost = true;
    this.#waiting = [];
    this.#waiting_bytes = 0;
    for (const resolve of this.#on_drained.splice(0)) resolve();
  }

  #lose(reason: string): void {
    if (this.#lost) return;
    this.#over();
    this.#socket.destroy();
    this.#events.onLost(reason);
  }
}
