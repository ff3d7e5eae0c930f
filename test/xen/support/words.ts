/**
 * What an outside listener makes of the words that the lab's guest says unasked (test/xen/guest/guest.c): on each way their
 * number may only rise, from one boot of the guest. Pure: it is told the time.
 */

/** A way by which words come. */
export type Way = 'udp' | 'tcp';

/** `word N boot=HEX`. */
export interface Word {
  readonly number: number;
  readonly boot: string;
}

/** Something a listener of a protected VM must never hear. */
export interface Regression {
  readonly way: Way;
  /** How far back, in words; null: another boot, or a connection that broke. */
  readonly back: number | null;
  readonly what: string;
  /** Milliseconds of the wall clock. */
  readonly at_ms: number;
}

/** All that came by one way. */
export interface HeardWords {
  readonly words: number;
  readonly last: Word | null;
  /** Milliseconds of the wall clock. */
  readonly last_at_ms: number | null;
}

export type WordsReport = Readonly<Record<Way, HeardWords>> & {
  /** The first ones. */
  readonly regressions: readonly Regression[];
  readonly regression_count: number;
};

const REGRESSIONS_MAX = 20;
const NOTHING: HeardWords = { words: 0, last: null, last_at_ms: null };

/** A word in a line or a datagram; undefined when it is something else. */
export function parseWord(text: string): Word | undefined {
  const match = /^word (\d+) boot=([0-9a-f]+)\s*$/.exec(text);
  return match === null ? undefined : { number: Number(match[1]), boot: match[2] ?? '' };
}

/** Follows both ways. */
export class WordTally {
  readonly #heard: Record<Way, HeardWords> = { udp: NOTHING, tcp: NOTHING };
  readonly #regressions: Regression[] = [];
  #count = 0;

  heard(way: Way, word: Word, at_ms: number): void {
    const { last, words } = this.#heard[way];
    if (last !== null && word.boot !== last.boot)
      this.#wrong({ way, back: null, what: `boot ${last.boot}, then ${word.boot}`, at_ms });
    else if (last !== null && word.number <= last.number)
      this.#wrong({
        way,
        back: last.number - word.number + 1,
        what: `word ${last.number}, then ${word.number}`,
        at_ms,
      });
    this.#heard[way] = { words: words + 1, last: word, last_at_ms: at_ms };
  }

  /** The connection is gone, which no failover may do to it. */
  broken(why: string, at_ms: number): void {
    this.#wrong({ way: 'tcp', back: null, what: why, at_ms });
  }

  report(): WordsReport {
    return {
      ...this.#heard,
      regressions: [...this.#regressions],
      regression_count: this.#count,
    };
  }

  #wrong(regression: Regression): void {
    this.#count++;
    if (this.#regressions.length < REGRESSIONS_MAX) this.#regressions.push(regression);
  }
}
