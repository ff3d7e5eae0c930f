/**
 * What a mocha process tells the run about its tests: one JSON object a line, appended to a file at once,
 * so that the counts are right even when the process dies in the middle.
 */
import { readFileSync } from 'node:fs';

export type TestRecord =
  | { readonly event: 'pass' | 'fail' | 'skip'; readonly title: string }
  /** All tests have ended. */
  | { readonly event: 'end' };

/** The sum of one part. */
export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

export interface SuiteOutcome extends Tally {
  /** The process has said that it came to its end. */
  readonly ended: boolean;
}

/** Reads the records written so far; a last line without its newline (a crash) is left out. */
export function readRecords(path: string): SuiteOutcome {
  const tally = { passed: 0, failed: 0, skipped: 0, ended: false };
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  for (const line of lines) {
    const record = JSON.parse(line) as TestRecord;
    if (record.event === 'pass') tally.passed += 1;
    if (record.event === 'fail') tally.failed += 1;
    if (record.event === 'skip') tally.skipped += 1;
    if (record.event === 'end') tally.ended = true;
  }
  return tally;
}

/** The line that CI reads; always the last of all. */
export function lastLine(tally: Tally): string {
  return `${tally.passed} passed, ${tally.failed} failed`;
}
