/** What remusd answers to action=doctor, and what `remusctl doctor --json` prints unchanged. */

/** error: it does not work, or will not when it is needed; warning: it may not; note: it could be better. */
export type Severity = 'error' | 'warning' | 'note';

export interface Finding {
  /** Of the table of checks: the manual has it, too. */
  readonly id: string;
  readonly severity: Severity;
  /** What is wrong, a sentence. */
  readonly what: string;
  /** Why it matters. */
  readonly why: string;
  /** Commands, to be typed as they are, one after another. */
  readonly fix: readonly string[];
  /** The node to type them on; absent: any. */
  readonly on?: string | undefined;
  /** What no command does. */
  readonly advice?: string | undefined;
  /** The VM that it is about; absent: all of them. */
  readonly vm?: string | undefined;
}

export interface Report {
  /** The node that was asked. */
  readonly node: string;
  /** Of the program that has looked. */
  readonly release: string;
  /** The nodes and VMs that were looked at. */
  readonly nodes: readonly string[];
  readonly vms: readonly string[];
  /** How many checks there are. */
  readonly checks: number;
  readonly findings: readonly Finding[];
  /** What could not be looked at, a sentence each. */
  readonly unchecked: readonly string[];
}
