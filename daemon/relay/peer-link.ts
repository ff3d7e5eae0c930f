import type { Duplex } from 'node:stream';
import { sentenceOf } from '../adapters/errors.js';
import { FrameDecoder, encodeFrame, type Frame, type FrameType } from '../stream/frames.js';
import {
  HELLO_HEAD_BYTES,
  helloBodyLength,
  parseHello,
  type ReceivedHello,
  type Result,
} from '../stream/hello.js';

/** Waits for exactly so many bytes; null when the connection ends, fails or is late. */
async function readExactly(
  socket: Duplex,
  bytes: number,
  timeout_ms: number,
): Promise<Buffer | null> {
  const deadline = performance.now() + timeout_ms;
  for (;;) {
    const got = socket.read(bytes) as Buffer | null;
    if (got !== null) return got.length === bytes ? got : null;
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
  const silent = { ok: false, reason: 'the peer said no hello, or hung up' } as const;
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

/** Frames over a connection whose hellos are done. */
export class PeerLink {
  readonly #socket: Duplex;
  readonly #events: LinkEvents;
  readonly #decoder: FrameDecoder;
  #lost = false;
  #written = 0;

  /** `allowed`: what the other side may send. */
  constructor(socket: Duplex, allowed: readonly FrameType[], events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#decoder = new FrameDecoder(allowed);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#lose(`the connection broke: ${sentenceOf(error)}`));
    socket.on('end', () => this.#lose('the peer closed the connection'));
    socket.on('close', () => this.#lose('the connection was closed'));
    socket.resume();
  }

  /** Bytes that wait to be sent. */
  get queued_bytes(): number {
    return this.#socket.writableLength;
  }

  /** Bytes that the network has taken so far: grows as the peer takes them. */
  get taken_bytes(): number {
    return this.#written - this.#socket.writableLength;
  }

  send(frame: Frame): void {
    if (this.#lost) return;
    const buffers = encodeFrame(frame);
    this.#socket.cork();
    for (const buffer of buffers) {
      this.#written += buffer.length;
      this.#socket.write(buffer);
    }
    this.#socket.uncork();
  }

  /** Resolves when all that was sent has been taken, or the connection is gone. */
  drained(): Promise<void> {
    if (this.#lost || !this.#socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.once('drain', done);
      this.#socket.once('close', done);
    });
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
    this.#lost = true;
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), 1000);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #read(chunk: Buffer): void {
    if (this.#lost) return;
    const { frames, error } = this.#decoder.push(chunk);
    for (const frame of frames) {
      this.#events.onFrame(frame);
      // A frame's handler may have closed the connection: what follows is void.
      if (this.#closed()) return;
    }
    if (error !== null) this.#lose(`the peer broke the protocol: ${error}`);
  }

  #closed(): boolean {
    return this.#lost;
  }

  #lose(reason: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#socket.destroy();
    this.#events.onLost(reason);
  }
}
