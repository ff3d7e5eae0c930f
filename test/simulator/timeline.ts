/**
 * Simulated time: a queue of what happens when. One thing happens at a time, and all that follows from it at once
 * (every promise of the product that it settles) is over before the next.
 */
export interface Entry {
  readonly at_ms: number;
  readonly n: number;
  run: (() => void) | null;
}

export class Timeline {
  now_ms = 0;
  /** How much has happened. */
  events = 0;
  readonly #heap: Entry[] = [];
  #n = 0;

  at(ms: number, run: () => void): Entry {
    const entry: Entry = { at_ms: this.now_ms + Math.max(0, ms), n: (this.#n += 1), run };
    this.#push(entry);
    return entry;
  }

  cancel(entry: Entry): void {
    entry.run = null;
  }

  /** @param stop asked after each event: true ends the run. */
  async runUntil(end_ms: number, stop: () => boolean): Promise<void> {
    for (
      let next = this.#heap[0];
      next !== undefined && next.at_ms <= end_ms;
      next = this.#heap[0]
    ) {
      this.#pop();
      const { run } = next;
      if (run === null) continue;
      this.now_ms = next.at_ms;
      this.events += 1;
      run();
      await settled();
      if (stop()) return;
    }
    this.now_ms = end_ms;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Entry;
      if (!before(entry, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      const right = child + 1;
      if (right < length && before(heap[right] as Entry, heap[child] as Entry)) child = right;
      if (!before(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.n < b.n);
}

const nextTick = (resolve: () => void): void => process.nextTick(resolve);

/** Node looks at its tick queue only when no promise is left to be settled. */
function settled(): Promise<void> {
  return new Promise(nextTick);
}
