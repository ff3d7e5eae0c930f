/** For work that others can cause: however often it is asked for, it is done now and then only. */
import type { Clock } from './ports.js';

/**
 * @returns asks for the work: it is done at once, or, when it was done less than `rest_ms` ago or is being done, once more
 * later. Its failures are its own affair.
 */
export function sparingly(rest_ms: number, clock: Clock, work: () => Promise<void>): () => void {
  let resting = false;
  let again = false;
  const ask = (): void => {
    again = resting;
    if (resting) return;
    resting = true;
    const rested = (): void => {
      resting = false;
      if (again) ask();
    };
    const rest = (): unknown => clock.after(rest_ms, rested);
    work().then(rest, rest);
  };
  return ask;
}
