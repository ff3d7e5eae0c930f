/** Four guests' memory as streams: what is written where decides how much of it has to go over the wire. */
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { StreamDecoder } from '../../daemon/stream/decoder.js';
import { Guest } from '../simxen/domain/guest.js';
import { FRAMES, GuestMemory, SPECIAL_FIRST } from '../simxen/domain/memory.js';
import { PAGE_BYTES, XC } from '../simxen/stream/format.js';
import { Random } from '../simulator/random.js';
import { CHECKPOINT_END, pageRecords, preamble, suspendedTail } from './stream.js';

export const PATTERNS = {
  capture: 'the stream of a real PVH guest, byte for byte (test/fixtures/xen)',
  simulated: "the simulated guest: a counter and its neighbours in each of 512 pages' heads",
  mixed: 'pages of the real guest, a quarter of each rewritten with bytes of others',
  random: 'random bytes, as in encrypted or packed data: nothing can be gained',
} as const;

export type PatternName = keyof typeof PATTERNS;

export interface Pattern {
  readonly name: PatternName;
  /** Headers, first copy and its checkpoint. */
  readonly first: Buffer;
  readonly checkpoints: readonly Buffer[];
}

const CAPTURE = new URL('../../../test/fixtures/xen/pvhc.tx.bin.gz', import.meta.url);
const CHECKPOINTS = 24;
const PAGES = 512;
const GUEST_MIB = 32;
/** How many pages' worth of the real guest's memory the mixed one has. */
const REAL_PAGES = 8192;
const LINE_BYTES = 64;
const LINES_A_PAGE = 16;

export function makePattern(name: PatternName): Pattern {
  switch (name) {
    case 'capture':
      return capture();
    case 'simulated':
      return simulated();
    case 'mixed':
      return mixed();
    case 'random':
      return random();
  }
}

function capture(): Pattern {
  const bytes = gunzipSync(readFileSync(CAPTURE));
  const checkpoints: Buffer[] = [];
  let begin = 0;
  for (const event of new StreamDecoder().push(bytes)) {
    if (event.type !== 'checkpoint-end') continue;
    checkpoints.push(bytes.subarray(begin, event.end));
    begin = event.end;
  }
  const [first = Buffer.alloc(0), ...rest] = checkpoints;
  return { name: 'capture', first, checkpoints: rest };
}

/** The captured guest's pages that are not empty. */
function realPages(): Buffer[] {
  const bytes = gunzipSync(readFileSync(CAPTURE));
  const empty = Buffer.alloc(PAGE_BYTES);
  const pages: Buffer[] = [];
  for (const event of new StreamDecoder().push(bytes)) {
    if (event.type !== 'record' || event.layer !== 'libxc' || event.code !== XC.PAGE_DATA) continue;
    const data = event.offset + 16 + event.pages * 8;
    for (let i = 0; i < event.data_pages && pages.length < REAL_PAGES; i += 1) {
      const page = bytes.subarray(data + i * PAGE_BYTES, data + (i + 1) * PAGE_BYTES);
      if (!page.equals(empty)) pages.push(Buffer.from(page));
    }
  }
  return pages;
}

type PageOf = (pfn: number) => Buffer;

function checkpoint(pfns: readonly number[], page: PageOf, head: Buffer = Buffer.alloc(0)): Buffer {
  const data = (batch: readonly number[]): Buffer => Buffer.concat(batch.map(page));
  const pieces = [...pageRecords(pfns, data), ...suspendedTail()].flat();
  return Buffer.concat([head, ...pieces, CHECKPOINT_END]);
}

function simulated(): Pattern {
  const memory = new GuestMemory(GUEST_MIB);
  const guest = new Guest(memory, { dirtyPages: PAGES, tickMs: 100 });
  const page = (pfn: number): Buffer => memory.page(pfn);
  guest.boot();
  const ram = Array.from({ length: memory.ramPages }, (_, pfn) => pfn);
  const special = Array.from({ length: FRAMES - SPECIAL_FIRST }, (_, i) => SPECIAL_FIRST + i);
  const all = [...ram, ...special].filter((pfn) => memory.has(pfn));
  const first = checkpoint(all, page, preamble(GUEST_MIB));
  memory.startLog();
  const checkpoints = Array.from({ length: CHECKPOINTS }, () => {
    guest.tick();
    guest.touchOnSuspend();
    return checkpoint(memory.takeDirty(), page);
  });
  return { name: 'simulated', first, checkpoints };
}

function mixed(): Pattern {
  const pages = realPages();
  const random = new Random(1);
  const page: PageOf = (pfn) => pages[pfn] ?? Buffer.alloc(PAGE_BYTES);
  const mib = (pages.length * PAGE_BYTES) / (1024 * 1024);
  const first = checkpoint([...pages.keys()], page, preamble(mib));
  const checkpoints = Array.from({ length: CHECKPOINTS }, () => {
    const pfns = sample(random, pages.length, PAGES);
    for (const pfn of pfns) rewrite(random, page(pfn), pages);
    return checkpoint(pfns, page);
  });
  return { name: 'mixed', first, checkpoints };
}

/** Puts lines of other pages into it: at any place, bytes of a kind that guests have. */
function rewrite(random: Random, page: Buffer, pages: readonly Buffer[]): void {
  for (let line = 0; line < LINES_A_PAGE; line += 1) {
    const from = pages[below(random, pages.length)] ?? page;
    const at = below(random, PAGE_BYTES / LINE_BYTES) * LINE_BYTES;
    const source = below(random, PAGE_BYTES / LINE_BYTES) * LINE_BYTES;
    from.copy(page, at, source, source + LINE_BYTES);
  }
}

function random(): Pattern {
  const order = new Random(2);
  const page: PageOf = () => randomFillSync(Buffer.allocUnsafe(PAGE_BYTES));
  const pages = (GUEST_MIB * 1024 * 1024) / PAGE_BYTES;
  const first = checkpoint([...Array(pages).keys()], page, preamble(GUEST_MIB));
  const checkpoints = Array.from({ length: CHECKPOINTS }, () =>
    checkpoint(sample(order, pages, PAGES), page),
  );
  return { name: 'random', first, checkpoints };
}

/** Different numbers below `limit`, ascending as libxc finds dirty pages. */
function sample(random: Random, limit: number, count: number): number[] {
  const found = new Set<number>();
  while (found.size < Math.min(count, limit)) found.add(below(random, limit));
  return [...found].sort((a, b) => a - b);
}

function below(random: Random, limit: number): number {
  return random.between(0, limit - 1);
}
