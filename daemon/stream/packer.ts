import { crc32 } from 'node:zlib';
import { DecodeError } from './decode-error.js';
import { StreamDecoder, type PageRun } from './decoder.js';
import { Lz4Encoder, lz4Bound } from './lz4.js';
import {
  CODING,
  LZ4_HEAD_BYTES,
  OP,
  OPS_BYTES_MAX,
  PACKED_HEAD_BYTES,
  PACKED_RAW_BYTES_MAX,
  PFN_FOLLOWS,
  type Coding,
} from './packed.js';
import { PageCache, type Held } from './page-cache.js';
import { ZEROS, encodeDelta, putVarint } from './page-delta.js';
import { PAGE_BYTES } from './records.js';
import { Staging } from './staging.js';

/** A body for a PACKED frame. */
export interface Packed {
  readonly body: Buffer;
  /** Bytes of the stream in it. */
  readonly raw_bytes: number;
}

/**
 * The sender's end: takes the migration stream in pieces of any size, and gives it out as bodies of PACKED frames. It keeps what it
 * is given, uncopied, until it is asked for: when to spend the time is the caller's decision.
 */
export class Packer {
  readonly #cache: PageCache;
  readonly #staging = new Staging();
  readonly #lz4 = new Lz4Encoder();
  readonly #decoder = new StreamDecoder({ onPages: (run) => void this.#runs.push(run) });
  /** Where pages lie, from the first one that is not coded. */
  readonly #runs: PageRun[] = [];
  readonly #page: Held = pageOf();
  readonly #ops = Buffer.allocUnsafeSlow(OPS_BYTES_MAX);
  readonly #block = Buffer.allocUnsafeSlow(lz4Bound(OPS_BYTES_MAX));
  /** Bytes of the stream that have been given out. */
  #start = 0;
  #blind = false;
  #last_pfn = -1;
  #at = 0;

  constructor(cache_pages: number) {
    this.#cache = new PageCache(cache_pages);
  }

  /** Bytes that wait. */
  get staged_bytes(): number {
    return this.#staging.bytes;
  }

  push(bytes: Buffer): void {
    this.#staging.push(bytes);
    if (this.#blind) return;
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      // Whoever reads the stream will say so. Here it is only bytes.
      this.#blind = true;
    }
  }

  /** The next piece, coded; null when there is none, or only the beginning of a page. */
  next(coding: Coding): Packed | null {
    const raw = this.#raw();
    if (raw === null) return null;
    const ops = this.#encode(raw);
    return { body: this.#body(raw, ops, coding), raw_bytes: raw.length };
  }

  /** All that waits, as it is: for plain DATA frames. Its pages do not go into the cache, for the peer does not look for them. */
  takePlain(): Buffer[] {
    this.#start += this.#staging.bytes;
    const pieces = this.#staging.takeUntil(this.#start);
    this.#forget();
    return pieces;
  }

  /** The next bytes in one piece, up to the end of a page if they end in one. */
  #raw(): Buffer | null {
    const staged = this.#start + this.#staging.bytes;
    const end = this.#cut(Math.min(staged, this.#start + PACKED_RAW_BYTES_MAX));
    if (end === this.#start) return null;
    const pieces = this.#staging.takeUntil(end);
    const only = pieces.length === 1 ? pieces[0] : undefined;
    return only ?? Buffer.concat(pieces);
  }

  #cut(end: number): number {
    const run = this.#runs.find(({ at, pfns }) => at < end && end < at + pfns.length * PAGE_BYTES);
    return run === undefined ? end : end - ((end - run.at) % PAGE_BYTES);
  }

