/** A row of marks, one for each sample: how far back a failover would have gone, from one second to the next. */
import type { Paint, Palette } from './paint.js';

/** An age in milliseconds; null: there was no replica to have one. */
export type Sample = number | null;

/** The lowest mark is for what is below this; each mark after it stands for twice as much. */
const FIRST_MS = 250;
const MARKS = { utf8: '▁▂▃▄▅▆▇█', ascii: '_.:-=+*#' } as const;
/** Of a second without a replica, in both. */
const NONE = 'x';

/** The scale is the same for all VMs and at all times: a line at the bottom is a VM that is well. */
function level(age_ms: number): number {
  const doublings = Math.ceil(Math.log2(Math.max(1, age_ms) / FIRST_MS));
  return Math.min(Math.max(doublings, 0), MARKS.ascii.length - 1);
}

/** The newest samples, at the right end. */
export function sparkline(samples: readonly Sample[], width: number, utf8: boolean): string {
  const marks = utf8 ? MARKS.utf8 : MARKS.ascii;
  const shown = samples.slice(-width);
  return shown.map((age) => (age === null ? NONE : (marks[level(age)] ?? NONE))).join('');
}

/** By the newest sample: well below two seconds. */
export function sparkPaint(samples: readonly Sample[], palette: Palette): Paint {
  const newest = samples.at(-1);
  if (newest === undefined) return palette.faint;
  if (newest === null) return palette.bad;
  return newest < 8 * FIRST_MS ? palette.good : palette.warn;
}

/** What the marks mean. */
export function sparkLegend(utf8: boolean): string {
  const marks = utf8 ? MARKS.utf8 : MARKS.ascii;
  const most_ms = FIRST_MS * 2 ** (marks.length - 2);
  const [lowest = '', highest = ''] = [marks.at(0), marks.at(-1)];
  return `AGE each second: ${lowest} ${FIRST_MS / 1000} s or less, each step doubles, ${highest} over ${most_ms / 1000} s, ${NONE} no replica`;
}
