import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import fc from 'fast-check';
import {
  OP,
  PACKED_BYTES_MAX,
  PACKED_RAW_BYTES_MAX,
  type Coding,
} from '../../../daemon/stream/packed.js';
import { Packer } from '../../../daemon/stream/packer.js';
import { PackedError, Unpacker } from '../../../daemon/stream/unpacker.js';
import { PATTERNS, PatternGuest, checkpointOf, type TestPage } from './patterns.js';
import { checkpoint, preamble } from './stream-builder.js';

const CODINGS: readonly Coding[] = ['delta', 'lz4'];

/** Both ends, and the bytes on the wire between them. */
class Ends {
  readonly packer: Packer;
  readonly unpacker: Unpacker;
  readonly coding: Coding;
  wire = 0;

  constructor(coding: Coding, cache_pages = 64) {
    this.coding = coding;
    this.packer = new Packer(cache_pages);
    this.unpacker = new Unpacker(cache_pages);
  }

  /** Codes and makes again all that waits. */
  through(coding = this.coding): Buffer[] {
    const made: Buffer[] = [];
    for (
      let packed = this.packer.next(coding);
      packed !== null;
      packed = this.packer.next(coding)
    ) {
      assert.ok(packed.body.length <= PACKED_BYTES_MAX);
      this.wire += packed.body.length;
      const bytes = this.unpacker.unpack(packed.body);
      assert.equal(bytes.length, packed.raw_bytes);
      made.push(bytes);
    }
    return made;
  }

  push(bytes: Buffer): Buffer {
    this.packer.push(bytes);
    return Buffer.concat(this.through());
  }
}

/** A page whose words are few, so that it has something in common with others. */
const page: fc.Arbitrary<TestPage> = fc
  .record({
    pfn: fc.integer({ min: 0, max: 200 }),
    base: fc.constantFrom(0, 0, 0x11, 0xff),
    words: fc.array(fc.tuple(fc.integer({ min: 0, max: 1023 }), fc.integer()), { maxLength: 40 }),
    noise: fc.boolean(),
  })
  .map(({ pfn, base, words, noise }) => {
    const bytes = Buffer.alloc(4096, base);
    if (noise) for (let i = 0; i < 4096; i += 1) bytes[i] = (i * 2_654_435_761 + pfn * 97) >>> 13;
    for (const [at, value] of words) bytes.writeInt32LE(value, at * 4);
    return { pfn, bytes };
  });
const checkpoints = fc.array(fc.array(page, { maxLength: 12 }), { minLength: 1, maxLength: 5 });