  /** Returns the operations that make `raw`. */
  #encode(raw: Buffer): Buffer {
    const start = this.#start;
    const end = start + raw.length;
    this.#at = 0;
    for (const { at, pfns } of this.#runs) {
      if (at >= end) break;
      if (at > this.#start) this.#bytes(raw.subarray(this.#start - start, at - start));
      const first = (Math.max(at, start) - at) / PAGE_BYTES;
      for (let i = first; i < pfns.length && at + i * PAGE_BYTES < end; i += 1) {
        this.#onePage(pfns[i] as number, raw, at + i * PAGE_BYTES - start);
        this.#start = at + (i + 1) * PAGE_BYTES;
      }
    }
    if (this.#start < end) this.#bytes(raw.subarray(this.#start - start));
    this.#forget();
    return this.#ops.subarray(0, this.#at);
  }

  /** Runs that have been given out whole. */
  #forget(): void {
    const done = ({ at, pfns }: PageRun): boolean => at + pfns.length * PAGE_BYTES <= this.#start;
    while (this.#runs[0] !== undefined && done(this.#runs[0])) this.#runs.shift();
  }

  #bytes(bytes: Buffer): void {
    this.#ops[this.#at] = OP.RAW;
    const at = putVarint(this.#ops, this.#at + 1, bytes.length);
    bytes.copy(this.#ops, at);
    this.#at = at + bytes.length;
    this.#start += bytes.length;
  }

  #onePage(pfn: number, raw: Buffer, at: number): void {
    // Aligned, so that words can be compared.
    this.#page.bytes.set(raw.subarray(at, at + PAGE_BYTES));
    const op_at = this.#at;
    this.#at = this.#opHead(pfn);
    const held = this.#cache.find(pfn);
    const kind = this.#pageOp(held ?? ZEROS);
    this.#ops[op_at] = kind | (pfn === this.#last_pfn + 1 ? 0 : PFN_FOLLOWS);
    this.#last_pfn = pfn;
    if (held === null || kind !== OP.SAME) this.#cache.put(pfn, this.#page.bytes, 0);
  }

  /** Leaves room for the kind; returns where the operation goes on. */
  #opHead(pfn: number): number {
    return pfn === this.#last_pfn + 1 ? this.#at + 1 : putVarint(this.#ops, this.#at + 1, pfn);
  }

  /** Writes what belongs to it, and returns the kind. */
  #pageOp(held: Held): number {
    const { bytes } = this.#page;
    const runs_at = this.#at + 2;
    const end = encodeDelta(this.#page, held, this.#ops, runs_at);
    if (end === runs_at) return OP.SAME;
    if (bytes[0] === 0 && bytes.equals(ZEROS.bytes)) return OP.ZERO;
    if (end === null) {
      this.#at += bytes.copy(this.#ops, this.#at);
      return OP.PAGE;
    }
    this.#ops.writeUInt16BE(end - runs_at, this.#at);
    this.#at = end;
    return OP.DELTA;
  }

  #body(raw: Buffer, ops: Buffer, coding: Coding): Buffer {
    const block = coding === 'lz4' ? this.#compressed(ops) : null;
    const content = block ?? ops;
    const head = PACKED_HEAD_BYTES + (block === null ? 0 : LZ4_HEAD_BYTES);
    const body = Buffer.allocUnsafeSlow(head + content.length);
    body.writeUInt32BE(raw.length, 0);
    body.writeUInt32BE(crc32(raw), 4);
    body.writeUInt8(block === null ? CODING.OPS : CODING.LZ4, 8);
    if (block !== null) body.writeUInt32BE(ops.length, PACKED_HEAD_BYTES);
    content.copy(body, head);
    return body;
  }

  /** Null when it does not pay. */
  #compressed(ops: Buffer): Buffer | null {
    const length = this.#lz4.encode(ops, this.#block);
    return length + LZ4_HEAD_BYTES < ops.length ? this.#block.subarray(0, length) : null;
  }
}

function pageOf(): Held {
  const memory = new ArrayBuffer(PAGE_BYTES);
  return { words: new Int32Array(memory), bytes: Buffer.from(memory), at: 0 };
}
