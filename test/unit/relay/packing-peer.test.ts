import assert from 'node:assert/strict';
import type { Clock } from '../../../daemon/ports.js';
import { CompressionPolicy, type Compression } from '../../../daemon/relay/compression-policy.js';
import { PackingPeer } from '../../../daemon/relay/packing-peer.js';
import type { Frame } from '../../../daemon/stream/frames.js';
import { Unpacker } from '../../../daemon/stream/unpacker.js';
import { PatternGuest } from '../stream/patterns.js';
import { checkpoint, preamble } from '../stream/stream-builder.js';

/** A packing peer with a link and a loop in our hands, and the receiver's end of it. */
class Rig {
  readonly frames: Frame[] = [];
  now_ms = 0;
  queued = 0;
  readonly peer: PackingPeer;
  readonly #soon: (() => void)[] = [];
  #drained: (() => void)[] = [];
  readonly #unpacker = new Unpacker(256);
  readonly #made: Buffer[] = [];

  constructor(
    compression: Compression,
    cache_pages: number | null = 256,
    staged_bytes_max = 1 << 20,
  ) {
    const clock: Clock = {
      now_ms: () => (this.now_ms += 0.01),
      wall: () => '',
      after: () => ({ cancel: () => undefined }),
    };
    const queued = (): number => this.queued;
    this.peer = new PackingPeer(
      {
        send: (frame) => this.#send(frame),
        get queued_bytes() {
          return queued();
        },
        taken_bytes: 0,
        staged_bytes: 0,
        drained: () =>
          new Promise((resolve) => (this.queued === 0 ? resolve() : this.#drained.push(resolve))),
      },
      {
        cache_pages,
        policy: new CompressionPolicy(compression),
        clock,
        soon: (fn) => void this.#soon.push(fn),
        staged_bytes_max,
      },
    );
  }

  #send(frame: Frame): void {
    this.frames.push(frame);
    if (frame.type === 'data') this.#made.push(frame.bytes);
    if (frame.type === 'packed') this.#made.push(this.#unpacker.unpack(frame.body));
  }

  /** What the receiver's session has got. */
  get made(): Buffer {
    return Buffer.concat(this.#made);
  }

  /** The kinds of frames, each once when it comes several times in a row. */
  get kinds(): string[] {
    return this.frames.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
  }

  data(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 100_000) {
      this.peer.send({ type: 'data', bytes: bytes.subarray(at, at + 100_000) });
    }
  }

  /** One turn of the loop. */
  turn(): void {
    for (const fn of this.#soon.splice(0)) fn();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 400; i += 1) {
      this.turn();
      await Promise.resolve();
    }
  }

  drain(): void {
    this.queued = 0;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  async acked(n: number): Promise<void> {
    await this.settle();
    this.peer.onFrame({ type: 'ack', n });
  }
}

const first = Buffer.concat([preamble(), checkpoint(300)]);

async function flowing(compression: Compression, staged_bytes_max?: number): Promise<Rig> {
  const rig = new Rig(compression, 256, staged_bytes_max);
  rig.data(first);
  rig.peer.send({ type: 'checkpoint', n: 1 });
  await rig.acked(1);
  return rig;
}

describe('relay/packing-peer', () => {
  for (const compression of ['auto', 'off', 'delta', 'lz4'] as const) {
    it(`${compression}: the same stream, and the checkpoint frame after its last byte`, async () => {
      const rig = await flowing(compression);
      const streams: Buffer[] = [first];
      for (let n = 2; n < 14; n += 1) {
        const bytes = checkpoint(40, n);
        streams.push(bytes);
        rig.data(bytes);
        rig.peer.send({ type: 'checkpoint', n });
        await rig.settle();
        assert.deepEqual(rig.frames.at(-1), { type: 'checkpoint', n });
        assert.ok(rig.made.equals(Buffer.concat(streams)));
        rig.now_ms += 100;
        await rig.acked(n);
      }
    });
  }

  it('codes nothing while a checkpoint is read, and then all of it, piece by piece', async () => {
    const rig = await flowing('delta');
    const before = rig.frames.length;
    rig.data(checkpoint(200));
    await rig.settle();
    assert.equal(rig.frames.length, before);
    assert.equal(rig.peer.staged_bytes, checkpoint(200).length);
    rig.peer.send({ type: 'checkpoint', n: 2 });
    // The first piece at once, the others in turns of their own.
    assert.equal(rig.frames.length, before + 1);
    rig.turn();
    assert.equal(rig.frames.length, before + 2);
    await rig.settle();
    assert.deepEqual(rig.kinds.slice(-2), ['packed', 'checkpoint']);
    assert.equal(rig.peer.staged_bytes, 0);
  });

  it('keeps back no more than it may', async () => {
    const rig = await flowing('lz4', 500_000);
    rig.data(checkpoint(120));
    await rig.settle();
    assert.equal(rig.kinds.at(-1), 'checkpoint');
    rig.data(checkpoint(120));
    await rig.settle();
    assert.equal(rig.kinds.at(-1), 'packed');
    assert.ok(rig.peer.staged_bytes <= 500_000);
  });

  it('makes room when the session waits for it', async () => {
    const rig = await flowing('lz4');
    rig.data(checkpoint(120));
    let room = false;
    void rig.peer.drained().then(() => (room = true));
    await rig.settle();
    assert.equal(room, true);
    assert.equal(rig.peer.staged_bytes, 0);
  });

  it('codes no faster than the link takes it, and goes on when it is drained', async () => {
    const rig = await flowing('delta');
    rig.queued = 2 << 20;
    rig.data(checkpoint(200));
    rig.peer.send({ type: 'checkpoint', n: 2 });
    await rig.settle();
    assert.ok(rig.peer.staged_bytes > 0);
    rig.drain();
    await rig.settle();
    assert.equal(rig.frames.at(-1)?.type, 'checkpoint');
  });

  it('what is off goes on at once', async () => {
    const rig = await flowing('off');
    assert.deepEqual(rig.kinds, ['data', 'checkpoint']);
    rig.data(checkpoint(2));
    assert.equal(rig.frames.at(-1)?.type, 'data');
    assert.equal(rig.peer.stats.why, 'compression=off');
  });

  it('a peer of a former release gets plain data, and status says why', () => {
    const rig = new Rig('lz4', null);
    rig.data(first);
    rig.peer.send({ type: 'checkpoint', n: 1 });
    assert.deepEqual(rig.kinds, ['data', 'checkpoint']);
    assert.deepEqual(rig.peer.stats.coding, 'off');
    assert.match(rig.peer.stats.why, /other node's release takes plain data only/);
  });

  it('pings pass what waits; after the end nothing is coded', async () => {
    const rig = await flowing('delta');
    rig.data(checkpoint(200));
    rig.peer.send({ type: 'ping', n: 1 });
    assert.equal(rig.frames.at(-1)?.type, 'ping');
    rig.peer.send({ type: 'end', reason: 'over' });
    rig.peer.send({ type: 'checkpoint', n: 2 });
    await rig.settle();
    assert.equal(rig.frames.at(-1)?.type, 'end');
  });

  it('counts the bytes on the wire, and the time of coding', async () => {
    const rig = await flowing('lz4');
    const guest = new PatternGuest('zeroing', 64);
    const bytes = guest.checkpoint(6);
    const before = rig.peer.stats.bytes_total;
    rig.data(bytes);
    rig.peer.send({ type: 'checkpoint', n: 2 });
    await rig.acked(2);
    const { stats } = rig.peer;
    assert.equal(stats.coding, 'lz4');
    assert.equal(stats.last_bytes, stats.bytes_total - before);
    assert.ok(stats.last_bytes < bytes.length / 5);
    const coding_ms = stats.last_coding_ms ?? 0;
    assert.ok(coding_ms > 0 && stats.coding_ms_total > coding_ms);
  });
});
