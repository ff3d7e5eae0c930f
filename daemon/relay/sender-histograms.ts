/**
 * What a sender counts by size, and the line on its control socket that says it. The line has a type of its own: a
 * daemon that does not know it passes over it, and a sender that does not send it is none the worse.
 */
import { z } from 'zod';
import { bucketsSchema, Histogram } from './histogram.js';

const MS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const KIB = 1024;
const BYTES = [16, 64, 256, 1024, 4096, 16384, 65536, 262144].map((kib) => kib * KIB);
const PAGES = [4, 16, 64, 256, 1024, 4096, 16384, 65536];

const histograms = z.object({
  /** Standstill of the guest, milliseconds. */
  pause_ms: bucketsSchema,
  /** Last byte of a checkpoint to its acknowledgement, milliseconds. */
  ack_ms: bucketsSchema,
  /** Block of the output to its release, milliseconds. */
  hold_ms: bucketsSchema,
  /** Bytes of a checkpoint as xl wrote it. */
  bytes: bucketsSchema,
  pages: bucketsSchema,
});
export type SenderHistograms = z.infer<typeof histograms>;

const line = z.object({
  v: z.number().int(),
  role: z.literal('sender'),
  type: z.literal('histograms'),
  histograms,
});
export type HistogramsLine = z.infer<typeof line>;

/** @returns null for every other line. */
export function parseHistograms(text: string): SenderHistograms | null {
  if (!text.includes('"histograms"')) return null;
  try {
    return line.safeParse(JSON.parse(text)).data?.histograms ?? null;
  } catch {
    return null;
  }
}

/** Checkpoints from the second on: the first one is the copy of the whole memory, with the guest running. */
export class SenderHistogramCounters {
  readonly #pause_ms = new Histogram(MS);
  readonly #ack_ms = new Histogram(MS);
  readonly #hold_ms = new Histogram(MS);
  readonly #bytes = new Histogram(BYTES);
  readonly #pages = new Histogram(PAGES);
  #blocked_ms: number | null = null;

  end(checkpoint: { number: number; bytes: number; pages: number }, pause_ms: number): void {
    if (checkpoint.number < 2) return;
    this.#pause_ms.observe(pause_ms);
    this.#bytes.observe(checkpoint.bytes);
    this.#pages.observe(checkpoint.pages);
  }

  ack(n: number, ack_ms: number, now_ms: number): void {
    if (n < 2) return;
    this.#ack_ms.observe(ack_ms);
    if (this.#blocked_ms !== null) this.#hold_ms.observe(now_ms - this.#blocked_ms);
    this.#blocked_ms = null;
  }

  /** Output is being kept from now on. */
  block(now_ms: number): void {
    this.#blocked_ms = now_ms;
  }

  snapshot(): SenderHistograms {
    return {
      pause_ms: this.#pause_ms.buckets,
      ack_ms: this.#ack_ms.buckets,
      hold_ms: this.#hold_ms.buckets,
      bytes: this.#bytes.buckets,
      pages: this.#pages.buckets,
    };
  }
}
