import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  DATA_BYTES_MAX,
  FROM_PACKING_SENDER,
  FROM_RECEIVER,
  FROM_SENDER,
  FrameDecoder,
  encodeFrame,
  type Frame,
} from '../../../daemon/stream/frames.js';

const all = [...new Set([...FROM_PACKING_SENDER, ...FROM_RECEIVER])];
const plain = { noNullPrototype: true } as const;
const n = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const reason = fc.stringMatching(/^[a-z ]{0,80}$/);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((b) => Buffer.from(b));
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.constant<Frame>({ type: 'ready' }),
  bytes.map((b): Frame => ({ type: 'data', bytes: b })),
  bytes.map((b): Frame => ({ type: 'packed', body: b })),
  fc.record({ type: fc.constantFrom('end' as const, 'error' as const), reason }, plain),
  fc.record(
    {
      type: fc.constantFrom(
        'checkpoint' as const,
        'ack' as const,
        'finish' as const,
        'ping' as const,
        'pong' as const,
      ),
      n,
    },
    plain,
  ),
);

function joinData(frames: readonly Frame[]): Frame[] {
  const joined: Frame[] = [];
  for (const one of frames) {
    const last = joined.at(-1);
    if (one.type === 'data' && last?.type === 'data') {
      joined.splice(-1, 1, { type: 'data', bytes: Buffer.concat([last.bytes, one.bytes]) });
    } else joined.push(one);
  }
  return joined;
}

describe('stream/frames', () => {
  it('gives back what was sent, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 40 })), (frames, sizes) => {
        const wire = Buffer.concat(frames.flatMap(encodeFrame));
        const decoder = new FrameDecoder(all);
        const got: Frame[] = [];
        for (let at = 0, i = 0; at < wire.length; i += 1) {
          const size = sizes[i % Math.max(1, sizes.length)] ?? 1;
          const { frames: some, error } = decoder.push(wire.subarray(at, at + size));
          assert.equal(error, null);
          got.push(...some);
          at += size;
        }
        assert.deepEqual(joinData(got), joinData(frames));
      }),
    );
  });

  it('refuses unknown types, wrong sides and wrong lengths with a sentence', () => {
    const error = (wire: readonly number[], allowed = all): string | null =>
      new FrameDecoder(allowed).push(Buffer.from(wire)).error;
    assert.match(error([99, 0, 0, 0, 0]) ?? '', /unknown type 99/);
    assert.match(error([1, 0, 0, 0, 0], [...FROM_SENDER]) ?? '', /wrong side/);
    assert.match(error([4, 0, 0, 0, 9]) ?? '', /9 bytes/);
    assert.match(error([2, 0, 0, 0, 0]) ?? '', /allowed are 1/);
    assert.match(error([7, 0, 0, 0x20, 0]) ?? '', /8192 bytes/);
    assert.match(error([4, 0, 0, 0, 8, 255, 0, 0, 0, 0, 0, 0, 0]) ?? '', /number/);
    // A sender of version 1 has no packed frames.
    assert.match(error([10, 0, 0, 0, 1], [...FROM_SENDER]) ?? '', /wrong side/);
    assert.throws(() => encodeFrame({ type: 'data', bytes: Buffer.alloc(DATA_BYTES_MAX + 1) }));
  });

  it('takes any bytes without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (wire) => {
        new FrameDecoder(all).push(Buffer.from(wire));
      }),
    );
  });

  it('makes a reason printable', () => {
    const wire = Buffer.concat(
      encodeFrame({ type: 'error', reason: 'a\n\u001b[2Jb\u009b31m\u2028c' }),
    );
    const { frames } = new FrameDecoder(all).push(wire);
    assert.deepEqual(frames, [{ type: 'error', reason: 'a [2Jb 31m c' }]);
  });
});
