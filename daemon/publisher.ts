/**
 * What a node publishes about its VMs: words for crm_mon and promotion scores. The newest value wins, a
 * failed write is tried again, and everything is written anew when Pacemaker has lost it.
 */
import { sentenceOf } from './adapters/errors.js';
import type { Clock } from './ports.js';

const RETRY_MS = 1_000;

interface Slot {
  wanted: string | null;
  /** undefined: not known to be written. */
  written: string | null | undefined;
  busy: boolean;
  readonly write: (value: string | null) => Promise<void>;
}

export class Publisher {
  readonly #slots = new Map<string, Slot>();
  readonly #clock: Clock;
  readonly #problem: (key: string, error: string) => void;
  #closed = false;

  constructor(clock: Clock, problem: (key: string, error: string) => void) {
    this.#clock = clock;
    this.#problem = problem;
  }

  /** @param write must be safe to repeat. */
  set(key: string, value: string | null, write: (value: string | null) => Promise<void>): void {
    const slot = this.#slots.get(key) ?? { wanted: null, written: undefined, busy: false, write };
    slot.wanted = value;
    // Somebody else may have written it since: a value that is set is written.
    slot.written = undefined;
    this.#slots.set(key, slot);
    this.#flush(key, slot);
  }

  /** Somebody else may have written this one since. */
  again(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    slot.written = undefined;
    this.#flush(key, slot);
  }

  /** Pacemaker was restarted: it knows nothing of us any more. What was null needs no writing. */
  republish(): void {
    for (const [key, slot] of this.#slots) {
      slot.written = slot.wanted === null ? null : undefined;
      this.#flush(key, slot);
    }
  }

  close(): void {
    this.#closed = true;
  }

  #flush(key: string, slot: Slot): void {
    if (slot.busy || this.#closed || slot.written === slot.wanted) return;
    slot.busy = true;
    const value = slot.wanted;
    slot.write(value).then(
      () => {
        slot.busy = false;
        slot.written = value;
        this.#flush(key, slot);
      },
      (error: unknown) => {
        this.#problem(key, sentenceOf(error));
        this.#clock.after(RETRY_MS, () => {
          slot.busy = false;
          this.#flush(key, slot);
        });
      },
    );
  }
}
