/** Bounded collections of bytes and lines: nothing received may grow without end. */

/** Keeps the first (or the last) `max` bytes of what is pushed. */
export class BoundedBytes {
  #chunks: Buffer[] = [];
  #size = 0;
  readonly #max: number;
  readonly #keep: 'first' | 'last';

  constructor(max: number, keep: 'first' | 'last' = 'first') {
    this.#max = max;
    this.#keep = keep;
  }

  push(chunk: Buffer): void {
    if (this.#keep === 'first') {
      const room = this.#max - this.#size;
      if (room <= 0) return;
      const part = chunk.subarray(0, room);
      this.#chunks.push(part);
      this.#size += part.length;
      return;
    }
    const joined = Buffer.concat([...this.#chunks, chunk]);
    this.#chunks = [joined.subarray(Math.max(0, joined.length - this.#max))];
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}

/** A line is longer than the bound. */
export class LineTooLong extends Error {
  constructor() {
    super('a line is longer than allowed');
    this.name = 'LineTooLong';
  }
}

/**
 * Splits bytes into lines at newlines; a line longer than `max` bytes is cut ('cut') or an error ('throw').
 * Bytes are joined before they are decoded, so a character split over two chunks stays whole.
 */
export class LineSplitter {
  #rest: Buffer[] = [];
  #size = 0;
  #cutting = false;
  readonly #max: number;
  readonly #over: 'cut' | 'throw';

  constructor(max: number, over: 'cut' | 'throw') {
    this.#max = max;
    this.#over = over;
  }

  /** The lines that this chunk completes. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      this.#add(chunk.subarray(from, at));
      lines.push(this.#take());
      from = at + 1;
    }
    this.#add(chunk.subarray(from));
    return lines;
  }

  /** The last line, when it has no newline. */
  end(): string[] {
    return this.#size > 0 ? [this.#take()] : [];
  }

  #add(part: Buffer): void {
    if (part.length === 0 || this.#cutting) return;
    const room = this.#max - this.#size;
    if (part.length > room) {
      if (this.#over === 'throw') throw new LineTooLong();
      this.#cutting = true;
    }
    this.#rest.push(part.subarray(0, room));
    this.#size += Math.min(part.length, room);
  }

  #take(): string {
    const line = Buffer.concat(this.#rest).toString('utf8');
    this.#rest = [];
    this.#size = 0;
    this.#cutting = false;
    return line;
  }
}
