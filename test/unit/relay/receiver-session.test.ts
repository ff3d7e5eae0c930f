import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ACTIVATION, ReceiverSession } from '../../../daemon/relay/receiver-session.js';
import type { Frame } from '../../../daemon/stream/frames.js';
import { checkpoint, pageData, preamble } from '../stream/stream-builder.js';

/** A receiver with everything around it in our hands. */
class Rig {
  readonly sent: string[] = [];
  readonly fed: Buffer[] = [];
  paused = false;
  closed: Frame | undefined;
  /** xl takes what it is given at once. */
  drains = true;
  #waiting: (() => void)[] = [];
  readonly session: ReceiverSession;

  constructor(staging_bytes = 1 << 20) {
    this.session = new ReceiverSession(
      {
        feed: { write: (pieces, done) => this.#write(pieces, done) },
        changed: () => undefined,
      },
      { staging_bytes, feed_stall_ms: 5000 },
    );
    this.session.attach({
      send: (frame) => void this.sent.push('n' in frame ? `${frame.type} ${frame.n}` : frame.type),
      close: (last) => (this.closed = last),
      pause: () => (this.paused = true),
      resume: () => (this.paused = false),
    });
  }

  #write(pieces: readonly Buffer[], done: () => void): void {
    assert.ok(pieces.length > 0);
    if (this.drains) {
      this.fed.push(...pieces);
      done();
      return;
    }
    this.#waiting.push(() => {
      this.fed.push(...pieces);
      done();
    });
  }

  drain(): void {
    for (const take of this.#waiting.splice(0)) take();
  }

  data(bytes: Buffer): void {
    this.session.onFrame({ type: 'data', bytes });
  }

  complete(n: number): void {
    this.session.onFrame({ type: 'checkpoint', n });
  }

  get fedBytes(): Buffer {
    return Buffer.concat(this.fed);
  }
}

const first = Buffer.concat([preamble(), checkpoint(3)]);
const second = checkpoint(2, 0x22);
const third = checkpoint(1, 0x33);

function readyRig(staging_bytes?: number): Rig {
  const rig = new Rig(staging_bytes);
  rig.data(first);
  rig.complete(1);
  return rig;
}

const EXIT = { code: 0, signal: null, failed_over: true, said: '' };

