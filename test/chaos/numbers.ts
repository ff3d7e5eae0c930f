/** What the client's answers say about each fault, and distributions of it. Pure. */
import type { Kind } from './schedule.js';

/** Milliseconds. */
export interface Distribution {
  readonly count: number;
  readonly median: number;
  readonly p90: number;
  readonly max: number;
}

/** The nearest rank: always a value that was measured. */
export function distribution(values_ms: readonly number[]): Distribution {
  const sorted = [...values_ms].sort((a, b) => a - b);
  const rank = (share: number): number =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { count: sorted.length, median: rank(0.5), p90: rank(0.9), max: rank(1) };
}

/** Between two faults of one round the later one gets the silence that it fell into. */
export interface Struck {
  readonly kind: Kind;
  readonly at_ms: number;
}

/** A fault with the longest silence of the client that began after it, or in which it fell. */
export interface Outage {
  readonly kind: Kind;
  readonly silence_ms: number;
}

/**
 * The longest time without an answer that each fault may have caused: one that overlaps the time from its strike to the next
 * one's, or to the end. Faults that overlap share a silence. Times of one clock, answers ascending.
 */
export function outages(
  strikes: readonly Struck[],
  answers_ms: readonly number[],
  end_ms: number,
): Outage[] {
  return strikes.map(({ kind, at_ms }, index) => {
    const until_ms = strikes[index + 1]?.at_ms ?? end_ms;
    return { kind, silence_ms: longestSilence(answers_ms, at_ms, until_ms) };
  });
}

/** The longest silence that overlaps a window. One without an end counts to the window's. */
export function longestSilence(
  answers_ms: readonly number[],
  from_ms: number,
  to_ms: number,
): number {
  let longest = 0;
  let last = from_ms;
  for (const at_ms of answers_ms) {
    if (at_ms > from_ms) longest = Math.max(longest, at_ms - last);
    last = at_ms;
    if (at_ms > to_ms) return Math.round(longest);
  }
  return Math.round(Math.max(longest, to_ms - last));
}
