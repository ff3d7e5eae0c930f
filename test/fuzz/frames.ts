/** Right talks between a sender and a receiver, as frames; and lines of the sockets. */
import { encodeFrame, type Frame } from '../../daemon/stream/frames.js';
import { StreamDecoder } from '../../daemon/stream/decoder.js';
import type { Coding } from '../../daemon/stream/packed.js';
import { Packer } from '../../daemon/stream/packer.js';
import type { Pieces } from './mutate.js';

const bytesOf = (frame: Frame): Buffer => Buffer.concat(encodeFrame(frame));

/** A stream as the bodies of packed frames. */
export function packedBodies(stream: Pieces, coding: Coding, cache_pages: number): Pieces {
  const packer = new Packer(cache_pages);
  const bodies: Buffer[] = [];
  for (const piece of stream) {
    packer.push(piece);
    for (let one = packer.next(coding); one !== null; one = packer.next(coding))
      bodies.push(Buffer.from(one.body));
  }
  return bodies;
}

/** The same as saidBySender, but packed, and not a word of checkpoints. */
export function saidPacked(stream: Pieces, coding: Coding, cache_pages: number): Pieces {
  const frames = packedBodies(stream, coding, cache_pages).map((body): Frame => ({
    type: 'packed',
    body,
  }));
  return [...frames, { type: 'checkpoint', n: 1 } as const].map(bytesOf);
}

/** What a sender says of a stream: its pieces, each checkpoint, and perhaps that it was the last. */
export function saidBySender(stream: Pieces, last: 'finish' | 'end'): Pieces {
  const decoder = new StreamDecoder();
  const frames: Frame[] = [{ type: 'ping', n: 1 }];
  for (const bytes of stream) {
    frames.push({ type: 'data', bytes });
    for (const event of decoder.push(bytes))
      if (event.type === 'checkpoint-end') frames.push({ type: 'checkpoint', n: event.number });
  }
  if (last === 'finish') frames.push({ type: 'finish', n: decoder.completed });
  else frames.push({ type: 'end', reason: 'xl remus has ended' });
  return frames.map(bytesOf);
}

/** What a receiver says of so many checkpoints. */
export function saidByReceiver(checkpoints: number): Pieces {
  const acks = Array.from({ length: checkpoints }, (_, i): Frame => ({ type: 'ack', n: i + 1 }));
  const frames: Frame[] = [
    { type: 'ready' },
    { type: 'pong', n: 1 },
    ...acks,
    { type: 'error', reason: 'the replica is given up' },
  ];
  return frames.map(bytesOf);
}
