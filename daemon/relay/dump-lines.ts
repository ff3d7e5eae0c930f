/**
 * What a sender says to whoever has given it the command `dump` (control.ts): `dump-begun`, then `dump` lines, then `dump-end`.
 * Only what the decoder says of the stream goes into them: headers, lengths and counts, never what a record or a page holds.
 */
import { z } from 'zod';
import type { DecodeEvent } from '../stream/decoder.js';

/** Events of one line: a batch is short work, and far below the longest line. */
export const DUMP_BATCH_MAX = 64;

/**
 * Why a dump has ended: all that was asked for is there; its time is over; there is one already; a checkpoint has more records
 * than are kept; replication has ended.
 */
export const DUMP_ENDS = ['done', 'late', 'busy', 'too-many', 'ended'] as const;
export type DumpEnd = (typeof DUMP_ENDS)[number];

export type DumpLine =
  | { readonly type: 'dump-begun' }
  | { readonly type: 'dump'; readonly events: readonly DecodeEvent[] }
  | {
      readonly type: 'dump-end';
      readonly why: DumpEnd;
      /** Checkpoints that were shown whole. */
      readonly whole: number;
      /** With `ended`: why. */
      readonly reason?: string | undefined;
    };

const count = z.number().int().nonnegative();
const name = z.string().min(1).max(64);
/** Their fields in the decoder's order, which is what a program has from a file. */
const event = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('header'),
    config: z.object({ name: z.string().min(1).max(1024), memory_bytes: count }),
    end: count,
  }),
  z.object({
    type: z.literal('image'),
    image: z.object({ version: count, guest: z.enum(['pv', 'hvm']), xen_version: name }),
    end: count,
  }),
  z.object({ type: z.literal('checkpoint-begin'), number: count, offset: count }),
  z.object({
    type: z.literal('record'),
    layer: z.enum(['libxl', 'libxc']),
    code: count,
    name,
    offset: count,
    length: count,
    end: count,
    pages: count,
    data_pages: count,
  }),
  z.object({
    type: z.literal('checkpoint-end'),
    number: count,
    end: count,
    bytes: count,
    pages: count,
    data_pages: count,
  }),
  z.object({ type: z.literal('end'), end: count }),
]);
const events = z.array(event).max(DUMP_BATCH_MAX);
const dumpLine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('dump-begun') }),
  z.object({ type: z.literal('dump'), events }),
  z.object({
    type: z.literal('dump-end'),
    why: z.enum(DUMP_ENDS),
    whole: count,
    reason: z.string().max(2000).optional(),
  }),
]);

/** Null when the line is none of a dump. */
export function parseDumpLine(text: string): DumpLine | null {
  try {
    const parsed = dumpLine.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Null when they are no events of a stream. */
export function parseDumpEvents(value: unknown): readonly DecodeEvent[] | null {
  const parsed = events.safeParse(value);
  return parsed.success ? parsed.data : null;
}
