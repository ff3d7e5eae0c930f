/**
 * The pipe from `xl remus` to the sender. Narrow, it takes less than any checkpoint: so a guest stays suspended until
 * the sender has read nearly all of one. Wide, it takes several. Sizes are those of our small stream, not of a real one.
 */
const NARROW = 64;
const WIDE = 1_000;

export class Pipe {
  readonly #chunks: Buffer[] = [];
  #unread = 0;
  #capacity = NARROW;
  #closed = false;
  #reader: ((bytes: Buffer | null) => void) | null = null;
  #max = 0;
  #writer: (() => void) | null = null;
  /** Nobody reads any more: a write would raise SIGPIPE. */
  broken = false;

  /** @param taken called when all but the pipe's capacity has been read. */
  write(bytes: Buffer, taken: () => void): void {
    this.#chunks.push(bytes);
    this.#unread += bytes.length;
    this.#writer = taken;
    this.#serve();
    this.#tellWriter();
  }

  widen(): void {
    this.#capacity = WIDE;
    this.#tellWriter();
  }

  /** @returns false when more is in it already. */
  narrow(): boolean {
    if (Math.min(this.#unread, this.#capacity) > NARROW) return false;
    this.#capacity = NARROW;
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#serve();
  }

  read(max: number): Promise<Buffer | null> {
    return new Promise((resolve) => {
      this.#max = max;
      this.#reader = resolve;
      this.#serve();
    });
  }

  #serve(): void {
    const reader = this.#reader;
    if (reader === null) return;
    const chunk = this.#chunks.shift();
    if (chunk === undefined) {
      if (!this.#closed) return;
      this.#reader = null;
      reader(null);
      return;
    }
    const piece = chunk.subarray(0, this.#max);
    if (piece.length < chunk.length) this.#chunks.unshift(chunk.subarray(piece.length));
    this.#unread -= piece.length;
    this.#reader = null;
    reader(piece);
    this.#tellWriter();
  }

  #tellWriter(): void {
    if (this.#unread > this.#capacity) return;
    const writer = this.#writer;
    this.#writer = null;
    writer?.();
  }
}
