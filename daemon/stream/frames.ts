/**
 * What sender and receiver say after their hellos: frames of a u8 type, a u32 length (big-endian) and a
 * body. A DATA frame's body is a piece of the migration stream, passed on as it comes, never put together.
 */
import { printable } from '../adapters/errors.js';
import { PACKED_BYTES_MAX } from './packed.js';

export type Frame =
  /** Receiver: xl is ready to take the stream. */
  | { readonly type: 'ready' }
  /** Sender: the next bytes of the migration stream. When decoded: a piece of such a frame. */
  | { readonly type: 'data'; readonly bytes: Buffer }
  /** Sender: the next bytes of the migration stream, coded as packed.ts says. From version 2 on. */
  | { readonly type: 'packed'; readonly body: Buffer }
  /** Sender: checkpoint n is complete with the bytes sent so far. Both sides count; they must agree. */
  | { readonly type: 'checkpoint'; readonly n: number }
  /** Receiver: all of checkpoint n is in memory. */
  | { readonly type: 'ack'; readonly n: number }
  /** Sender: n, acknowledged, is the last checkpoint; the guest is handed over. */
  | { readonly type: 'finish'; readonly n: number }
  /** Sender: replication ends, and why. */
  | { readonly type: 'end'; readonly reason: string }
  /** Either: what the other one did is refused, and why. The connection is closed next. */
  | { readonly type: 'error'; readonly reason: string }
  | { readonly type: 'ping'; readonly n: number }
  | { readonly type: 'pong'; readonly n: number };

export type FrameType = Frame['type'];

export const DATA_BYTES_MAX = 1024 * 1024;
const REASON_BYTES_MAX = 4096;
const HEAD_BYTES = 5;

interface Tag {
  readonly code: number;
  readonly min: number;
  readonly max: number;
}

const TAGS: Readonly<Record<FrameType, Tag>> = {
  ready: { code: 1, min: 0, max: 0 },
  data: { code: 2, min: 1, max: DATA_BYTES_MAX },
  checkpoint: { code: 3, min: 8, max: 8 },
  ack: { code: 4, min: 8, max: 8 },
  finish: { code: 5, min: 8, max: 8 },
  end: { code: 6, min: 0, max: REASON_BYTES_MAX },
  error: { code: 7, min: 0, max: REASON_BYTES_MAX },
  ping: { code: 8, min: 8, max: 8 },
  pong: { code: 9, min: 8, max: 8 },
  packed: { code: 10, min: 1, max: PACKED_BYTES_MAX },
};

const TYPE_OF_CODE: ReadonlyMap<number, FrameType> = new Map(
  (Object.keys(TAGS) as FrameType[]).map((type) => [TAGS[type].code, type]),
);

/** The frame as buffers to be written one after another; a DATA body is not copied. */
export function encodeFrame(frame: Frame): Buffer[] {
  const body = bodyOf(frame);
  const tag = TAGS[frame.type];
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt8(tag.code, 0);
  head.writeUInt32BE(body.length, 1);
  if (body.length < tag.min || body.length > tag.max) {
    throw new RangeError(`a ${frame.type} frame cannot carry ${body.length} bytes`);
  }
  return body.length === 0 ? [head] : [head, body];
}

function bodyOf(frame: Frame): Buffer {
  switch (frame.type) {
    case 'ready':
      return Buffer.alloc(0);
    case 'data':
      return frame.bytes;
    case 'packed':
      return frame.body;
    case 'end':
    case 'error':
      return Buffer.from(frame.reason).subarray(0, REASON_BYTES_MAX);
    case 'checkpoint':
    case 'ack':
    case 'finish':
    case 'ping':
    case 'pong':
      return u64(frame.n);
  }
}

function u64(n: number): Buffer {
  const body = Buffer.allocUnsafe(8);
  body.writeBigUInt64BE(BigInt(n));
  return body;
}

/** Frames in the order in which they came, and why what follows is not one. */
export interface Decoded {
  readonly frames: readonly Frame[];
  readonly error: string | null;
}

/** Push-based decoder of frames. After an error it takes nothing any more. */
export class FrameDecoder {
  readonly #allowed: ReadonlySet<FrameType>;
  #type: FrameType | null = null;
  #left = HEAD_BYTES;
  #parts: Buffer[] = [];
  #error: string | null = null;

  /** `allowed`: what the other side may send. */
  constructor(allowed: readonly FrameType[]) {
    this.#allowed = new Set(allowed);
  }

  push(chunk: Buffer): Decoded {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length && this.#error === null) {
      const take = Math.min(this.#left, chunk.length - at);
      this.#take(chunk.subarray(at, at + take), frames);
      at += take;
    }
    return { frames, error: this.#error };
  }

  #take(piece: Buffer, frames: Frame[]): void {
    this.#left -= piece.length;
    if (this.#type === 'data') frames.push({ type: 'data', bytes: piece });
    else this.#parts.push(piece);
    if (this.#left > 0) return;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    if (this.#type === null) this.#head(whole, frames);
    else {
      if (this.#type !== 'data') this.#body(this.#type, whole, frames);
      this.#nextHead();
    }
  }

  #nextHead(): void {
    this.#type = null;
    this.#left = HEAD_BYTES;
  }

  #head(head: Buffer, frames: Frame[]): void {
    const code = head.readUInt8(0);
    const length = head.readUInt32BE(1);
    const type = TYPE_OF_CODE.get(code);
    if (type === undefined) {
      this.#fail(`a frame of unknown type ${code}`);
      return;
    }
    if (!this.#allowed.has(type)) {
      this.#fail(`a ${type} frame from the wrong side`);
      return;
    }
    const tag = TAGS[type];
    if (length < tag.min || length > tag.max) {
      this.#fail(`a ${type} frame of ${length} bytes, allowed are ${tag.min} to ${tag.max}`);
      return;
    }
    if (length > 0) {
      this.#type = type;
      this.#left = length;
      return;
    }
    this.#body(type, Buffer.alloc(0), frames);
    this.#nextHead();
  }

  #body(type: FrameType, body: Buffer, frames: Frame[]): void {
    switch (type) {
      case 'ready':
        frames.push({ type });
        return;
      case 'end':
      case 'error':
        frames.push({ type, reason: printable(body.toString('utf8')) });
        return;
      case 'checkpoint':
      case 'ack':
      case 'finish':
      case 'ping':
      case 'pong':
        this.#number(type, body, frames);
        return;
      case 'packed':
        frames.push({ type, body });
        return;
      case 'data':
    }
  }

  #number(
    type: 'checkpoint' | 'ack' | 'finish' | 'ping' | 'pong',
    body: Buffer,
    frames: Frame[],
  ): void {
    const n = body.readBigUInt64BE();
    if (n > BigInt(Number.MAX_SAFE_INTEGER)) this.#fail(`a ${type} frame with the number ${n}`);
    else frames.push({ type, n: Number(n) });
  }

  #fail(error: string): void {
    this.#error = error;
  }
}

/** What each side may send. */
export const FROM_SENDER: readonly FrameType[] = [
  'data',
  'checkpoint',
  'finish',
  'end',
  'error',
  'ping',
];
/** From version 2 on. */
export const FROM_PACKING_SENDER: readonly FrameType[] = [...FROM_SENDER, 'packed'];
export const FROM_RECEIVER: readonly FrameType[] = ['ready', 'ack', 'error', 'pong'];
