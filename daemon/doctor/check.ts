/** The shape of the table of checks, and how a check becomes findings. */
import type { Finding, Severity } from '../../ctl/doctor.js';
import type { Facts } from './facts.js';

export type Values = Readonly<Record<string, string | number>>;

/** One place where a check has found something. */
export interface Found {
  /** For the `{words}` of the check's texts. */
  readonly values: Values;
  /** The node whose commands these are. */
  readonly on?: string;
  readonly vm?: string;
  /** When this one is of another severity than the check. */
  readonly severity?: Severity;
  /** When other commands than the check's are to be typed. */
  readonly fix?: readonly string[];
  readonly advice?: string;
}

export interface Check {
  readonly id: string;
  readonly severity: Severity;
  /** A sentence with `{words}`; the manual shows them in capitals. */
  readonly what: string;
  readonly why: string;
  /** Commands with `{words}`. */
  readonly fix: readonly string[];
  readonly advice?: string;
  /** An error that validate-all reports, from this OCF_CHECK_LEVEL on, with this exit code. */
  readonly validate?: { readonly level: 10 | 20; readonly rc: number };
  readonly find: (facts: Facts) => readonly Found[];
}

/** The text with its `{words}` filled in. A word that is not there stays, so that a test sees it. */
export function filled(text: string, values: Values): string {
  return text.replaceAll(/\{([a-z_]+)\}/g, (word, name: string) => String(values[name] ?? word));
}

/** `{node}` as NODE, for the manual. */
export function inCapitals(text: string): string {
  return text.replaceAll(/\{([a-z_]+)\}/g, (_, name: string) => name.toUpperCase());
}

export function findingsOf(check: Check, facts: Facts): Finding[] {
  return check.find(facts).map((found) => finding(check, found));
}

function finding(check: Check, found: Found): Finding {
  const { values, on, vm } = found;
  const advice = found.advice ?? check.advice;
  return {
    id: check.id,
    severity: found.severity ?? check.severity,
    what: filled(check.what, values),
    why: filled(check.why, values),
    fix: (found.fix ?? check.fix).map((command) => filled(command, values)),
    ...(on === undefined ? {} : { on }),
    ...(advice === undefined ? {} : { advice: filled(advice, values) }),
    ...(vm === undefined ? {} : { vm }),
  };
}
