/**
 * What the outside client makes of the answers: pure, it is told the time.
 * A VM that is protected may fall silent for a while, and must never be seen to go back in time.
 */

/** An answer of the guest: `answer <client> <n> seq=<seq> ticks=<ticks> boot=<hex>`. */
export interface Answer {
  readonly n: number;
  readonly seq: number;
  readonly ticks: number;
  readonly boot: string;
}

/** Something a client of a VM must never see. */
export interface Violation {
  readonly kind:
    'seq-repeated' | 'seq-back' | 'seq-skipped' | 'ticks-back' | 'answer-changed' | 'boot-changed';
  readonly at: string;
  readonly before: Answer;
  readonly after: Answer;
}

/** A time without answers. Times are wall clock, ISO 8601. */
export interface Silence {
  readonly ms: number;
  readonly from: string;
  readonly to: string;
}

/** What happened in a measuring window. */
export interface Summary {
  readonly window: string;
  readonly began: string;
  readonly answers: number;
  /** Requests that were sent again because no answer had come. */
  readonly repeats: number;
  /** The longest time between two answers; the last answer before the window counts as its start. */
  readonly longest_silence: Silence;
  /** Since the last answer, now. */
  readonly silent_ms: number;
  /** A request that has not been answered yet, and its age. */
  readonly waiting: { readonly n: number; readonly age_ms: number } | null;
  readonly rtt_ms: { readonly median: number; readonly p99: number; readonly max: number };
  readonly counts: Readonly<Record<Violation['kind'], number>>;
  /** The first few violations in full. */
  readonly violations: readonly Violation[];
  readonly last: Answer | null;
}

const VIOLATIONS_MAX = 20;
const RTTS_MAX = 100_000;
const REMEMBERED_MAX = 64;

/** The answer in a datagram; undefined when it is not one for this client. */
export function parseAnswer(text: string, client: string): Answer | undefined {
  const match = /^answer (\S+) (\d+) seq=(\d+) ticks=(\d+) boot=([0-9a-f]+)\s*$/.exec(text);
  if (match?.[1] !== client) return undefined;
  return {
    n: Number(match[2]),
    seq: Number(match[3]),
    ticks: Number(match[4]),
    boot: match[5] ?? '',
  };
}

function noCounts(): Record<Violation['kind'], number> {
  return {
    'seq-repeated': 0,
    'seq-back': 0,
    'seq-skipped': 0,
    'ticks-back': 0,
    'answer-changed': 0,
    'boot-changed': 0,
  };
}

function iso(at_ms: number): string {
  return new Date(at_ms).toISOString();
}

function quantile(sorted: readonly number[], q: number): number {
  return (
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0) * 10) / 10
  );
}

/** Collects one client's answers. All times are milliseconds of the wall clock, given by the caller. */
export class Tally {
  private window = 'start';
  private began_ms: number;
  private answers = 0;
  private repeats = 0;
  private longest = { ms: 0, from_ms: 0, to_ms: 0 };
  private counts = noCounts();
  private violations: Violation[] = [];
  private rtts_ms: number[] = [];
  private lastAnswerAt_ms: number;
  private last: Answer | undefined;
  private readonly recent = new Map<number, Answer>();
  private asked: { n: number; at_ms: number } | undefined;

  constructor(now_ms: number) {
    this.began_ms = now_ms;
    this.lastAnswerAt_ms = now_ms;
  }

  /** Begins a new measuring window; the knowledge of earlier answers stays. */
  mark(name: string, now_ms: number): void {
    this.window = name;
    this.began_ms = now_ms;
    this.answers = 0;
    this.repeats = 0;
    this.longest = { ms: 0, from_ms: now_ms, to_ms: now_ms };
    this.counts = noCounts();
    this.violations = [];
    this.rtts_ms = [];
  }

  /** A request goes out; the same `n` again is a repeat. */
  sent(n: number, now_ms: number): void {
    if (this.asked?.n === n) this.repeats++;
    else this.asked = { n, at_ms: now_ms };
  }

  /** An answer has come. Returns whether it answers the request that is waited for. */
  heard(answer: Answer, now_ms: number): boolean {
    const known = this.recent.get(answer.n);
    if (known !== undefined) {
      if (known.seq !== answer.seq || known.ticks !== answer.ticks) {
        this.violate('answer-changed', known, answer, now_ms);
      }
      return false;
    }
    if (this.asked?.n !== answer.n) return false;
    this.noteTime(now_ms, now_ms - this.asked.at_ms);
    this.compare(answer, now_ms);
    this.last = answer;
    this.remember(answer);
    this.asked = undefined;
    return true;
  }

  /** Everything so far in this window. */
  summary(now_ms: number): Summary {
    const silent_ms = now_ms - this.lastAnswerAt_ms;
    const open = { ms: silent_ms, from_ms: this.lastAnswerAt_ms, to_ms: now_ms };
    const longest = open.ms > this.longest.ms ? open : this.longest;
    const rtts = [...this.rtts_ms].sort((a, b) => a - b);
    return {
      window: this.window,
      began: iso(this.began_ms),
      answers: this.answers,
      repeats: this.repeats,
      longest_silence: {
        ms: Math.round(longest.ms),
        from: iso(longest.from_ms),
        to: iso(longest.to_ms),
      },
      silent_ms: Math.round(silent_ms),
      waiting: this.asked
        ? { n: this.asked.n, age_ms: Math.round(now_ms - this.asked.at_ms) }
        : null,
      rtt_ms: { median: quantile(rtts, 0.5), p99: quantile(rtts, 0.99), max: quantile(rtts, 1) },
      counts: { ...this.counts },
      violations: [...this.violations],
      last: this.last ?? null,
    };
  }

  private noteTime(now_ms: number, rtt_ms: number): void {
    const ms = now_ms - this.lastAnswerAt_ms;
    if (ms > this.longest.ms) this.longest = { ms, from_ms: this.lastAnswerAt_ms, to_ms: now_ms };
    this.lastAnswerAt_ms = now_ms;
    this.answers++;
    if (this.rtts_ms.length < RTTS_MAX) this.rtts_ms.push(rtt_ms);
  }

  /** This client is the only one that asks, so each new request is the guest's next seq. */
  private compare(answer: Answer, now_ms: number): void {
    const last = this.last;
    if (last === undefined) return;
    if (answer.boot !== last.boot) {
      this.violate('boot-changed', last, answer, now_ms);
      this.recent.clear();
      return;
    }
    if (answer.seq === last.seq) this.violate('seq-repeated', last, answer, now_ms);
    else if (answer.seq < last.seq) this.violate('seq-back', last, answer, now_ms);
    else if (answer.seq > last.seq + 1) this.violate('seq-skipped', last, answer, now_ms);
    if (answer.ticks < last.ticks) this.violate('ticks-back', last, answer, now_ms);
  }

  private violate(kind: Violation['kind'], before: Answer, after: Answer, now_ms: number): void {
    this.counts[kind]++;
    if (this.violations.length < VIOLATIONS_MAX) {
      this.violations.push({ kind, at: iso(now_ms), before, after });
    }
  }

  private remember(answer: Answer): void {
    this.recent.set(answer.n, answer);
    if (this.recent.size <= REMEMBERED_MAX) return;
    const oldest = this.recent.keys().next().value;
    if (oldest !== undefined) this.recent.delete(oldest);
  }
}
