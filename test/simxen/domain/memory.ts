/** Bytes in a page. */
export const PAGE = 4096;
/** Frames a PVH guest's physmap spans, as in the capture: RAM at the bottom, eight special pages at the top, holes between. */
export const FRAMES = 0xff000;
/** xenstore, console and friends live in the last eight frames. */
export const SPECIAL_FIRST = 0xfeff8;
const SPECIAL_COUNT = FRAMES - SPECIAL_FIRST;
/** One frame without memory in the first thousand, as the real guest had. */
export const HOLE = 0xa0;

/** Guest memory with a log of dirty pages, addressed by pfn. */
export class GuestMemory {
  readonly ramPages: number;
  private readonly bytes: Buffer;
  private readonly dirty: Uint8Array;
  private logging = false;

  constructor(memoryMiB: number) {
    this.ramPages = Math.min(memoryMiB * 256, SPECIAL_FIRST);
    this.bytes = Buffer.alloc((this.ramPages + SPECIAL_COUNT) * PAGE);
    this.dirty = new Uint8Array(this.ramPages + SPECIAL_COUNT);
  }

  /** Is there memory behind this frame? */
  has(pfn: number): boolean {
    return this.index(pfn) >= 0;
  }

  /** The page itself, for reading. */
  page(pfn: number): Buffer {
    const index = this.index(pfn);
    if (index < 0) throw new Error(`simxen: no memory at pfn ${pfn}`);
    return this.bytes.subarray(index * PAGE, (index + 1) * PAGE);
  }

  /** The page itself, for writing: it becomes dirty. */
  writable(pfn: number): Buffer {
    const page = this.page(pfn);
    if (this.logging) this.dirty[this.index(pfn)] = 1;
    return page;
  }

  startLog(): void {
    this.dirty.fill(0);
    this.logging = true;
  }

  stopLog(): void {
    this.logging = false;
  }

  /** The pfns written since the last call, ascending; they become clean. */
  takeDirty(): number[] {
    const pfns: number[] = [];
    for (let i = this.dirty.indexOf(1); i >= 0; i = this.dirty.indexOf(1, i + 1)) {
      pfns.push(i < this.ramPages ? i : SPECIAL_FIRST + i - this.ramPages);
      this.dirty[i] = 0;
    }
    return pfns;
  }

  private index(pfn: number): number {
    if (pfn === HOLE) return -1;
    if (pfn < this.ramPages) return pfn;
    if (pfn >= SPECIAL_FIRST && pfn < FRAMES) return this.ramPages + pfn - SPECIAL_FIRST;
    return -1;
  }
}
