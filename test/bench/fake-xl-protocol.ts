/** What the bench and its fake `xl remus` say to each other: one JSON object a line, an answer to each question, in order. */
import type { PatternName } from './patterns.js';

export type Order =
  /** Runs the command as xl does, and reads its banner. */
  | { readonly op: 'start'; readonly line: number; readonly command: string }
  /** Header, first copy, first checkpoint. */
  | { readonly op: 'first'; readonly line: number; readonly mib: number }
  | { readonly op: 'checkpoint'; readonly line: number; readonly mib: number }
  /** Checkpoints on these lines in turn, one after the other, a line's own at least so far apart. */
  | {
      readonly op: 'burst';
      readonly lines: readonly number[];
      readonly mib: number;
      readonly count: number;
      readonly for_ms: number;
      readonly interval_ms: number;
      /** So long the guest runs at the least. */
      readonly gap_ms: number;
    }
  /** Of a memory pattern: its first copy (number 0), or one of its checkpoints. */
  | {
      readonly op: 'replay';
      readonly line: number;
      readonly pattern: PatternName;
      readonly number: number;
    }
  | { readonly op: 'close'; readonly line: number };

/** Times are of the machine's monotonic clock, in milliseconds. */
export interface Written {
  /** Before the first byte. */
  readonly begun_ms: number;
  /** When the guest would run again: the last of libxc's bytes is in the pipe. */
  readonly resumed_ms: number;
  /** When all is in the pipe. */
  readonly ended_ms: number;
  /** All that has been written to this line since its start; of several lines, to the last. */
  readonly total_bytes: number;
  /** Checkpoints that were written. */
  readonly count: number;
  /** The transport's process. */
  readonly pid: number;
  /** Of a pattern: how many checkpoints it has beside its first copy. */
  readonly of: number;
}

export type Answer =
  ({ readonly ok: true } & Written) | { readonly ok: false; readonly error: string };
