import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { PeerLink } from '../../../daemon/relay/peer-link.js';
import {
  DATA_BYTES_MAX,
  FROM_RECEIVER,
  FROM_SENDER,
  FrameDecoder,
  type Frame,
} from '../../../daemon/stream/frames.js';

const KIB = 1024;

/** A connection whose network takes a write when it is told to. */
class Network extends Duplex {
  readonly writes: Buffer[] = [];
  #taken: (() => void) | null = null;

  override _read(): void {
    return;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this._writev([{ chunk }], done);
  }

  override _writev(chunks: readonly { chunk: Buffer }[], done: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    this.#taken = done;
  }

  /** Takes what it has been given, until there is nothing more. */
  async takeAll(): Promise<void> {
    for (let idle = 0; idle < 4; idle += 1) {
      const taken = this.#taken;
      this.#taken = null;
      if (taken !== null) idle = -1;
      taken?.();
      await turn();
    }
  }
}

function data(bytes: number, fill: number): Frame {
  return { type: 'data', bytes: Buffer.alloc(bytes, fill) };
}

/** What the other side sees, data as lengths. */
function received(writes: readonly Buffer[]): unknown[] {
  const { frames, error } = new FrameDecoder(FROM_SENDER).push(Buffer.concat(writes));
  assert.equal(error, null);
  return frames.map((frame) => (frame.type === 'data' ? frame.bytes.length : frame));
}

describe('relay/peer-link, what it sends', () => {
  let network: Network;
  let link: PeerLink;
  let lost: string[];

  beforeEach(() => {
    network = new Network();
    lost = [];
    const onLost = (reason: string): void => void lost.push(reason);
    link = new PeerLink(network, FROM_RECEIVER, { onFrame: () => undefined, onLost });
  });
  afterEach(() => network.destroy());

  it('sends a big checkpoint piece by piece, in order', async () => {
    for (let n = 0; n < 40; n += 1) link.send(data(64 * KIB, n));
    link.send({ type: 'checkpoint', n: 2 });
    assert.equal(network.writes.length, 0, 'what is read comes first');
    await network.takeAll();
    assert.deepEqual(received(network.writes), [
      ...Array.from({ length: 40 }, () => 64 * KIB),
      { type: 'checkpoint', n: 2 },
    ]);
    const most = Math.max(...network.writes.map(({ length }) => length));
    assert.ok(most < 400 * KIB, `${most} bytes at a stretch`);
  });

  it('gives the network no more while it has not taken what it was given', async () => {
    for (let n = 0; n < 40; n += 1) link.send(data(64 * KIB, n));
    for (let n = 0; n < 20; n += 1) await turn();
    assert.equal(network.writes.length, 1);
    assert.equal(link.queued_bytes, 40 * (64 * KIB + 5));
    assert.equal(link.taken_bytes, 0);
    await network.takeAll();
    assert.equal(link.queued_bytes, 0);
    assert.equal(link.taken_bytes, 40 * (64 * KIB + 5));
  });

  it('is drained when all has been taken', async () => {
    await link.drained();
    link.send(data(DATA_BYTES_MAX, 1));
    link.send(data(DATA_BYTES_MAX, 2));
    let drained = false;
    const waiting = link.drained().then(() => (drained = true));
    for (let n = 0; n < 20; n += 1) await turn();
    assert.equal(drained, false);
    await network.takeAll();
    await waiting;
    assert.equal(link.queued_bytes, 0);
  });

  it('is waited for no longer when the connection is lost', async () => {
    link.send(data(DATA_BYTES_MAX, 1));
    link.send(data(DATA_BYTES_MAX, 2));
    const waiting = link.drained();
    await turn();
    network.destroy();
    await waiting;
    await turn();
    assert.deepEqual(lost, ['the connection was closed']);
    assert.equal(link.queued_bytes, network.writableLength);
  });

  it('closes after all that was sent', async () => {
    for (let n = 0; n < 10; n += 1) link.send(data(100 * KIB, n));
    link.close({ type: 'end', reason: 'over' });
    await network.takeAll();
    assert.deepEqual(received(network.writes), [
      ...Array.from({ length: 10 }, () => 100 * KIB),
      { type: 'end', reason: 'over' },
    ]);
    assert.equal(network.writableFinished, true);
    assert.deepEqual(lost, []);
  });
});
