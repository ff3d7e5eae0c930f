import type { Coding } from '../stream/packed.js';
import type { WireCoding } from './control.js';

/** The parameter `compression`. */
export type Compression = 'auto' | 'off' | 'lz4' | 'delta';

export interface Choice {
  readonly coding: WireCoding;
  /** In words. */
  readonly why: string;
}

/** What one checkpoint came to. Times are milliseconds. */
export interface Sample {
  readonly coding: WireCoding;
  /** Of the stream. */
  readonly raw_bytes: number;
  /** Its end to its acknowledgement, without the round trip: what the coding is judged by. */
  readonly wait_ms: number;
  readonly coding_ms: number;
}

/** Less cannot be told from nothing. */
const WAIT_MS_MIN = 1;
/** A mean of about so many checkpoints. */
const MEAN_OF = 8;
/** A coding is tried so often before it is judged. */
const TRIALS = 3;
/** Another coding must be better by so much. */
const BETTER = 0.8;
/** What is not in use is tried again after so many checkpoints, and each time in vain after twice as many. */
const AGAIN_MIN = 50;
const AGAIN_MAX = 3200;
const CODINGS = ['off', 'delta', 'lz4'] as const;

interface Known {
  samples: number;
  /** Mean wait for each byte of the stream. */
  wait: number;
}

/**
 * Which coding the next checkpoint gets. `auto` knows no model of the link: it compares what it is there for, the wait from the end
 * of a checkpoint to its acknowledgement, for each byte of the stream. So the time that plain data gains by being sent while the
 * rest is still being read counts, and so does the time for coding.
 *
 * It begins with `off`. As long as the wait is no longer than the coder would take, the link is faster than the coder, and nothing is
 * tried. Otherwise the codings are tried in turn, the best one stays, and the others are tried again now and then.
 */
export class CompressionPolicy {
  readonly #setting: Compression;
  readonly #known = new Map<WireCoding, Known>();
  /** Time for each byte of the stream, of `delta`: the least that coding costs. */
  #coder_ms = 0;
  #current: WireCoding = 'off';
  /** What is being tried, and how often still. */
  #trial: { readonly coding: WireCoding; left: number } | null = null;
  #since_trial = 0;
  #again = AGAIN_MIN;
  #turn = 0;
  /** The link makes nobody wait. */
  #idle = false;

  constructor(setting: Compression) {
    this.#setting = setting;
  }

  /** For the first copy. `backlog`: the link has more to send than it can take, so there is time for coding. */
  firstCopy(backlog: boolean): Coding | null {
    if (this.#setting === 'off') return null;
    if (this.#setting !== 'auto') return this.#setting;
    return backlog ? 'lz4' : 'delta';
  }

  choose(): Choice {
    if (this.#setting !== 'auto') {
      return { coding: this.#setting, why: `compression=${this.#setting}` };
    }
    if (this.#trial !== null) return { coding: this.#trial.coding, why: 'auto: trying it' };
    if (this.#known.size === 0) return { coding: 'off', why: 'auto: measuring the link' };
    return { coding: this.#current, why: this.#why() };
  }

  /** What coding costs, from the first copy. */
  coder(raw_bytes: number, coding_ms: number): void {
    if (raw_bytes > 0) this.#coder_ms = coding_ms / raw_bytes;
  }

  learn(sample: Sample): void {
    if (this.#setting !== 'auto' || sample.raw_bytes === 0) return;
    const known = this.#known.get(sample.coding) ?? { samples: 0, wait: 0 };
    known.samples += 1;
    const weight = 1 / Math.min(known.samples, MEAN_OF);
    known.wait += (sample.wait_ms / sample.raw_bytes - known.wait) * weight;
    this.#known.set(sample.coding, known);
    if (sample.coding === 'delta') this.coder(sample.raw_bytes, sample.coding_ms);
    if (sample.coding === 'off') this.#idle = this.#linkIsFaster(sample);
    if (this.#idle) this.#rest();
    else this.#next(sample);
  }

  #linkIsFaster({ wait_ms, raw_bytes }: Sample): boolean {
    const off = (this.#known.get('off')?.wait ?? 0) * raw_bytes;
    return Math.max(off, wait_ms) < WAIT_MS_MIN || off < this.#coder_ms * raw_bytes;
  }

  #rest(): void {
    this.#current = 'off';
    this.#trial = null;
  }

  #next(sample: Sample): void {
    const trial = this.#trial;
    if (trial?.coding === sample.coding) {
      trial.left -= 1;
      if (trial.left === 0) this.#trial = null;
    }
    if (this.#trial !== null) return;
    const untried = CODINGS.find((coding) => !this.#known.has(coding));
    if (untried !== undefined) this.#try(untried, TRIALS);
    else this.#judge();
  }

  #try(coding: WireCoding, left: number): void {
    this.#trial = { coding, left };
    this.#since_trial = 0;
  }

  #judge(): void {
    const best = CODINGS.reduce((a, b) => (this.#wait(b) < this.#wait(a) ? b : a));
    if (this.#wait(best) < BETTER * this.#wait(this.#current)) {
      this.#current = best;
      this.#again = AGAIN_MIN;
    }
    this.#since_trial += 1;
    if (this.#since_trial >= this.#again) this.#tryAgain();
  }

  /** One of the others, in turn. What was known of it may be true no longer. */
  #tryAgain(): void {
    const others = CODINGS.filter((coding) => coding !== this.#current);
    const coding = others[this.#turn % others.length] ?? 'off';
    this.#turn += 1;
    this.#again = Math.min(AGAIN_MAX, this.#again * 2);
    this.#known.delete(coding);
    this.#try(coding, TRIALS);
  }

  #wait(coding: WireCoding): number {
    return this.#known.get(coding)?.wait ?? Number.POSITIVE_INFINITY;
  }

  #why(): string {
    if (this.#current !== 'off') return 'auto: fewer bytes are acknowledged sooner';
    return this.#idle ? 'auto: the link is faster than the coder' : 'auto: coding does not pay';
  }
}
