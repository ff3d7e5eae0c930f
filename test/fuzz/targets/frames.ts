/**
 * Both sessions of the relay in this process, each with a partner who says anything: the first byte of an input says which.
 * What xl is given, and what is let go, is judged by what a right stream allows.
 */
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { PeerLink, type LinkEvents } from '../../../daemon/relay/peer-link.js';
import { ACTIVATION, ReceiverSession } from '../../../daemon/relay/receiver-session.js';
import { SenderSession } from '../../../daemon/relay/sender-session.js';
import { clock } from '../../../daemon/relay/runtime.js';
import { StreamDecoder } from '../../../daemon/stream/decoder.js';
import { FROM_PACKING_SENDER, FROM_RECEIVER } from '../../../daemon/stream/frames.js';
import { Unpacker } from '../../../daemon/stream/unpacker.js';
import type { Random } from '../../simulator/random.js';
import { streams } from '../corpus.js';
import { saidByReceiver, saidBySender, saidPacked } from '../frames.js';
import { mutated, type Pieces } from '../mutate.js';
import { must, mustBeSentence, outline, split, type Target } from '../target.js';

const TO_RECEIVER = 0;
const TO_SENDER = 1;
const STAGING_BYTES = 1024 * 1024;
const CACHE_PAGES = 64;

/** One end of a connection: what is written to it is thrown away. */
class Wire extends Duplex {
  override _read(): void {
    // Pushed from outside.
  }
  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
  }
}

export class FramesTarget implements Target {
  #streams: readonly Pieces[] = [];
  #fromSender: readonly Pieces[] = [];
  #fromReceiver: readonly Pieces[] = [];

  async open(): Promise<void> {
    this.#streams = await streams();
    this.#fromSender = this.#streams.flatMap((stream) => [
      saidBySender(stream, 'finish'),
      saidBySender(stream, 'end'),
      saidPacked(stream, 'delta', CACHE_PAGES),
      saidPacked(stream, 'lz4', CACHE_PAGES),
    ]);
    this.#fromReceiver = [0, 1, 2, 3, 5].map(saidByReceiver);
  }

  make(random: Random): Buffer {
    const to = random.chance(0.7) ? TO_RECEIVER : TO_SENDER;
    const corpus = to === TO_RECEIVER ? this.#fromSender : this.#fromReceiver;
    return Buffer.concat([Buffer.of(to), mutated(random, corpus)]);
  }

  feed(input: Buffer): Promise<string> {
    const said = split(input.subarray(1), 20);
    return (input[0] ?? 0) % 2 === TO_RECEIVER ? this.#toReceiver(said) : this.#toSender(said);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #toReceiver(said: readonly Buffer[]): Promise<string> {
    const fed: Buffer[] = [];
    const feed = {
      write: (pieces: readonly Buffer[], done: () => void): void => {
        fed.push(...pieces);
        setImmediate(done);
      },
    };
    const limits = { staging_bytes: STAGING_BYTES, feed_stall_ms: 1000 };
    const session = new ReceiverSession({ feed, changed: () => undefined }, limits);
    const wire = new Wire();
    const unpacker = new Unpacker(CACHE_PAGES);
    const events: LinkEvents = {
      onFrame: (frame) => session.onFrame(frame),
      onLost: (reason) => session.onLost(reason),
    };
    const unpack = (body: Buffer): Buffer => unpacker.unpack(body);
    const link = new PeerLink(wire, FROM_PACKING_SENDER, events, unpack);
    session.attach(link);
    await speak(wire, said);
    await turn();
    const { reason } = session;
    if (reason !== null) mustBeSentence(reason);
    judgeFed(session, fed);
    await judgeActivation(session, fed);
    wire.destroy();
    return `receiver, ${session.complete} complete: ${outline(reason ?? 'well')}`;
  }

  async #toSender(said: readonly Buffer[]): Promise<string> {
    const [stream = []] = this.#streams;
    const wire = new Wire();
    const link: PeerLink = new PeerLink(wire, FROM_RECEIVER, {
      onFrame: (frame) => session.onFrame(frame),
      onLost: (reason) => session.onLost(reason),
    });
    const held = new Hold();
    const session: SenderSession = new SenderSession(
      {
        ...{ input: inputOf(stream), peer: link, hold: held, clock },
        freeze: () => Promise.resolve(),
        changed: () => undefined,
      },
      { replication_ms: 1000 },
    );
    for (const part of said) {
      await speak(wire, [part]);
      await turn();
      const { acked, sent } = session.stats;
      must(acked <= sent, `${acked} checkpoints acknowledged, ${sent} sent`);
      must(held.released <= Math.max(0, acked - 1), 'more was let go than was acknowledged');
    }
    const { reason } = session;
    session.end('the test is over');
    if (reason !== null) mustBeSentence(reason);
    wire.destroy();
    return `sender, ${session.stats.acked} acknowledged: ${outline(reason ?? 'well')}`;
  }
}

class Hold {
  released = 0;
  block(): Promise<void> {
    return Promise.resolve();
  }
  release(): Promise<void> {
    this.released += 1;
    return Promise.resolve();
  }
}

/** A guest's stream, then silence. */
function inputOf(stream: Pieces): ConstructorParameters<typeof SenderSession>[0]['input'] {
  let left = Buffer.concat(stream);
  return {
    open: () => undefined,
    read: (max) => {
      if (left.length === 0) return new Promise(() => undefined);
      const bytes = left.subarray(0, max);
      left = left.subarray(bytes.length);
      return Promise.resolve(bytes);
    },
    widen: () => Promise.resolve(),
    narrow: () => Promise.resolve(true),
  };
}

async function speak(wire: Wire, said: readonly Buffer[]): Promise<void> {
  for (const part of said) {
    if (wire.destroyed) return;
    wire.push(part);
    await turn();
  }
}

/** xl has got a right stream, and since the first checkpoint only whole ones. */
function judgeFed(session: ReceiverSession, fed: readonly Buffer[]): void {
  const decoder = new StreamDecoder();
  decoder.push(Buffer.concat(fed));
  must(decoder.completed === session.complete, 'what is complete is not what xl has');
  must(session.applied <= session.complete, 'more was applied than is complete');
  must(session.complete === 0 || decoder.at_boundary, 'xl stands in the middle of a checkpoint');
}

/** Only what is complete can be activated, and only so that xl takes it. */
async function judgeActivation(session: ReceiverSession, fed: readonly Buffer[]): Promise<void> {
  const before = fed.length;
  const refused = session.activate();
  must(
    (refused === null) === (session.complete > 0 && session.phase !== 'ended'),
    `activation: ${refused ?? 'taken'}`,
  );
  await turn();
  await turn();
  const sent = fed.slice(before).some((piece) => piece.equals(ACTIVATION));
  must(sent === (refused === null), 'xl was told to activate, or was not, against the answer');
  if (refused !== null) mustBeSentence(refused);
}
