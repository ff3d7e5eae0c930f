import assert from 'node:assert/strict';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { StreamDecoder, type DecodeEvent } from '../../../daemon/stream/decoder.js';

// A whole real stream of a 96 MiB PVH guest on Xen 4.17: the first copy and 25 checkpoints, and the list of
// its records that another program made.
const fixtures = new URL('../../../../test/fixtures/xen/', import.meta.url);
const capture = new URL('pvhc.tx.bin.gz', fixtures);
const listing = new URL('51-stream-pvhc-records.txt', fixtures);

const RECORD_LINE =
  /^@(\d+) +(libxl|libxc) rec type (?:0x)?([0-9a-f]+) (\w+) len (\d+)(?: pages=(\d+))?/;

function fromListing(line: string): string[] {
  const match = RECORD_LINE.exec(line);
  if (match === null) return [];
  const [, offset, layer, , name, length, pages] = match;
  return [`${offset} ${layer} ${name} ${length} ${pages ?? 0}`];
}

function fromEvent(event: DecodeEvent): string[] {
  if (event.type !== 'record') return [];
  return [`${event.offset} ${event.layer} ${event.name} ${event.length} ${event.pages}`];
}

async function* pieces(): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(capture).pipe(createGunzip())) yield chunk as Buffer;
}

async function head(bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of pieces()) {
    parts.push(chunk);
    length += chunk.length;
    if (length >= bytes) break;
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

describe('stream/decoder on a real capture', function () {
  this.timeout(60_000);
  before(function () {
    assert.ok(existsSync(capture), 'test/fixtures/xen/pvhc.tx.bin.gz is missing');
  });

  it('finds every record that is in it', async () => {
    const decoder = new StreamDecoder();
    const found: string[] = [];
    let name = '';
    for await (const chunk of pieces()) {
      for (const event of decoder.push(chunk)) {
        if (event.type === 'header') name = event.config.name;
        found.push(...fromEvent(event));
      }
    }
    const wanted = readFileSync(listing, 'utf8').split('\n').flatMap(fromListing);
    assert.ok(wanted.length > 1150);
    assert.deepEqual(found, wanted);
    assert.equal(name, 'pvhc');
    assert.equal(decoder.offset, 157_249_714);
    assert.equal(decoder.completed, 25);
    assert.equal(decoder.at_boundary, true);
  });

  it('reads its start byte by byte as it does whole', async () => {
    const start = await head(300_000);
    const whole = new StreamDecoder().push(start);
    const decoder = new StreamDecoder();
    const single: DecodeEvent[] = [];
    for (let i = 0; i < start.length; i += 1)
      single.push(...decoder.push(start.subarray(i, i + 1)));
    assert.deepEqual(single, whole);
  });
});
