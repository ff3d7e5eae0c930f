/** How many seeds it takes to find a planted bug. */
import { run } from '../run.js';
import type { Mutation } from './mutation.js';

export interface Found {
  /** Seeds that were run, the finding one among them. */
  readonly after: number;
  readonly seed: number;
  readonly violation: string;
}

/** Counts only what the bug is said to break: a run that fails in another way has not understood it. */
export async function hunt(
  mutation: Mutation,
  nodes: 2 | 3,
  first: number,
  most: number,
): Promise<Found | null> {
  for (let after = 1; after <= most; after += 1) {
    const seed = first + after - 1;
    const { violation } = await run({ seed, nodes, trace: false }, mutation);
    if (violation !== null && mutation.breaks.some((one) => violation.startsWith(`${one}:`)))
      return { after, seed, violation };
  }
  return null;
}
