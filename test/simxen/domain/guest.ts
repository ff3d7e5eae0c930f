import { randomBytes } from 'node:crypto';
import { type GuestMemory, PAGE, SPECIAL_FIRST } from './memory.js';

const STATE_PFN = 256;
const TABLE_PFN = 257;
const TABLE_PAGES = 16;
const ENTRY_BYTES = 64;
const ENTRIES = (TABLE_PAGES * PAGE) / ENTRY_BYTES;
const ID_BYTES_MAX = 31;
const LOAD_PFN = 512;
const MAGIC = 0x53474d31;
/** Where each field lives in the guest's state page. */
const AT = { magic: 0, boot: 4, seq: 8, ticks: 16, clients: 24, stamp: 32 } as const;
/** Where each field lives in a client's entry. */
const ENTRY = { length: 0, id: 1, n: 32, seq: 40, ticks: 48, stamp: 56 } as const;

/** What the guest does with its time: pages dirtied a tick, and milliseconds a tick. */
export interface Load {
  readonly dirtyPages: number;
  readonly tickMs: number;
}

/**
 * The program in the guest. Everything it knows is in guest memory, so that only a restored checkpoint carries it on.
 */
export class Guest {
  private readonly memory: GuestMemory;
  private readonly load: Load;

  constructor(memory: GuestMemory, load: Load) {
    this.memory = memory;
    this.load = load;
  }

  /** A fresh start: new boot id, counters at zero, some memory in use. */
  boot(): void {
    const state = this.memory.writable(STATE_PFN);
    state.fill(0);
    state.writeUInt32LE(MAGIC, AT.magic);
    randomBytes(4).copy(state, AT.boot);
    for (let pfn = 0; pfn < 64; pfn++) this.memory.writable(pfn).fill(`kernel ${pfn} `);
    for (let i = 0; i < TABLE_PAGES; i++) this.memory.writable(TABLE_PFN + i).fill(0);
  }

  /** One tick of work. */
  tick(): void {
    const state = this.memory.writable(STATE_PFN);
    const ticks = this.bump(AT.ticks);
    const window = Math.min(this.memory.ramPages - LOAD_PFN, this.load.dirtyPages * 8);
    if (window <= 0) return;
    for (let i = 0; i < this.load.dirtyPages; i++) {
      const pfn = LOAD_PFN + ((Number(ticks) * this.load.dirtyPages + i) % window);
      const page = this.memory.writable(pfn);
      page.writeBigUInt64LE(ticks, 0);
      state.copy(page, 8, 0, 32);
    }
  }

  /** What a kernel touches when it suspends: always a few pages. */
  touchOnSuspend(): void {
    for (let pfn = 0; pfn < 8; pfn++)
      this.memory.writable(pfn).writeUInt32LE(Date.now() % 2 ** 32, 0);
    this.memory.writable(SPECIAL_FIRST + 4);
  }

  /** The counters, for tests and for `describe`. */
  counters(): { boot: string; seq: number; ticks: number } {
    const state = this.memory.page(STATE_PFN);
    return {
      boot: state.readUInt32LE(AT.boot).toString(16).padStart(8, '0'),
      seq: Number(state.readBigUInt64LE(AT.seq)),
      ticks: Number(state.readBigUInt64LE(AT.ticks)),
    };
  }

  /** The answer to request `n` of a client; a repeated `n` gets the same answer, an older one none. */
  ask(client: string, n: number): string | undefined {
    const id = Buffer.from(client);
    if (id.length > ID_BYTES_MAX || !Number.isSafeInteger(n) || n < 0) return undefined;
    const slot = this.slotOf(id);
    const known = this.entry(slot, false);
    const isNew = known[ENTRY.length] === 0;
    const last = Number(known.readBigUInt64LE(ENTRY.n));
    if (!isNew && n < last) return undefined;
    if (isNew || n > last) this.record(slot, id, n);
    return this.answer(client, n, this.entry(slot, false));
  }

  private record(slot: number, id: Buffer, n: number): void {
    const seq = this.bump(AT.seq);
    const ticks = this.memory.page(STATE_PFN).readBigUInt64LE(AT.ticks);
    const stamp = this.bump(AT.stamp);
    const entry = this.entry(slot, true);
    entry.fill(0);
    entry[ENTRY.length] = id.length;
    id.copy(entry, ENTRY.id);
    entry.writeBigUInt64LE(BigInt(n), ENTRY.n);
    entry.writeBigUInt64LE(seq, ENTRY.seq);
    entry.writeBigUInt64LE(ticks, ENTRY.ticks);
    entry.writeBigUInt64LE(stamp, ENTRY.stamp);
  }

  private answer(client: string, n: number, entry: Buffer): string {
    const seq = entry.readBigUInt64LE(ENTRY.seq);
    const ticks = entry.readBigUInt64LE(ENTRY.ticks);
    return `answer ${client} ${n} seq=${String(seq)} ticks=${String(ticks)} boot=${this.counters().boot}`;
  }

  /** The client's entry, or a free one, or the one not heard of for longest. */
  private slotOf(id: Buffer): number {
    let oldest = 0;
    let oldestStamp: bigint | undefined;
    for (let slot = 0; slot < ENTRIES; slot++) {
      const entry = this.entry(slot, false);
      const length = entry[ENTRY.length] ?? 0;
      if (length === 0) return slot;
      if (entry.subarray(ENTRY.id, ENTRY.id + length).equals(id)) return slot;
      const stamp = entry.readBigUInt64LE(ENTRY.stamp);
      if (oldestStamp === undefined || stamp < oldestStamp) [oldest, oldestStamp] = [slot, stamp];
    }
    this.entry(oldest, true).fill(0);
    return oldest;
  }

  private entry(slot: number, write: boolean): Buffer {
    const at = slot * ENTRY_BYTES;
    const pfn = TABLE_PFN + Math.floor(at / PAGE);
    const page = write ? this.memory.writable(pfn) : this.memory.page(pfn);
    return page.subarray(at % PAGE, (at % PAGE) + ENTRY_BYTES);
  }

  private bump(at: number): bigint {
    const state = this.memory.writable(STATE_PFN);
    const value = state.readBigUInt64LE(at) + 1n;
    state.writeBigUInt64LE(value, at);
    return value;
  }
}
