/**
 * Histograms that cost next to nothing: a fixed array of counts for each. A sender feeds them always, and says them
 * once a second; remusd shows them to Prometheus. Whoever reads them is told the bounds with them: a sender outlives
 * an upgrade of the daemon.
 */
import { z } from 'zod';

/** Values counted by size. */
export interface Buckets {
  /** Upper bounds, ascending; a value that is equal to one belongs below it. */
  readonly bounds: readonly number[];
  /** One for each bound, and one for what is over the last. Not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
}

const BOUNDS_MAX = 32;
const count = z.number().nonnegative();

/** Buckets as another process says them. */
export const bucketsSchema: z.ZodType<Buckets> = z
  .object({
    bounds: z.array(z.number()).min(1).max(BOUNDS_MAX),
    counts: z.array(count).max(BOUNDS_MAX + 1),
    sum: count,
  })
  .refine(({ bounds, counts }) => counts.length === bounds.length + 1)
  .refine(({ bounds }) => bounds.every((one, i) => i === 0 || one > (bounds[i - 1] ?? one)));

export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] ?? 0)) at += 1;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  get buckets(): Buckets {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum };
  }
}
