/** What may be said with a pause, as remusctl, remusd and its peers judge it. */

export const PAUSE_LIMITS = {
  /** Bytes of the reason. */
  why_bytes: 200,
  /** Bytes of who asks. */
  by_bytes: 64,
  /** A year. */
  for_s: 366 * 86_400,
} as const;

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** For messages. */
export const DURATION_FORM =
  'a whole number with its unit, at most 366d: 90s, 30m, 1h or 2d, as in --for 30m';

/** @returns seconds, or null when it is none that a pause can have. */
export function durationOf(text: string): number | null {
  const [, number, unit = ''] = /^([1-9][0-9]{0,8})([smhd])$/.exec(text) ?? [];
  const seconds = Number(number ?? NaN) * (UNITS[unit] ?? NaN);
  return seconds <= PAUSE_LIMITS.for_s ? seconds : null;
}

/** Nothing that would make two lines of it, drive a terminal or turn its words around. */
const ODD = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

/** @returns what is wrong with the reason, as a sentence; null when nothing is. */
export function wrongReason(why: string): string | null {
  const bytes = Buffer.byteLength(why);
  if (bytes > PAUSE_LIMITS.why_bytes)
    return `the reason has ${bytes} bytes, and at most ${PAUSE_LIMITS.why_bytes} are kept: say it shorter`;
  if (ODD.test(why))
    return 'the reason has control characters or more than one line: type it in one line, as in: storage work';
  return why.trim() === ''
    ? 'the reason is empty: leave it out, or say it, as in: storage work'
    : null;
}

export function isLoginName(by: string): boolean {
  return by.trim() !== '' && !ODD.test(by) && Buffer.byteLength(by) <= PAUSE_LIMITS.by_bytes;
}

/** Who has logged in, also when he has become root since. */
export function loginUser(env: Readonly<Record<string, string | undefined>>): string {
  const names = [env['SUDO_USER'], env['LOGNAME'], env['USER']];
  return names.find((name) => name !== undefined && isLoginName(name)) ?? 'root';
}
