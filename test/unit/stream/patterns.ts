import { LIBXC, LIBXL } from '../../../daemon/stream/records.js';
import { hvmParams, preamble, record } from './stream-builder.js';

/** A page to be written into a stream. */
export interface TestPage {
  readonly pfn: number;
  readonly bytes: Buffer;
}

/** Numbers that look random, the same ones each time. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A PAGE_DATA record of exactly these pages. */
export function pagesRecord(pages: readonly TestPage[]): Buffer {
  const list = Buffer.alloc(8 + pages.length * 8);
  list.writeUInt32LE(pages.length, 0);
  pages.forEach(({ pfn }, i) => list.writeBigUInt64LE(BigInt(pfn), 8 + i * 8));
  return record(LIBXC.PAGE_DATA, Buffer.concat([list, ...pages.map(({ bytes }) => bytes)]));
}

/** A checkpoint of a PVH guest with these pages. */
export function checkpointOf(pages: readonly TestPage[]): Buffer {
  return Buffer.concat([
    ...(pages.length === 0 ? [] : [pagesRecord(pages)]),
    record(LIBXC.X86_TSC_INFO, Buffer.alloc(24)),
    record(LIBXC.HVM_CONTEXT, Buffer.alloc(2504, 1)),
    hvmParams(),
    record(LIBXC.CHECKPOINT),
    record(LIBXL.CHECKPOINT_END),
  ]);
}

/** What a guest does to its memory between two checkpoints. */
export type Pattern = 'idle' | 'text' | 'random' | 'zeroing';
export const PATTERNS: readonly Pattern[] = ['idle', 'text', 'random', 'zeroing'];

const WORDS = 'the guest wrote another line to its log about a request that took some time'.split(
  ' ',
);

/** A guest's memory that is written to in one of four ways, as a stream: the first copy, then as many checkpoints as are asked for. */
export class PatternGuest {
  readonly #memory: Buffer;
  readonly #random: () => number;
  readonly #pattern: Pattern;
  #log_at = 0;
  #line = 0;

  constructor(pattern: Pattern, pages: number, seed = 1) {
    this.#pattern = pattern;
    this.#random = randomNumbers(seed);
    this.#memory = Buffer.alloc(pages * 4096);
    for (let at = 0; at < this.#memory.length / 2; at += 1) this.#memory[at] = this.#random() * 256;
  }

  firstCopy(): Buffer {
    const all = Array.from({ length: this.#memory.length / 4096 }, (_, pfn) => pfn);
    const records: Buffer[] = [];
    for (let i = 0; i < all.length; i += 1024)
      records.push(pagesRecord(this.#pages(all.slice(i, i + 1024))));
    return Buffer.concat([preamble(), ...records, checkpointOf([])]);
  }

  /** Writes to so many pages, and gives them. */
  checkpoint(dirty: number): Buffer {
    const pfns = new Set<number>();
    while (pfns.size < dirty) pfns.add(this.#write(pfns.size));
    return checkpointOf(this.#pages([...pfns].sort((a, b) => a - b)));
  }

  #write(i: number): number {
    const pages = this.#memory.length / 4096;
    // The same tenth of its memory again and again, as guests do.
    const pfn =
      this.#pattern === 'text'
        ? Math.floor(this.#log_at / 4096)
        : Math.floor((this.#random() * pages) / 10);
    const page = this.#memory.subarray(pfn * 4096, pfn * 4096 + 4096);
    switch (this.#pattern) {
      case 'idle':
        for (let n = 0; n < 4; n += 1)
          page.writeUInt32LE(this.#random() * 1000, (this.#random() * 1024 * 4) & 0xffc);
        return pfn;
      case 'text':
        this.#log(page);
        return pfn;
      case 'random':
        for (let at = 0; at < 4096; at += 1) page[at] = this.#random() * 256;
        return pfn;
      case 'zeroing':
        page.fill(i % 2 === 0 ? 0 : (this.#line += 1) & 0xff);
        return pfn;
    }
  }

  /** A page of lines. */
  #log(page: Buffer): void {
    let text = '';
    while (text.length < 4096) {
      this.#line += 1;
      const words = Array.from(
        { length: 8 },
        () => WORDS[Math.floor(this.#random() * WORDS.length)],
      );
      text += `2026-01-01T00:00:${this.#line % 60} [${this.#line}] ${words.join(' ')}\n`;
    }
    page.write(text.slice(0, 4096), 'latin1');
    this.#log_at = (this.#log_at + 4096) % this.#memory.length;
  }

  #pages(pfns: readonly number[]): TestPage[] {
    return pfns.map((pfn) => ({
      pfn,
      bytes: Buffer.from(this.#memory.subarray(pfn * 4096, pfn * 4096 + 4096)),
    }));
  }
}
