import type { Contestants } from './contestants.js';
import type { Place } from './place.js';

/** What an item is given. */
export interface Context {
  readonly place: Place;
  readonly contestants: Contestants;
  /** Repetitions. */
  readonly runs: number;
  /** Only to see that it works: small sizes, figures without worth. */
  readonly tiny: boolean;
  readonly profile_dir: string | null;
  /** Progress. */
  readonly say: (line: string) => void;
  /** Something is missing, and what to type. */
  readonly lacks: (why: string) => void;
}

/** A line of the table. */
export interface Row {
  readonly what: string;
  readonly value: string;
  /** Against the goal of the issue: met, or not; null where there is no goal. */
  readonly met?: boolean | null;
}

export interface ItemResult {
  /** What `--json` shows at its top. Null: not measured, for something is missing. */
  readonly numbers: Readonly<Record<string, number | null>>;
  readonly rows: readonly Row[];
  /** Every single measurement. */
  readonly raw: unknown;
}

export interface Item {
  readonly name: string;
  readonly title: string;
  run(context: Context): Promise<ItemResult>;
}

/** Goals of issue 5: the number and whether a value is as good. */
export const GOALS: Readonly<Record<string, { readonly goal: number; readonly less: boolean }>> = {
  drain_vs_floor: { goal: 1.3, less: true },
  drain_vs_ssh: { goal: 1 / 3, less: true },
  throughput_vs_ssh: { goal: 2, less: false },
  wire_bytes_vs_ssh_C: { goal: 0.5, less: true },
  ack_minus_rtt_ms: { goal: 2, less: true },
  checkpoints_per_s_4MB: { goal: 100, less: false },
};

/** Whether the goal is met; null without a goal or a value. */
export function met(name: string, value: number | null | undefined): boolean | null {
  const goal = GOALS[name];
  if (goal === undefined || value === null || value === undefined) return null;
  return goal.less ? value <= goal.goal : value >= goal.goal;
}
