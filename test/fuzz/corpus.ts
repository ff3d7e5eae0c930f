/** Right inputs to begin with: streams that were made, and the head and a checkpoint of one from a real Xen. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { StreamDecoder, type RecordEvent } from '../../daemon/stream/decoder.js';
import { checkpoint, defaultConfig, pageData, preamble } from '../unit/stream/stream-builder.js';
import type { Pieces } from './mutate.js';

const CAPTURE = join(import.meta.dirname, '../../../test/fixtures/xen/pvhc.tx.bin.gz');
const SMALL_BYTES = 300 * 1024;

/** At the ends of its headers and records. */
export function inRecords(stream: Buffer): Pieces {
  const decoder = new StreamDecoder();
  const ends = decoder.push(stream).flatMap((event) => ('end' in event ? [event.end] : []));
  const cuts = [...new Set([0, ...ends, stream.length])].sort((a, b) => a - b);
  return cuts.slice(1).map((end, i) => stream.subarray(cuts[i], end));
}

function made(): Buffer[] {
  const first = preamble();
  return [
    Buffer.concat([first, checkpoint(2), checkpoint(1), checkpoint(3)]),
    Buffer.concat([first, pageData([0, 9, 13, 15, 12, 1]), checkpoint(1)]),
    Buffer.concat([
      preamble(defaultConfig('\u001b[2Ja VM\u009b', 64)),
      checkpoint(1),
      checkpoint(1),
    ]),
  ];
}

/** What comes before the pages, without which there is no stream, then the whole of some small checkpoints. */
async function captured(): Promise<Buffer | null> {
  const decoder = new StreamDecoder();
  const parts: Buffer[] = [];
  let records: RecordEvent[] = [];
  const wanted: [number, number][] = [];
  let base = 0;
  for await (const chunk of createReadStream(CAPTURE).pipe(createGunzip())) {
    parts.push(chunk as Buffer);
    for (const event of decoder.push(chunk as Buffer)) {
      if (event.type === 'record') records.push(event);
      if (event.type !== 'checkpoint-end') continue;
      if (event.number === 1) wanted.push(...withoutPages(records));
      else if (event.bytes < SMALL_BYTES) wanted.push([base, event.end]);
      base = event.end;
      records = [];
    }
    if (wanted.length > 0 && decoder.completed > 8) break;
  }
  const all = Buffer.concat(parts);
  return Buffer.concat(wanted.map(([from, to]) => all.subarray(from, to)));
}

/** The first copy, as if the guest had no memory. */
function withoutPages(records: readonly RecordEvent[]): [number, number][] {
  const [first] = records;
  const kept = records.filter(({ name }) => name !== 'PAGE_DATA');
  return [[0, first?.offset ?? 0], ...headersBetween(kept)];
}

/** A record, with the headers that may follow it. */
function headersBetween(records: readonly RecordEvent[]): [number, number][] {
  const IMAGE_HEADERS_BYTES = 40;
  return records.map(({ offset, end, name }) => [
    offset,
    name === 'LIBXC_CONTEXT' ? end + IMAGE_HEADERS_BYTES : end,
  ]);
}

/** Each as its records. */
export async function streams(): Promise<readonly Pieces[]> {
  const real = await captured();
  return [...made(), ...(real === null ? [] : [real])].map((stream) => inRecords(stream));
}