describe('stream/packer and unpacker', function () {
  this.timeout(60_000);

  for (const coding of CODINGS) {
    it(`${coding}: what comes out is what went in, however it is cut`, () => {
      fc.assert(
        fc.property(
          checkpoints,
          fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 }),
          fc.integer({ min: 1, max: 80 }),
          fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
          (lists, sizes, cache_pages, asked) => {
            const stream = Buffer.concat([preamble(), ...lists.map(checkpointOf)]);
            const ends = new Ends(coding, cache_pages);
            const made: Buffer[] = [];
            for (let at = 0, i = 0; at < stream.length; i += 1) {
              const size = sizes[i % sizes.length] ?? 1;
              ends.packer.push(stream.subarray(at, at + size));
              if (asked[i % asked.length] === true) made.push(...ends.through());
              at += size;
            }
            made.push(...ends.through());
            assert.ok(Buffer.concat(made).equals(stream));
            assert.equal(ends.packer.staged_bytes, 0);
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it('byte by byte', () => {
    const stream = Buffer.concat([
      preamble(),
      checkpoint(3),
      checkpoint(3, 0x5b),
      checkpoint(2, 0),
    ]);
    const ends = new Ends('lz4');
    const made: Buffer[] = [];
    for (let i = 0; i < stream.length; i += 1) made.push(ends.push(stream.subarray(i, i + 1)));
    assert.ok(Buffer.concat(made).equals(stream));
  });

  it('never cuts a page: its beginning waits', () => {
    const stream = Buffer.concat([preamble(), checkpoint(2)]);
    const pages_at = preamble().length + 8 + 8 + 2 * 8;
    const ends = new Ends('delta');
    assert.equal(ends.push(stream.subarray(0, pages_at + 5000)).length, pages_at + 4096);
    assert.equal(ends.packer.staged_bytes, 904);
    assert.equal(ends.packer.next('delta'), null);
  });

  it('codings, and plain data between them, may change at any checkpoint', () => {
    const ends = new Ends('delta');
    const made: Buffer[] = [];
    const stream: Buffer[] = [Buffer.concat([preamble(), checkpoint(9)])];
    for (let i = 0; i < 12; i += 1) stream.push(checkpoint(9, i % 5));
    stream.forEach((bytes, i) => {
      ends.packer.push(bytes);
      if (i % 3 === 2) made.push(...ends.packer.takePlain());
      else made.push(...ends.through(i % 3 === 0 ? 'lz4' : 'delta'));
    });
    assert.ok(Buffer.concat(made).equals(Buffer.concat(stream)));
  });

  it('what is no migration stream goes through as it is', () => {
    const bytes = Buffer.alloc(700_000, 'no stream ');
    assert.ok(new Ends('lz4').push(bytes).equals(bytes));
  });

  for (const pattern of PATTERNS) {
    it(`a guest that is ${pattern}: the same stream, and not more bytes than it has`, () => {
      const guest = new PatternGuest(pattern, 2000);
      const ends = new Ends('lz4', 4096);
      const first = guest.firstCopy();
      assert.ok(ends.push(first).equals(first));
      ends.wire = 0;
      let raw = 0;
      for (let i = 0; i < 6; i += 1) {
        const bytes = guest.checkpoint(100);
        assert.ok(ends.push(bytes).equals(bytes));
        raw += bytes.length;
      }
      // A head for each 64 pages; and only noise stays as long as it was.
      const most = { idle: 0.05, text: 0.5, random: 1.001, zeroing: 0.02 }[pattern];
      assert.ok(ends.wire < raw * most, `${ends.wire} of ${raw}`);
    });
  }

  it('a real capture: the same stream, and a fraction of its bytes', async function () {
    const capture = new URL('../../../../test/fixtures/xen/pvhc.tx.bin.gz', import.meta.url);
    const ends = new Ends('delta', 32_768);
    const went_in = createHash('sha1');
    const came_out = createHash('sha1');
    let raw = 0;
    const through = (): void => ends.through().forEach((bytes) => void came_out.update(bytes));
    for await (const chunk of createReadStream(capture).pipe(createGunzip())) {
      const bytes = chunk as Buffer;
      went_in.update(bytes);
      ends.packer.push(bytes);
      raw += bytes.length;
      if (ends.packer.staged_bytes > 4_000_000) through();
    }
    through();
    assert.equal(came_out.digest('hex'), went_in.digest('hex'));
    assert.equal(raw, 157_249_714);
    assert.ok(ends.wire < raw * 0.45, `${ends.wire} of ${raw}`);
  });
});

describe('stream/unpacker', () => {
  const refused = (body: Buffer, cache_pages = 64): string => {
    try {
      new Unpacker(cache_pages).unpack(body);
    } catch (error) {
      assert.ok(error instanceof PackedError, String(error));
      return error.message;
    }
    return '';
  };
  const head = (length: number, coding: number, ...rest: number[]): Buffer => {
    const body = Buffer.alloc(9);
    body.writeUInt32BE(length, 0);
    body.writeUInt8(coding, 8);
    return Buffer.concat([body, Buffer.from(rest)]);
  };
  const FAR = [255, 255, 255, 255, 255, 255, 255, 127];

  const lies: readonly [string, Buffer, RegExp][] = [
    ['no head', Buffer.alloc(8), /without its head/],
    ['nothing', head(0, 0), /of 0 bytes/],
    ['too much', head(PACKED_RAW_BYTES_MAX + 1, 0), /at most/],
    ['an unknown coding', head(1, 2), /coding 2/],
    ['an unknown operation', head(4096, 0, 7), /operation 7/],
    ['less than it says', head(9, 0, OP.RAW, 2, 1, 1), /makes 2 bytes, and says 9/],
    ['more than it says', head(1, 0, OP.RAW, 2, 1, 1), /more than the 1 bytes/],
    ['a page that does not fit', head(4095, 0, OP.SAME), /more than the 4095/],
    ['bytes that are not there', head(9, 0, OP.RAW, 9, 1), /cut off/],
    ['a page that is not there', head(4096, 0, OP.PAGE, 1), /cut off/],
    ['an endless number', head(9, 0, OP.RAW, 255, 255), /wrong number/],
    ['a page far out', head(4096, 0, OP.SAME | 0x80, ...FAR), /wrong number/],
    ['a delta without length', head(4096, 0, OP.DELTA, 0), /without its length/],
    ['a delta that is cut off', head(4096, 0, OP.DELTA, 0, 9, 1), /cut off/],
    [
      'a delta behind its page',
      head(4096, 0, OP.DELTA, 0, 7, 128, 8, 1, 1, 2, 3, 4),
      /out of its page/,
    ],
    ['a delta that takes nothing', head(4096, 0, OP.DELTA, 0, 2, 1, 0), /out of its page/],
    ['other bytes', head(1, 0, OP.RAW, 1, 9), /checksum/],
    ['a huge LZ4 block', head(9, 1, 127, 255, 255, 255, 0), /LZ4 block makes/],
    ['a broken LZ4 block', head(9, 1, 0, 0, 0, 9, 0x0f, 1), /LZ4 block is broken/],
    ['no LZ4 block', head(9, 1, 0, 0), /LZ4 block makes 0/],
  ];
  for (const [name, body, reason] of lies) {
    it(`refuses ${name}`, () => assert.match(refused(body), reason));
  }

  it('takes any bytes with nothing but a clean error', () => {
    const bodies = fc.tuple(
      fc.integer({ min: 0, max: 20_000 }),
      fc.integer({ min: 0, max: 1 }),
      fc.uint8Array({ maxLength: 300 }),
    );
    fc.assert(
      fc.property(bodies, ([length, coding, rest]) => void refused(head(length, coding, ...rest))),
      { numRuns: 2000 },
    );
  });

  it('a garbled body is refused, or makes the same bytes', () => {
    const packer = new Packer(64);
    const stream = Buffer.concat([preamble(), checkpoint(5), checkpoint(5, 0x5b)]);
    packer.push(stream);
    const packed = packer.next('lz4');
    assert.ok(packed);
    const position = fc.integer({ min: 0, max: packed.body.length - 1 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(position, fc.integer({ min: 0, max: 255 })), { minLength: 1 }),
        (changes) => {
          const garbled = Buffer.from(packed.body);
          for (const [at, value] of changes) garbled[at] = value;
          try {
            assert.ok(new Unpacker(64).unpack(garbled).equals(stream));
          } catch (error) {
            assert.ok(error instanceof PackedError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('notices when it does not hold what the sender thinks', () => {
    const packer = new Packer(64);
    packer.push(Buffer.concat([preamble(), checkpoint(2)]));
    packer.next('delta');
    packer.push(checkpoint(2));
    const second = packer.next('delta');
    assert.ok(second);
    assert.match(refused(second.body), /checksum differs/);
  });
});
