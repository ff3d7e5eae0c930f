/** Work that is being done, each with the moment by which it must be over, whatever happens to it. */
import type { Clock } from '../ports.js';

interface Work {
  readonly name: string;
  readonly ms: number;
  readonly began_ms: number;
}

export class Underway {
  readonly #clock: Clock;
  readonly #works = new Set<Work>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param ms more than the sum of all deadlines inside `work`: only a fault of ours makes it longer. */
  async run<T>(name: string, ms: number, work: () => Promise<T>): Promise<T> {
    const one: Work = { name, ms, began_ms: this.#clock.now_ms() };
    this.#works.add(one);
    try {
      return await work();
    } finally {
      this.#works.delete(one);
    }
  }

  /** A sentence for each work that should be over. */
  overdue(): readonly string[] {
    const now_ms = this.#clock.now_ms();
    return [...this.#works]
      .filter(({ began_ms, ms }) => now_ms - began_ms > ms)
      .map(({ name, ms }) => `${name} has not ended within ${ms} ms`);
  }
}
