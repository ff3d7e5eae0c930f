import type { Summary } from '../../cluster/lab/tally.js';

/** How far back a client saw the guest's counter go, in answers; 0 when it never went back. */
export function loss({ violations }: Summary): number {
  const back = violations
    .filter(({ kind }) => kind === 'seq-back' || kind === 'seq-repeated')
    .map(({ before, after }) => before.seq - after.seq + 1);
  return Math.max(0, ...back);
}
