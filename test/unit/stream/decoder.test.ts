import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DecodeError } from '../../../daemon/stream/decode-error.js';
import { StreamDecoder, type DecodeEvent } from '../../../daemon/stream/decoder.js';
import { LIBXC, LIBXL } from '../../../daemon/stream/records.js';
import {
  checkpoint,
  hvmParams,
  imageHeaders,
  libxlHeader,
  pageData,
  preamble,
  record,
  xlHeader,
} from './stream-builder.js';

function decode(stream: Buffer, sizes: readonly number[] = [stream.length]): DecodeEvent[] {
  const decoder = new StreamDecoder();
  const events: DecodeEvent[] = [];
  let at = 0;
  for (let i = 0; at < stream.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    // A copy that is overwritten afterwards: the decoder may keep nothing of a caller's buffer.
    const chunk = Buffer.from(stream.subarray(at, at + size));
    events.push(...decoder.push(chunk));
    chunk.fill(0xee);
    at += size;
  }
  return events;
}

function failure(stream: Buffer): DecodeError {
  try {
    decode(stream);
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
    return error;
  }
  assert.fail('the stream was taken');
}

function image(version: number, guest: number, ...records: Buffer[]): Buffer {
  const start = [xlHeader(), libxlHeader(), record(LIBXL.LIBXC_CONTEXT)];
  return Buffer.concat([...start, imageHeaders(version, guest), ...records]);
}

const small = Buffer.concat([preamble(), checkpoint(3), checkpoint(2), checkpoint(1)]);

