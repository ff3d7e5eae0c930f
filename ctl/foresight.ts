/**
 * What remusd answers to action=foresee-switchover and foresee-failover, and what `--dry-run --json` prints unchanged. Times are
 * milliseconds. null: not known, or nothing to say in this case.
 */

/**
 * done: it would be done; refused: with this reason, before anything is touched; fails: it would be begun, and would not come to
 * its end; unknown: something that decides about it could not be found out.
 */
export type Verdict = 'done' | 'refused' | 'fails' | 'unknown';

/** Something in Pacemaker that keeps a VM where it is, or may. */
export interface Obstacle {
  /** A sentence without its full stop. */
  readonly what: string;
  /** The command that takes it away. */
  readonly fix: string;
}

export interface ForeseenFencing {
  readonly node: string;
  /** The devices that could do it; null: not known. */
  readonly devices: readonly string[] | null;
  /** The last time that it was tried, as Pacemaker prints it. null: never, since the cluster was started, or not known. */
  readonly last: { readonly status: string; readonly completed: string } | null;
  /** What else runs on that node, and would end with it. */
  readonly also_runs: readonly string[];
}

export interface Foresight {
  readonly action: 'switchover' | 'failover';
  readonly resource: string;
  /** The node that has looked. */
  readonly node: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly verdict: Verdict;
  /** Why not, or what is not known. Absent when it would be done. */
  readonly reason?: string | undefined;
  /** kept: nothing of it would be lost; checkpoint: it goes on from the last acknowledged one; lost: the VM starts anew. */
  readonly memory: 'kept' | 'checkpoint' | 'lost' | null;
  /** Why it would be lost. */
  readonly lost_because?: string | undefined;
  /** Of the promotion that the VM runs by now; the next one gets the next number. */
  readonly generation: number | null;
  /** The newest that the backup has. */
  readonly checkpoint: number | null;
  readonly checkpoint_age_ms: number | null;
  /** Where Pacemaker's scheduler would promote it. null: nowhere, or it was not asked (see `unknown`). */
  readonly promoted_on: string | null;
  readonly obstacles: readonly Obstacle[];
  /** Of a failover only. */
  readonly fencing: ForeseenFencing | null;
  /** Of the last switchovers, the newest last. */
  readonly interruptions_ms: readonly number[];
  /** What could not be found out, a sentence each. */
  readonly unknown: readonly string[];
}

/** So many of the last switchovers tell how long the next one will be. */
export const INTERRUPTIONS_MAX = 5;
