import type { Clock } from '../ports.js';
import type { Choice, Sample } from './compression-policy.js';
import type { WireCoding, WireStats } from './control.js';

const FRAME_HEAD_BYTES = 5;
/** The newest round trips; the shortest of them is the link's. */
const ROUND_TRIPS = 16;
/** The link was the bottleneck when so much of a checkpoint's way was waited for after its end, and not spent on coding. */
const BOTTLENECK = 0.5;
/** What the kernels' buffers swallow says nothing. */
const LINK_BYTES_MIN = 1024 * 1024;

interface Checkpoint {
  coding: WireCoding;
  raw_bytes: number;
  wire_bytes: number;
  coding_ms: number;
  /** When its first frame was sent. */
  first_ms: number | null;
  end_ms: number;
}

/** Counts what goes over the wire, checkpoint by checkpoint. At most one is outstanding. */
export class WireCounters {
  readonly #clock: Clock;
  #now: Checkpoint = empty();
  #last: Checkpoint | null = null;
  #bytes_total = 0;
  #coding_ms_total = 0;
  #link_bytes_per_s: number | null = null;
  #ping: { readonly n: number; readonly at_ms: number } | null = null;
  #round_trips_ms: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#now = empty();
  }

  raw(bytes: number): void {
    this.#now.raw_bytes += bytes;
  }

  wire(bytes: number): void {
    this.#now.first_ms ??= this.#clock.now_ms();
    this.#now.wire_bytes += bytes + FRAME_HEAD_BYTES;
    this.#bytes_total += bytes + FRAME_HEAD_BYTES;
  }

  coded(ms: number): void {
    this.#now.coding_ms += ms;
    this.#coding_ms_total += ms;
  }

  /** All of the checkpoint has been read. */
  end(coding: WireCoding): void {
    this.#now.coding = coding;
    this.#now.end_ms = this.#clock.now_ms();
  }

  ping(n: number): void {
    this.#ping = { n, at_ms: this.#clock.now_ms() };
  }

  pong(n: number): void {
    if (this.#ping?.n !== n) return;
    this.#round_trips_ms.push(this.#clock.now_ms() - this.#ping.at_ms);
    if (this.#round_trips_ms.length > ROUND_TRIPS) this.#round_trips_ms.shift();
    this.#ping = null;
  }

  acked(): Sample {
    const now_ms = this.#clock.now_ms();
    const checkpoint = this.#now;
    const rtt_ms = this.#round_trips_ms.length === 0 ? 0 : Math.min(...this.#round_trips_ms);
    const wait_ms = Math.max(0, now_ms - checkpoint.end_ms - rtt_ms);
    this.#seeLink(checkpoint, now_ms - rtt_ms, wait_ms);
    this.#last = checkpoint;
    const { coding, raw_bytes, coding_ms } = checkpoint;
    return { coding, raw_bytes, wait_ms, coding_ms };
  }

  /** Only when it was the link that we waited for. */
  #seeLink(checkpoint: Checkpoint, there_ms: number, wait_ms: number): void {
    const under_way_ms = there_ms - (checkpoint.first_ms ?? there_ms);
    const link_ms = wait_ms - checkpoint.coding_ms;
    if (under_way_ms <= 1 || checkpoint.wire_bytes < LINK_BYTES_MIN) return;
    if (link_ms < BOTTLENECK * under_way_ms) return;
    this.#link_bytes_per_s = Math.round((checkpoint.wire_bytes / under_way_ms) * 1000);
  }

  snapshot({ coding, why }: Choice): WireStats {
    return {
      coding,
      why,
      last_bytes: this.#last?.wire_bytes ?? null,
      bytes_total: this.#bytes_total,
      last_coding_ms: this.#last === null ? null : round(this.#last.coding_ms),
      coding_ms_total: round(this.#coding_ms_total),
      link_bytes_per_s: this.#link_bytes_per_s,
    };
  }
}

function empty(): Checkpoint {
  return { coding: 'off', raw_bytes: 0, wire_bytes: 0, coding_ms: 0, first_ms: null, end_ms: 0 };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