describe('relay/receiver-session', () => {
  it('feeds whole records of the first copy, then only whole checkpoints', () => {
    const rig = new Rig();
    const page_record = pageData([0, 0]);
    rig.data(preamble());
    assert.equal(rig.fedBytes.length, preamble().length);
    rig.data(page_record.subarray(0, 5000));
    assert.equal(rig.fedBytes.length, preamble().length);
    rig.data(page_record.subarray(5000));
    assert.equal(rig.fedBytes.length, preamble().length + page_record.length);
    assert.equal(rig.session.phase, 'first-copy');
    rig.data(checkpoint(1));
    assert.equal(rig.session.phase, 'ready');
    const before = rig.fedBytes.length;
    rig.data(second.subarray(0, -1));
    assert.equal(rig.fedBytes.length, before);
    rig.data(second.subarray(-1));
    assert.equal(rig.fedBytes.length, before + second.length);
  });

  it('however it is cut, xl gets the same bytes and never part of a later checkpoint', () => {
    const stream = Buffer.concat([first, second, third.subarray(0, 2000)]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 }), (sizes) => {
        const rig = new Rig();
        for (let at = 0, i = 0; at < stream.length; i += 1) {
          const size = sizes[i % sizes.length] ?? 1;
          rig.data(stream.subarray(at, at + size));
          at += size;
        }
        assert.ok(rig.fedBytes.equals(Buffer.concat([first, second])));
        assert.equal(rig.session.applied, 2);
      }),
      { numRuns: 50 },
    );
  });

  it('acknowledges when both sides have counted the same', () => {
    const rig = readyRig();
    assert.deepEqual(rig.sent, ['ready', 'ack 1']);
    rig.data(second);
    assert.deepEqual(rig.sent, ['ready', 'ack 1']);
    rig.complete(2);
    assert.deepEqual(rig.sent.slice(2), ['ack 2']);
    rig.complete(2 + 1);
    assert.match(JSON.stringify(rig.closed), /counts checkpoint 3, here it is 2/);
    assert.equal(rig.session.phase, 'ready');
  });

  it('activates after the last complete checkpoint, not in the middle of the next', () => {
    const rig = readyRig();
    rig.data(second);
    rig.data(third.subarray(0, 3000));
    assert.equal(rig.session.activate(), null);
    assert.equal(rig.session.phase, 'activating');
    const want = Buffer.concat([first, second, ACTIVATION]);
    assert.ok(rig.fedBytes.equals(want));
    rig.data(third.subarray(3000));
    assert.ok(rig.fedBytes.equals(want));
    rig.session.onXlExit(EXIT);
    assert.equal(rig.session.phase, 'activated');
    rig.session.end('too late');
    assert.equal(rig.session.phase, 'activated');
  });

  it('activates only when xl has taken all that was acknowledged', () => {
    const rig = readyRig();
    rig.drains = false;
    rig.data(second);
    rig.complete(2);
    assert.deepEqual(rig.sent.slice(2), ['ack 2']);
    rig.session.activate();
    assert.equal(rig.fedBytes.length, first.length);
    rig.drain();
    rig.drain();
    assert.ok(rig.fedBytes.equals(Buffer.concat([first, second, ACTIVATION])));
    rig.session.activate();
    rig.drain();
    assert.equal(rig.fedBytes.length, first.length + second.length + 8);
  });

  it('refuses to activate without a complete checkpoint', () => {
    const rig = new Rig();
    rig.data(first.subarray(0, -1));
    assert.match(rig.session.activate() ?? '', /no complete checkpoint/);
    assert.equal(rig.session.phase, 'first-copy');
    rig.session.onLost('reset');
    assert.equal(rig.session.phase, 'ended');
    assert.match(rig.session.activate() ?? '', /no complete checkpoint/);
  });

  it('keeps a complete checkpoint when the sender is lost, ends or speaks rubbish', () => {
    const losses: readonly ((rig: Rig) => void)[] = [
      (rig) => rig.session.onLost('reset'),
      (rig) => rig.session.onFrame({ type: 'end', reason: 'xl remus has ended' }),
      (rig) => rig.session.onFrame({ type: 'ack', n: 1 }),
      (rig) => rig.data(Buffer.alloc(100, 0x66)),
      (rig) => rig.data(Buffer.concat([ACTIVATION, Buffer.alloc(8)])),
    ];
    for (const lose of losses) {
      const rig = readyRig();
      lose(rig);
      assert.equal(rig.session.phase, 'ready');
      assert.equal(rig.session.connected, false);
      assert.ok(rig.fedBytes.equals(first));
      rig.session.activate();
      assert.ok(rig.fedBytes.equals(Buffer.concat([first, ACTIVATION])));
    }
  });

  it('rubbish behind a complete checkpoint does not count what was not fed', () => {
    const rig = readyRig();
    rig.data(Buffer.concat([second, Buffer.alloc(64, 0x66)]));
    assert.equal(rig.session.complete, rig.session.applied);
    rig.session.activate();
    assert.ok(rig.fedBytes.subarray(-8).equals(ACTIVATION));
  });

  it('takes one sender, once', () => {
    const rig = new Rig();
    assert.equal(rig.session.admits, false);
    rig.session.onLost('before the first byte');
    assert.equal(rig.session.admits, true);
    const used = readyRig();
    used.session.onLost('reset');
    assert.equal(used.session.admits, false);
  });

  it('stops taking when xl does not drain, goes on when it does', () => {
    const rig = readyRig(20_000);
    rig.drains = false;
    rig.data(second);
    assert.equal(rig.paused, false);
    rig.data(third);
    rig.data(checkpoint(1));
    assert.equal(rig.paused, true);
    rig.drain();
    assert.equal(rig.paused, false);
    assert.equal(rig.session.applied, 4);
  });

  it('refuses a checkpoint that is larger than the limit, and keeps the one it has', () => {
    const rig = readyRig(20_000);
    rig.data(checkpoint(9).subarray(0, 30_000));
    assert.match(JSON.stringify(rig.closed), /checkpoint 2 is larger than 0 MiB/);
    assert.equal(rig.session.phase, 'ready');
  });

  it('gives a replica up that xl takes no further, and not for its own sleep', () => {
    const rig = readyRig();
    rig.drains = false;
    rig.data(second);
    rig.complete(2);
    for (let now_ms = 1000; now_ms <= 5000; now_ms += 1000) rig.session.tick(now_ms);
    rig.drain();
    rig.data(third);
    rig.session.tick(6000);
    rig.session.tick(14_000); // stopped ourselves
    for (let now_ms = 15_000; now_ms <= 19_000; now_ms += 1000) rig.session.tick(now_ms);
    assert.equal(rig.session.phase, 'ready');
    rig.session.tick(19_001);
    assert.equal(rig.session.phase, 'ended');
    assert.match(rig.session.reason ?? '', /has taken nothing for 5000 ms/);
  });

  it('counts how long nothing has come, and not its own sleep', () => {
    const rig = readyRig();
    const { session } = rig;
    for (let now_ms = 1000; now_ms <= 9000; now_ms += 1000) session.tick(now_ms);
    assert.equal(session.silent_ms, 8000);
    session.onFrame({ type: 'ping', n: 1 });
    assert.equal(session.silent_ms, 0);
    session.tick(10_000);
    session.tick(60_000); // stopped ourselves
    assert.equal(session.silent_ms, 3000);
    assert.equal(session.phase, 'ready');
    session.onLost('reset');
    session.tick(61_000);
    assert.equal(session.silent_ms, 4000);
  });

  it('hears nothing while it reads nothing', () => {
    const rig = readyRig(20_000);
    rig.drains = false;
    for (const more of [second, third, checkpoint(1)]) rig.data(more);
    for (let now_ms = 1000; now_ms <= 4000; now_ms += 1000) rig.session.tick(now_ms);
    assert.deepEqual([rig.paused, rig.session.silent_ms], [true, 0]);
    rig.drain();
    rig.session.tick(5000);
    assert.equal(rig.session.silent_ms, 1000);
  });

  it('waits for xl once the activation is ordered', () => {
    const rig = readyRig();
    rig.drains = false;
    rig.data(second);
    rig.complete(2);
    assert.equal(rig.session.activate(), null);
    for (let now_ms = 1000; now_ms <= 9000; now_ms += 1000) rig.session.tick(now_ms);
    assert.equal(rig.session.phase, 'activating');
  });

  it("xl's end loses the replica, whatever its exit code", () => {
    for (const exit of [
      EXIT,
      { ...EXIT, code: 1, failed_over: false, said: 'Domain creation failed' },
    ]) {
      const rig = readyRig();
      rig.session.onXlExit(exit);
      assert.equal(rig.session.phase, 'ended');
      assert.match(rig.session.reason ?? '', /replica is lost/);
      assert.equal(rig.closed?.type, 'error');
    }
    const activating = readyRig();
    activating.session.activate();
    activating.session.onXlExit({ ...EXIT, failed_over: false });
    assert.match(activating.session.reason ?? '', /while it activated/);
  });

  it('a handover is the last word', () => {
    const rig = readyRig();
    rig.session.onFrame({ type: 'finish', n: 1 });
    rig.data(second);
    assert.match(JSON.stringify(rig.closed), /after the handover/);
    assert.equal(rig.session.phase, 'ready');
    assert.equal(rig.session.complete, 1);
  });

  it('answers pings', () => {
    const rig = readyRig();
    rig.session.onFrame({ type: 'ping', n: 7 });
    assert.equal(rig.sent.at(-1), 'pong 7');
  });
});
