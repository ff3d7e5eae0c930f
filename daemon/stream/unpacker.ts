import { crc32 } from 'node:zlib';
import { lz4Decode } from './lz4.js';
import {
  CODING,
  LZ4_HEAD_BYTES,
  OP,
  OPS_BYTES_MAX,
  PACKED_HEAD_BYTES,
  PACKED_RAW_BYTES_MAX,
  PFN_FOLLOWS,
  PFN_MAX,
} from './packed.js';
import { PageCache } from './page-cache.js';
import { ZEROS, applyDelta, getVarint } from './page-delta.js';
import { PAGE_BYTES } from './records.js';

/** A PACKED frame that is not one, or does not make what it says. A sentence. */
export class PackedError extends Error {
  override readonly name = 'PackedError';
}

/**
 * The receiver's end: makes the migration stream again, byte for byte. Trusts nothing that is in a body: it makes at most
 * PACKED_RAW_BYTES_MAX of one, looks at each byte once, and keeps nothing of it but the cache. After an error it must not be used
 * again: the caches are no longer the same.
 */
export class Unpacker {
  readonly #cache: PageCache;
  readonly #ops = Buffer.allocUnsafeSlow(OPS_BYTES_MAX);
  #pfn = -1;
  // Where we are in the operations, and in what they make.
  #from: Buffer = Buffer.alloc(0);
  #at = 0;
  #to: Buffer = Buffer.alloc(0);
  #out = 0;

  /** As many pages as the sender's cache has. */
  constructor(cache_pages: number) {
    this.#cache = new PageCache(cache_pages);
  }

  /** Returns the bytes of the stream, in memory of their own. Throws PackedError. */
  unpack(body: Buffer): Buffer {
    if (body.length < PACKED_HEAD_BYTES) throw new PackedError('a packed frame without its head');
    const length = body.readUInt32BE(0);
    if (length < 1 || length > PACKED_RAW_BYTES_MAX) {
      throw new PackedError(
        `a packed frame of ${length} bytes, at most ${PACKED_RAW_BYTES_MAX} are taken`,
      );
    }
    this.#from = this.#operations(body);
    this.#at = 0;
    this.#to = Buffer.allocUnsafeSlow(length);
    this.#out = 0;
    while (this.#at < this.#from.length) this.#operation();
    if (this.#out !== length) {
      throw new PackedError(`a packed frame makes ${this.#out} bytes, and says ${length}`);
    }
    if (crc32(this.#to) !== body.readUInt32BE(4)) {
      throw new PackedError(
        'a packed frame makes other bytes than were sent: the checksum differs',
      );
    }
    return this.#to;
  }

  #operations(body: Buffer): Buffer {
    const coding = body.readUInt8(8);
    if (coding === CODING.OPS) return body.subarray(PACKED_HEAD_BYTES);
    if (coding !== CODING.LZ4) throw new PackedError(`a packed frame of unknown coding ${coding}`);
    const head = PACKED_HEAD_BYTES + LZ4_HEAD_BYTES;
    const length = body.length < head ? 0 : body.readUInt32BE(PACKED_HEAD_BYTES);
    if (length < 1 || length > OPS_BYTES_MAX) {
      throw new PackedError(`a packed frame whose LZ4 block makes ${length} bytes`);
    }
    const ops = this.#ops.subarray(0, length);
    if (lz4Decode(body.subarray(head), ops) !== length) {
      throw new PackedError('a packed frame whose LZ4 block is broken');
    }
    return ops;
  }

  #operation(): void {
    const op = this.#from[this.#at] as number;
    this.#at += 1;
    if (op === OP.RAW) {
      const length = this.#varint(PACKED_RAW_BYTES_MAX);
      this.#room(length);
      this.#take(length);
      return;
    }
    this.#pfn = (op & PFN_FOLLOWS) === 0 ? this.#pfn + 1 : this.#varint(PFN_MAX);
    if (this.#pfn > PFN_MAX) throw new PackedError('a packed page with an impossible number');
    this.#room(PAGE_BYTES);
    const at = this.#out;
    const changed = this.#page(op & ~PFN_FOLLOWS);
    if (changed) this.#cache.put(this.#pfn, this.#to, at);
  }

  /** Returns whether the cache must take it. */
  #page(kind: number): boolean {
    switch (kind) {
      case OP.SAME:
        return !this.#held();
      case OP.ZERO:
        ZEROS.bytes.copy(this.#to, this.#out);
        this.#out += PAGE_BYTES;
        return true;
      case OP.PAGE:
        this.#take(PAGE_BYTES);
        return true;
      case OP.DELTA:
        this.#delta();
        return true;
      default:
        throw new PackedError(`a packed frame with an unknown operation ${kind}`);
    }
  }

  /** Makes the page as it was held. Returns whether it was. */
  #held(): boolean {
    const held = this.#cache.find(this.#pfn);
    const { bytes, at } = held ?? ZEROS;
    bytes.copy(this.#to, this.#out, at * 4, at * 4 + PAGE_BYTES);
    this.#out += PAGE_BYTES;
    return held !== null;
  }

  #delta(): void {
    if (this.#at + 2 > this.#from.length)
      throw new PackedError('a packed delta without its length');
    const start = this.#at + 2;
    const end = start + this.#from.readUInt16BE(this.#at);
    if (end > this.#from.length) throw new PackedError('a packed delta that is cut off');
    const page_at = this.#out;
    this.#held();
    if (!applyDelta(this.#from.subarray(start, end), this.#to, page_at)) {
      throw new PackedError('a packed delta that leads out of its page');
    }
    this.#at = end;
  }

  #room(length: number): void {
    if (length > this.#to.length - this.#out) {
      throw new PackedError(
        `a packed frame makes more than the ${this.#to.length} bytes that it says`,
      );
    }
  }

  #take(length: number): void {
    if (length > this.#from.length - this.#at)
      throw new PackedError('a packed frame that is cut off');
    this.#from.copy(this.#to, this.#out, this.#at, this.#at + length);
    this.#at += length;
    this.#out += length;
  }

  #varint(max: number): number {
    const got = getVarint(this.#from, this.#at);
    if (got === null || got.value > max)
      throw new PackedError('a packed frame with a wrong number');
    this.#at = got.end;
    return got.value;
  }
}
