import assert from 'node:assert/strict';
import { PlugQueue } from '../../simxen/domain/plug.js';

describe('simulated xen: plug', () => {
  let sent: number[];
  let plug: PlugQueue;

  beforeEach(() => {
    sent = [];
    plug = new PlugQueue(10_000);
  });

  const send = (...numbers: number[]): void => {
    for (const n of numbers) plug.enqueue(100, () => sent.push(n));
  };

  it('starts plugged, and a release without a block lets nothing go', () => {
    send(1, 2);
    plug.change('release');
    assert.deepEqual(sent, []);
    assert.equal(plug.stats().backlogPackets, 2);
  });

  it('a release lets go of what came before the last block, and no more', () => {
    send(1, 2);
    plug.change('block');
    send(3);
    plug.change('release');
    assert.deepEqual(sent, [1, 2]);
    send(4);
    assert.deepEqual(sent, [1, 2]);
  });

  it('counts like the recording: 43 held, block, 25 more, release lets 43 go, release_indefinite all', () => {
    send(...Array.from({ length: 43 }, (_, i) => i));
    plug.change('block');
    send(...Array.from({ length: 25 }, (_, i) => 43 + i));
    assert.equal(plug.stats().backlogPackets, 68);
    plug.change('release');
    assert.equal(plug.stats().sentPackets, 43);
    plug.change('release_indefinite');
    assert.equal(plug.stats().sentPackets, 68);
    send(99);
    assert.equal(sent.at(-1), 99);
  });

  it('a block without a release in between forgets the epoch before', () => {
    send(1, 2, 3);
    plug.change('block');
    send(4);
    plug.change('block');
    plug.change('release');
    assert.deepEqual(sent, [1]);
  });

  it('a block after release_indefinite holds again', () => {
    plug.change('release_indefinite');
    send(1);
    plug.change('block');
    send(2);
    assert.deepEqual(sent, [1]);
    plug.change('release');
    assert.deepEqual(sent, [1]);
    plug.change('block');
    plug.change('release');
    assert.deepEqual(sent, [1, 2]);
  });

  it('drops what goes over its limit in bytes', () => {
    plug.change('limit', 250);
    send(1, 2, 3);
    assert.deepEqual([plug.stats().backlogBytes, plug.stats().dropped], [200, 1]);
  });
});
