/** What remusd answers to action=resync and action=foresee-resync. null: not known, or there is none. */

export interface ForeseenResync {
  readonly resource: string;
  /** The node that has looked. */
  readonly node: string;
  readonly verdict: 'done' | 'refused';
  /** Why not, and what to type. Absent when it would be done. */
  readonly reason?: string | undefined;
  /** Where the replica is that would be given up. */
  readonly to: string | null;
  /** It is protected now, and would not be until the first copy is done. */
  readonly is_protected: boolean;
}

export interface ResyncResult {
  /** Where the VM runs. */
  readonly node: string | null;
  /** Where its new replica is. */
  readonly to: string | null;
  /** null: it was not protected before. */
  readonly unprotected_ms: number | null;
  readonly words: string | null;
}
