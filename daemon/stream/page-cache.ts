import { PAGE_BYTES } from './records.js';

/** Pages are made room for in chunks of 1 MiB, when the first page of one comes. */
const CHUNK_PAGES = 256;
const WORDS = PAGE_BYTES / 4;

/** Where a page lies: `words` from index `at` on, `bytes` from `at * 4`. */
export interface Held {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly at: number;
}

/**
 * What the peer holds of the guest's pages. Both ends have one, of the same size, and do the same with it for each coded page, so
 * they hold the same: nothing is ever said about it. Each page has one place (its number modulo the size), and is forgotten when
 * another one comes there. It lives as long as the connection.
 *
 * Memory: at most 4 KiB a page of its size, taken as pages come, and 8 bytes a page for the numbers.
 */
export class PageCache {
  readonly #pfns: Float64Array;
  readonly #chunks: (Held | undefined)[] = [];

  /** `pages`: how many it holds, at least 1. */
  constructor(pages: number) {
    this.#pfns = new Float64Array(pages).fill(-1);
  }

  /** The page as it was last put here, or null. Valid until the next put. */
  find(pfn: number): Held | null {
    const slot = pfn % this.#pfns.length;
    return this.#pfns[slot] === pfn ? this.#place(slot) : null;
  }

  /** Keeps a copy of the page that lies in `from` at `at`. */
  put(pfn: number, from: Uint8Array, at: number): void {
    const slot = pfn % this.#pfns.length;
    this.#pfns[slot] = pfn;
    const { bytes, at: word } = this.#place(slot);
    bytes.set(from.subarray(at, at + PAGE_BYTES), word * 4);
  }

  #place(slot: number): Held {
    const chunk = this.#chunk(Math.floor(slot / CHUNK_PAGES));
    return { words: chunk.words, bytes: chunk.bytes, at: (slot % CHUNK_PAGES) * WORDS };
  }

  #chunk(index: number): Held {
    const there = this.#chunks[index];
    if (there !== undefined) return there;
    const memory = new ArrayBuffer(Math.min(CHUNK_PAGES, this.#pfns.length) * PAGE_BYTES);
    const made = { words: new Int32Array(memory), bytes: Buffer.from(memory), at: 0 };
    this.#chunks[index] = made;
    return made;
  }
}
