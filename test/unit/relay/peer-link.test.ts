import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { PeerLink } from '../../../daemon/relay/peer-link.js';
import {
  FROM_PACKING_SENDER,
  FROM_SENDER,
  encodeFrame,
  type Frame,
} from '../../../daemon/stream/frames.js';
import { Packer } from '../../../daemon/stream/packer.js';
import { Unpacker } from '../../../daemon/stream/unpacker.js';
import { checkpoint, preamble } from '../stream/stream-builder.js';

const stream = Buffer.concat([preamble(), checkpoint(9)]);

/** What a receiver gets of these frames, until the connection is lost. */
async function received(
  frames: readonly Frame[],
  packing = true,
): Promise<{ got: Frame[]; lost: string }> {
  const socket = new PassThrough();
  const unpacker = new Unpacker(256);
  const got: Frame[] = [];
  const lost = new Promise<string>((resolve) => {
    const events = { onFrame: (frame: Frame) => void got.push(frame), onLost: resolve };
    if (packing) new PeerLink(socket, FROM_PACKING_SENDER, events, (body) => unpacker.unpack(body));
    else new PeerLink(socket, FROM_SENDER, events);
  });
  socket.end(Buffer.concat(frames.flatMap(encodeFrame)));
  return { got, lost: await lost };
}

function packed(change: (body: Buffer) => void = () => undefined): Frame {
  const packer = new Packer(256);
  packer.push(stream);
  const body = packer.next('lz4')?.body ?? Buffer.alloc(0);
  change(body);
  return { type: 'packed', body };
}

describe('relay/peer-link', () => {
  it('gives packed frames out as data', async () => {
    const end: Frame = { type: 'checkpoint', n: 1 };
    const { got, lost } = await received([packed(), end]);
    assert.deepEqual(got, [{ type: 'data', bytes: stream }, end]);
    assert.equal(lost, 'the peer closed the connection');
  });

  it('a packed frame that lies ends the connection, and what follows it is void', async () => {
    const lie = packed((body) => body.writeUInt32BE(7, 4));
    const { got, lost } = await received([{ type: 'ping', n: 1 }, lie, { type: 'ping', n: 2 }]);
    assert.deepEqual(got, [{ type: 'ping', n: 1 }]);
    assert.match(lost, /^the peer broke the protocol: .*checksum differs/);
  });

  it('takes none from a sender of a former version', async () => {
    const { got, lost } = await received([packed()], false);
    assert.deepEqual(got, []);
    assert.match(lost, /a packed frame from the wrong side/);
  });
});