describe('stream/decoder', () => {
  it('reports header, image, records and checkpoints', () => {
    const events = decode(small);
    const header = events.find((e) => e.type === 'header');
    assert.deepEqual(header?.config, { name: 'vm1', memory_bytes: 8 << 20 });
    const img = events.find((e) => e.type === 'image');
    assert.deepEqual(img?.image, { version: 3, guest: 'hvm', xen_version: '4.17' });
    const ends = events.filter((e) => e.type === 'checkpoint-end');
    assert.deepEqual(
      ends.map((e) => [e.number, e.pages, e.data_pages]),
      [
        [1, 3, 3],
        [2, 2, 2],
        [3, 1, 1],
      ],
    );
    assert.equal(
      ends.reduce((sum, e) => sum + e.bytes, 0),
      small.length,
    );
    const begins = events.filter((e) => e.type === 'checkpoint-begin');
    assert.deepEqual(
      begins.map((e) => e.offset),
      [0, ends[0]?.end, ends[1]?.end],
    );
  });

  it('says the same byte by byte and in random pieces', () => {
    const whole = decode(small);
    assert.deepEqual(decode(small, [1]), whole);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 }), (sizes) => {
        assert.deepEqual(decode(small, sizes), whole);
      }),
      { numRuns: 60 },
    );
  });

  it('a reader that takes what it wants never reads across a boundary', () => {
    const decoder = new StreamDecoder();
    let at = 0;
    while (at < small.length) {
      const was_boundary = decoder.at_boundary;
      const take = decoder.wants;
      if (was_boundary && at > 0) assert.equal(take, 8);
      const events = decoder.push(small.subarray(at, at + take));
      at += take;
      const end = events.find((e) => e.type === 'checkpoint-end');
      if (end !== undefined) assert.equal(end.end, at);
    }
    assert.equal(decoder.completed, 3);
    assert.equal(decoder.at_boundary, true);
  });

  it('counts pages without data', () => {
    const types = [0, 1, 0xc, 0xd, 0xe, 0xf];
    const events = decode(Buffer.concat([preamble(), pageData(types)]));
    const pages = events.find((e) => e.type === 'record' && e.name === 'PAGE_DATA');
    assert.ok(pages?.type === 'record');
    assert.deepEqual([pages.pages, pages.data_pages], [6, 3]);
  });

  it('passes unknown optional records and refuses mandatory ones', () => {
    decode(Buffer.concat([preamble(), record(0x80000077, Buffer.alloc(100)), checkpoint(1)]));
    const error = failure(Buffer.concat([preamble(), record(0x77, Buffer.alloc(8))]));
    assert.equal(error.code, 'unknown-record');
    assert.equal(error.offset, preamble().length);
  });

  it('takes PV guests and version 2 images', () => {
    const pv_info = Buffer.from([8, 4, 0, 0, 0, 0, 0, 0]);
    const p2m = Buffer.alloc(8 + 8 * 2);
    p2m.writeUInt32LE(600, 4);
    const pv = [
      record(LIBXC.X86_PV_P2M_FRAMES, p2m),
      pageData([0, 0x9]),
      record(LIBXC.X86_PV_VCPU_BASIC, Buffer.alloc(16)),
      record(LIBXC.SHARED_INFO, Buffer.alloc(4096)),
      record(LIBXC.CHECKPOINT),
      record(LIBXL.CHECKPOINT_END),
    ];
    const info = record(LIBXC.X86_PV_INFO, pv_info);
    decode(image(3, 1, info, record(LIBXC.STATIC_DATA_END), ...pv));
    decode(image(2, 1, info, ...pv));
    assert.equal(failure(image(2, 1, ...pv)).code, 'out-of-order');
    assert.equal(failure(image(3, 1, record(LIBXC.STATIC_DATA_END))).code, 'out-of-order');
  });

  it('takes a device model and a regular end', () => {
    const emulator = Buffer.alloc(50);
    emulator.writeUInt32LE(2, 0);
    const body = checkpoint(1).subarray(0, -8);
    const stream = Buffer.concat([
      preamble(),
      body,
      record(LIBXL.EMULATOR_XENSTORE_DATA, emulator),
      record(LIBXL.EMULATOR_CONTEXT, emulator),
      record(LIBXL.CHECKPOINT_END),
      body.subarray(0, -8),
      record(LIBXC.END),
      record(LIBXL.EMULATOR_CONTEXT, emulator),
      record(LIBXL.END),
    ]);
    assert.equal(decode(stream).at(-1)?.type, 'end');
    assert.equal(failure(Buffer.concat([stream, Buffer.alloc(1)])).code, 'after-end');
  });

  describe('refuses', () => {
    const bad_flags = xlHeader();
    bad_flags.writeUInt32LE(7, 36);
    const bad_order = xlHeader();
    bad_order.writeUInt32BE(0x01020304, 32);
    const big = xlHeader();
    big.writeUInt32LE(2 << 20, 44);
    const pages = pageData([0, 0]);
    const short_pages = Buffer.from(pages);
    short_pages.writeUInt32LE(pages.length - 16, 4);
    const no_pages = Buffer.from(pages);
    no_pages.writeUInt32LE(0, 8);
    const cases: readonly [string, Buffer, string][] = [
      ['another magic', Buffer.alloc(64, 1), 'bad-magic'],
      ['unknown flags', bad_flags, 'bad-flags'],
      ['another byte order', bad_order, 'bad-flags'],
      ['a huge configuration', big, 'too-long'],
      ['a configuration that is not JSON', xlHeader('{'), 'bad-config'],
      ['a configuration without a name', xlHeader({ c_info: {} }), 'bad-config'],
      ['another libxl version', Buffer.concat([xlHeader(), libxlHeader(1)]), 'bad-version'],
      ['a big-endian stream', Buffer.concat([xlHeader(), libxlHeader(2, 1)]), 'bad-flags'],
      ['another image version', image(4, 2), 'bad-version'],
      ['an unknown guest', image(3, 4), 'bad-value'],
      ['pages before the static data', image(3, 2, pages), 'out-of-order'],
      ['PV records of an HVM guest', image(3, 2, record(2, Buffer.alloc(8))), 'out-of-order'],
      ['a wrong page list', Buffer.concat([preamble(), short_pages]), 'bad-length'],
      ['an empty page list', Buffer.concat([preamble(), no_pages]), 'bad-value'],
      ['an unknown page type', Buffer.concat([preamble(), pageData([7])]), 'bad-value'],
      ['a checkpoint without state', Buffer.concat([preamble(), record(0xe)]), 'out-of-order'],
      [
        'an activation',
        Buffer.concat([preamble(), record(1, Buffer.alloc(0), 0xffffffff)]),
        'too-long',
      ],
      ['COLO', Buffer.concat([preamble(), record(0xf, Buffer.alloc(8))]), 'out-of-order'],
      ['odd parameters', Buffer.concat([preamble(), record(0xa, Buffer.alloc(12))]), 'bad-length'],
    ];
    for (const [name, stream, code] of cases) {
      it(name, () => assert.equal(failure(stream).code, code));
    }
  });

  it('stays in its error', () => {
    const decoder = new StreamDecoder();
    assert.throws(() => decoder.push(Buffer.alloc(48)), DecodeError);
    assert.throws(() => decoder.push(preamble()), DecodeError);
  });

  it('mutated bytes give a DecodeError or nothing', () => {
    const position = fc.integer({ min: 0, max: small.length - 1 });
    const change = fc.record({ position, value: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const mutated = Buffer.from(small);
        for (const { position: at, value } of changes) mutated[at] = value;
        try {
          decode(mutated, [4096]);
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('any bytes after a good start give a DecodeError or nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 400 }), (bytes) => {
        try {
          decode(Buffer.concat([preamble(), hvmParams(), bytes]));
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
        }
      }),
    );
  });
});
