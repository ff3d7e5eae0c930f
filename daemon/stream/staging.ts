/** Bytes of the stream that are not handed on yet, in order, never put together. Offsets count from the stream's start. */
export class Staging {
  #pieces: Buffer[] = [];
  #start = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /** Takes out what lies before the offset. */
  takeUntil(offset: number): Buffer[] {
    const taken: Buffer[] = [];
    let want = offset - this.#start;
    while (want > 0) {
      const piece = this.#pieces.shift();
      if (piece === undefined) break;
      const part = piece.subarray(0, want);
      if (part.length < piece.length) this.#pieces.unshift(piece.subarray(want));
      taken.push(part);
      want -= part.length;
      this.#start += part.length;
      this.#bytes -= part.length;
    }
    return taken;
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}
