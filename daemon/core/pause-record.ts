/**
 * What the CIB has of an operator's pause, as text: `true at=2026-11-23T12:00:00Z by=root node=pm1 until=2026-11-23T14:00:00Z
 * why=storage work`. A former release wrote `true` and no more, and takes all but `false` for a pause. ASCII, for Pacemaker's
 * tools refuse anything else in the C locale (seen): what is not, and `%` itself, is written as `%C3%A4`.
 */

/** Null is what nobody has said, or what is not known. */
export interface Pause {
  /** The operator's login name. */
  readonly by: string | null;
  /** Where it was typed. */
  readonly node: string | null;
  /** Wall clock of the node that ran the VM: `2026-11-23T12:00:00Z`. */
  readonly at: string | null;
  /** When it ends by itself, on that clock; null: when somebody types resume. */
  readonly until: string | null;
  /** One line. */
  readonly why: string | null;
}

/** A pause as the CIB has it. */
export interface FoundPause {
  readonly pause: Pause;
  /** As it stands there. */
  readonly text: string;
  /** Until its end by the clock of this node, below 0 when that is past; null: it has none. */
  readonly left_ms: number | null;
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
/** Of what somebody has typed into the CIB by hand. */
const PART_MAX = 200;

export function formatPause({ at, by, node, until, why }: Pause): string {
  const parts = Object.entries({ at, by, node, until })
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${encoded(value ?? '', /[^!-~]|%/gu)}`);
  return ['true', ...parts, ...(why === null ? [] : [`why=${encoded(why, /[^ -~]|%/gu)}`])].join(
    ' ',
  );
}

/** What cannot be understood is not known: it is a pause all the same, and without an end. */
export function parsePause(text: string): Pause {
  const [, head = '', why = null] = /^(.*?)(?: why=(.*))?$/s.exec(text) ?? [];
  const part = (name: string): string | null =>
    decoded(new RegExp(`(?:^| )${name}=(\\S+)`).exec(head)?.[1] ?? null);
  const moment = (name: string): string | null => {
    const value = part(name);
    return value !== null && MOMENT.test(value) ? value : null;
  };
  return {
    ...{ by: part('by'), node: part('node') },
    ...{ at: moment('at'), until: moment('until'), why: decoded(why) },
  };
}

/** `paused until 2026-11-23 14:00 UTC by root: storage work` */
export function pauseWords({ until, by, why }: Pause): string {
  const end = until === null ? '' : ` until ${momentWords(until)}`;
  return `paused${end} by ${by ?? 'the operator'}${why === null ? '' : `: ${why}`}`;
}

/** Seconds are said where there are any. */
export function momentWords(moment: string): string {
  return moment.replace('T', ' ').replace(/(?::00)?Z$/, ' UTC');
}

/** For a note: what is known of it. */
export function pauseDetails({ by, node, until }: Pause): Readonly<Record<string, string>> {
  return {
    ...(by === null ? {} : { by }),
    ...(node === null ? {} : { on: node }),
    ...(until === null ? {} : { until }),
  };
}

/** Asked for by two orders, apart from the moment. */
export function samePause(one: Pause | null, other: Pause | null): boolean {
  if (one === null || other === null) return one === other;
  return formatPause({ ...one, at: null }) === formatPause({ ...other, at: null });
}

function encoded(text: string, which: RegExp): string {
  return text.replace(which, encodeURIComponent);
}

function decoded(text: string | null): string | null {
  if (text === null || text === '') return null;
  let plain = text;
  try {
    plain = decodeURIComponent(text);
  } catch {
    // Typed by hand: as it is.
  }
  // eslint-disable-next-line no-control-regex
  return plain.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').slice(0, PART_MAX);
}
