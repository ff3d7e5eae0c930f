/** Puts small reads that lie next to each other in memory together again, without copying. */
export class DataBatch {
  #pending: Buffer | null = null;
  readonly #max: number;
  readonly #send: (bytes: Buffer) => void;

  /** Sends when more than `max` bytes would come together. */
  constructor(max: number, send: (bytes: Buffer) => void) {
    this.#max = max;
    this.#send = send;
  }

  get empty(): boolean {
    return this.#pending === null;
  }

  add(bytes: Buffer): void {
    const joined = this.#join(bytes);
    if (joined !== null) {
      this.#pending = joined;
      return;
    }
    this.flush();
    this.#pending = bytes;
  }

  flush(): void {
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null) this.#send(pending);
  }

  #join(bytes: Buffer): Buffer | null {
    const pending = this.#pending;
    if (pending === null) return null;
    const adjacent =
      pending.buffer === bytes.buffer && pending.byteOffset + pending.length === bytes.byteOffset;
    const length = pending.length + bytes.length;
    if (!adjacent || length > this.#max) return null;
    return Buffer.from(pending.buffer, pending.byteOffset, length);
  }
}
