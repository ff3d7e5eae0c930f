import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { Lz4Encoder, lz4Bound, lz4Decode } from '../../../daemon/stream/lz4.js';

const encoder = new Lz4Encoder();

function encode(bytes: Buffer): Buffer {
  const to = Buffer.alloc(lz4Bound(bytes.length));
  return to.subarray(0, encoder.encode(bytes, to));
}

function decode(block: Buffer, length: number): Buffer | null {
  const to = Buffer.alloc(length);
  return lz4Decode(block, to) === length ? to : null;
}

/** A block as the tool's legacy frame, which has no checksum. */
function frame(block: Buffer): Buffer {
  const head = Buffer.from([0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0]);
  head.writeUInt32LE(block.length, 4);
  return Buffer.concat([head, block]);
}

/** Bytes in which much comes again: runs, far and near. */
const repetitive = fc
  .array(
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 400 })),
    {
      maxLength: 40,
    },
  )
  .map((parts) =>
    Buffer.concat(parts.map(([bytes, times]) => Buffer.alloc(bytes.length * times, bytes))),
  );
const noise = fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes));
const any = fc.oneof(
  noise,
  repetitive,
  fc.tuple(noise, repetitive, noise).map((all) => Buffer.concat(all)),
);

// Made by lz4 1.9.4 of Debian 12 (`lz4 -l -9`).
const LOG = Array.from(
  { length: 12 },
  (_, i) => `${i}: the guest wrote line ${i * 7} to its log; `,
);
const LOG_BLOCK =
  '/xgwOiB0aGUgZ3Vlc3Qgd3JvdGUgbGluZSAwIHRvIGl0cyBsb2c7IDEmAAQZNyYAHzImAAQpMTQnAB8zJwAEKTIxJwAfNCcABRk4JwAfNScABCkzNScAHzYnAAQpNDInAB83JwAFGTknAB84JwAEKTU2JwAfOScABCo2M14BD4UBBRs3hgEPhwEGBYgBUGxvZzsg';

describe('stream/lz4', () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(any, (bytes) => {
        const block = encode(bytes);
        assert.ok(block.length <= lz4Bound(bytes.length));
        assert.deepEqual(decode(block, bytes.length), bytes);
      }),
      { numRuns: 400 },
    );
  });

  it('makes blocks smaller: zeros, text; noise hardly longer', () => {
    assert.ok(encode(Buffer.alloc(262_144)).length < 1100);
    assert.ok(encode(Buffer.from(LOG.join(''))).length < 250);
    const rough = Buffer.from(
      Array.from({ length: 4096 }, (_, i) => (i * i * 2_654_435_761) >>> 11),
    );
    assert.ok(encode(rough).length <= lz4Bound(4096));
  });

  it('reads what the tool of Debian writes', () => {
    const text = LOG.join('');
    assert.equal(decode(Buffer.from(LOG_BLOCK, 'base64'), text.length)?.toString(), text);
  });

  it('is read by the tool, and reads it', () => {
    const bytes = Buffer.concat([
      Buffer.alloc(70_000),
      Buffer.from(LOG.join('').repeat(300)),
      Buffer.alloc(9, 7),
    ]);
    const read = spawnSync('lz4', ['-d', '-c'], { input: frame(encode(bytes)) });
    assert.equal(read.stderr.toString(), '');
    assert.ok(read.stdout.equals(bytes));
    for (const level of ['-1', '-9']) {
      const written = spawnSync('lz4', ['-l', '-c', level], { input: bytes, maxBuffer: 1 << 24 });
      assert.ok(decode(written.stdout.subarray(8), bytes.length)?.equals(bytes), level);
    }
  });

  it('takes any bytes, and stays within what it may write', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 0, max: 5000 }),
        (bytes, room) => {
          const memory = Buffer.alloc(room + 8, 0xee);
          const made = lz4Decode(Buffer.from(bytes), memory.subarray(0, room));
          assert.ok(made >= -1 && made <= room);
          assert.deepEqual([...memory.subarray(room)], new Array<number>(8).fill(0xee));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('a garbled block is refused or makes something else of the length that it has', () => {
    const bytes = Buffer.from(LOG.join(''));
    const block = encode(bytes);
    for (let at = 0; at < block.length; at += 1) {
      for (const value of [0, 1, 15, 240, 255]) {
        const garbled = Buffer.from(block);
        garbled[at] = value;
        const made = lz4Decode(garbled, Buffer.alloc(bytes.length));
        assert.ok(made >= -1 && made <= bytes.length);
      }
      assert.ok(lz4Decode(block.subarray(0, at), Buffer.alloc(bytes.length)) < bytes.length);
    }
  });
});
