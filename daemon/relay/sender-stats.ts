import type { CheckpointEnd } from '../stream/decoder.js';
import type { SenderStats } from './control.js';
import { SenderHistogramCounters } from './sender-histograms.js';

const RATE_WINDOW_MS = 10_000;
/** A rate over less says nothing. */
const RATE_WINDOW_MIN_MS = 1000;

interface Sent {
  readonly begun_ms: number;
  readonly ended_ms: number;
}

/** The sender's counters. All times are of one monotonic clock, in milliseconds. */
export class SenderCounters {
  readonly histograms = new SenderHistogramCounters();
  #sent = 0;
  #acked = 0;
  #acked_begun_ms: number | null = null;
  #last_pause_ms: number | null = null;
  #last_ack_ms: number | null = null;
  #last_bytes: number | null = null;
  #last_pages: number | null = null;
  #bytes_total = 0;
  #first_copy_bytes = 0;
  #guest_memory_bytes = 0;
  #begun_ms = 0;
  #outstanding: Sent | null = null;
  #first_ack_ms: number | null = null;
  #ack_times_ms: number[] = [];

  read(bytes: number): void {
    this.#bytes_total += bytes;
    if (this.#sent === 0) this.#first_copy_bytes += bytes;
  }

  memory(bytes: number): void {
    this.#guest_memory_bytes = bytes;
  }

  begin(now_ms: number): void {
    this.#begun_ms = now_ms;
  }

  end(checkpoint: CheckpointEnd, now_ms: number): void {
    this.#sent = checkpoint.number;
    this.#last_pause_ms = now_ms - this.#begun_ms;
    this.histograms.end(checkpoint, this.#last_pause_ms);
    this.#last_bytes = checkpoint.bytes;
    this.#last_pages = checkpoint.pages;
    this.#outstanding = { begun_ms: this.#begun_ms, ended_ms: now_ms };
  }

  ack(n: number, now_ms: number): void {
    this.#acked = n;
    this.#acked_begun_ms = this.#outstanding?.begun_ms ?? null;
    this.#last_ack_ms = now_ms - (this.#outstanding?.ended_ms ?? now_ms);
    this.histograms.ack(n, this.#last_ack_ms, now_ms);
    this.#outstanding = null;
    this.#first_ack_ms ??= now_ms;
    this.#ack_times_ms.push(now_ms);
    this.#forget(now_ms);
  }

  snapshot(now_ms: number): SenderStats {
    this.#forget(now_ms);
    return {
      sent: this.#sent,
      acked: this.#acked,
      acked_age_ms: this.#acked_begun_ms === null ? null : round(now_ms - this.#acked_begun_ms),
      last_pause_ms: roundOrNull(this.#last_pause_ms),
      last_ack_ms: roundOrNull(this.#last_ack_ms),
      last_bytes: this.#last_bytes,
      last_pages: this.#last_pages,
      bytes_total: this.#bytes_total,
      first_copy_bytes: this.#first_copy_bytes,
      guest_memory_bytes: this.#guest_memory_bytes,
      rate_per_s: this.#rate(now_ms),
    };
  }

  /** Acknowledgements a second in the last ten, or since the first one when that is less. */
  #rate(now_ms: number): number {
    const since_first_ms = now_ms - (this.#first_ack_ms ?? now_ms);
    const window_ms = Math.max(RATE_WINDOW_MIN_MS, Math.min(RATE_WINDOW_MS, since_first_ms));
    return round(this.#ack_times_ms.length / (window_ms / 1000));
  }

  #forget(now_ms: number): void {
    while ((this.#ack_times_ms[0] ?? now_ms) < now_ms - RATE_WINDOW_MS) this.#ack_times_ms.shift();
  }
}

/** Three digits after the point are enough, and read better. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function roundOrNull(ms: number | null): number | null {
  return ms === null ? null : round(ms);
}
