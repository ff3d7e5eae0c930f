import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { PeerLink, readHello } from '../../../daemon/relay/peer-link.js';
import { FROM_SENDER, encodeFrame, type Frame } from '../../../daemon/stream/frames.js';
import { encodeHello, type Hello } from '../../../daemon/stream/hello.js';

const HELLO: Hello = {
  role: 'sender',
  release: '0.1.0',
  resource: 'vm1',
  generation: 1,
  session: 'ab12',
};
const bytes = encodeHello(HELLO);

describe('relay/peer-link, from the hello on', () => {
  it('reads a hello that comes byte by byte', async () => {
    const socket = new PassThrough();
    const reading = readHello(socket, 5000);
    for (const byte of bytes) {
      socket.write(Buffer.of(byte));
      await sleep(0);
    }
    const read = await reading;
    assert.deepEqual(read.ok && read.value.hello, HELLO);
  });

  it('lets everything else run while a part of a hello is there (found by a fuzzer)', async () => {
    for (const part of [3, 15, 16, 20, bytes.length - 1]) {
      const socket = new PassThrough();
      socket.write(bytes.subarray(0, part));
      const reading = readHello(socket, 2000);
      const began = performance.now();
      await sleep(10);
      assert.ok(performance.now() - began < 1000, `it stood still with ${part} bytes`);
      socket.end();
      assert.equal((await reading).ok, false);
      assert.ok(performance.now() - began < 1000);
    }
  });

  it('notices a connection that was over before it began (found by a fuzzer)', async () => {
    const socket = new PassThrough();
    socket.on('error', () => undefined);
    socket.destroy(new Error('reset'));
    await sleep(5);
    const lost: string[] = [];
    const onLost = (reason: string): unknown => lost.push(reason);
    new PeerLink(socket, FROM_SENDER, { onFrame: () => undefined, onLost });
    assert.deepEqual(lost, []);
    await sleep(5);
    assert.deepEqual(lost, ['the connection was closed']);
  });

  it('leaves what comes after the hello for the frames', async () => {
    const ping: Frame = { type: 'ping', n: 7 };
    const socket = new PassThrough();
    socket.write(Buffer.concat([bytes, ...encodeFrame(ping)]));
    assert.equal((await readHello(socket, 1000)).ok, true);
    const frames: Frame[] = [];
    new PeerLink(socket, FROM_SENDER, {
      onFrame: (frame) => frames.push(frame),
      onLost: () => undefined,
    });
    await sleep(10);
    assert.deepEqual(frames, [ping]);
    socket.destroy();
  });
});
