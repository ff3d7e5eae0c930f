/** The cluster for the metrics: asked in the background, so that a Pacemaker that hangs keeps no metric back. */
import type { FencingStatus, PeerStatus } from '../../ctl/status.js';
import type { Clock } from '../ports.js';

export interface ClusterFacts {
  readonly peers: readonly PeerStatus[];
  readonly fencing: FencingStatus | null;
}

/** Asked at most so often. */
const FRESH_MS = 10_000;
/** What is older is not true any more. */
const STALE_MS = 60_000;
const PATIENCE_MS = 2_000;
const UNKNOWN: ClusterFacts = { peers: [], fencing: null };

export class ClusterFactsCache {
  readonly #look: () => Promise<ClusterFacts>;
  readonly #clock: Clock;
  #last: { readonly at_ms: number; readonly facts: ClusterFacts } | null = null;
  #underway: Promise<void> | null = null;

  /** @param look as ClusterView's: never rejects. */
  constructor(look: () => Promise<ClusterFacts>, clock: Clock) {
    this.#look = look;
    this.#clock = clock;
  }

  async get(): Promise<ClusterFacts> {
    if (this.#age() > FRESH_MS) {
      this.#underway ??= this.#refresh();
      await this.#atMost(this.#underway);
    }
    return this.#age() > STALE_MS ? UNKNOWN : (this.#last?.facts ?? UNKNOWN);
  }

  #age(): number {
    return this.#last === null ? Infinity : this.#clock.now_ms() - this.#last.at_ms;
  }

  async #refresh(): Promise<void> {
    try {
      const facts = await this.#look();
      this.#last = { at_ms: this.#clock.now_ms(), facts };
    } finally {
      this.#underway = null;
    }
  }

  #atMost(work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(PATIENCE_MS, resolve);
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      work.then(done, done);
    });
  }
}
