/**
 * Knows when xl migrate-receive has stopped taking what it is given: then the replica cannot be activated, however
 * many checkpoints wait for it in memory.
 */
export class FeedWatch {
  readonly #limit_ms: number;
  #since_ms: number | null = null;
  #tick_ms: number | null = null;

  constructor(limit_ms: number) {
    this.#limit_ms = limit_ms;
  }

  /** xl has taken something. */
  taken(): void {
    this.#since_ms = null;
  }

  /** To be called all the while. Returns whether bytes have waited too long for xl to take any. */
  tick(now_ms: number, waiting: boolean): boolean {
    // We were stopped or starved ourselves: what xl has taken meanwhile has not been looked at.
    const starved = this.#tick_ms !== null && now_ms - this.#tick_ms > this.#limit_ms / 2;
    this.#tick_ms = now_ms;
    if (!waiting) this.#since_ms = null;
    else if (this.#since_ms === null || starved) this.#since_ms = now_ms;
    return this.#since_ms !== null && now_ms - this.#since_ms > this.#limit_ms;
  }
}
