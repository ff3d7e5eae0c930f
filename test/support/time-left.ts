/**
 * How long the run, or the suite that it has started, may still take. Who ends a run says so beforehand: what does not fit any
 * more is better left out, and told, than killed in the middle.
 */

/** When, in seconds since the epoch; set by .ci/run for the whole, and by run-all for a suite. */
export type EndsAt = 'REMUS_RUN_ENDS' | 'REMUS_SUITE_ENDS';

/** @returns seconds; Infinity when nobody ends it */
export function left_s(until: EndsAt): number {
  const ends_at = Number(process.env[until] ?? 'Infinity');
  return ends_at - Date.now() / 1000;
}
