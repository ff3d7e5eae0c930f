/** How late this daemon comes to its work: a timer that is due again and again, and by how much it is late. */
import { Histogram, type Buckets } from '../relay/histogram.js';
import type { Clock } from '../ports.js';

const EVERY_MS = 500;
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export class EventLoopLag {
  readonly #clock: Clock;
  readonly #histogram = new Histogram(SECONDS);
  #timer: { cancel(): void } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#next();
  }

  get seconds(): Buckets {
    return this.#histogram.buckets;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #next(): void {
    const due_ms = this.#clock.now_ms() + EVERY_MS;
    this.#timer = this.#clock.after(EVERY_MS, () => {
      this.#histogram.observe(Math.max(0, this.#clock.now_ms() - due_ms) / 1000);
      this.#next();
    });
  }
}
