import assert from 'node:assert/strict';
import type { Clock } from '../../../daemon/ports.js';
import { SenderSession } from '../../../daemon/relay/sender-session.js';
import type { Frame } from '../../../daemon/stream/frames.js';
import { checkpoint, preamble } from '../stream/stream-builder.js';

/** Lets everything that can go on go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 200; i += 1) await Promise.resolve();
}

/** A sender with everything around it in our hands; `log` is what it did, in order. */
class Rig {
  readonly log: string[] = [];
  readonly sent: Frame[] = [];
  now_ms = 0;
  readonly network = { queued: 0, taken: 0 };
  #input = Buffer.alloc(0);
  #eof = false;
  #wake: (() => void) | null = null;
  #blocks: (() => void)[] = [];
  auto_block = true;
  /** What narrowing the pipe comes to. */
  narrow = true;
  narrowings = 0;
  readonly session: SenderSession;

  constructor(replication_ms = 5000, hold = true) {
    const clock: Clock = {
      now_ms: () => this.now_ms,
      wall: () => '',
      after: () => ({ cancel: () => undefined }),
    };
    const { network } = this;
    this.session = new SenderSession(
      {
        input: {
          open: () => void this.log.push('open'),
          read: (max) => this.#read(max),
          widen: () => Promise.resolve(),
          narrow: () => {
            this.narrowings += 1;
            return Promise.resolve(this.narrow);
          },
        },
        peer: {
          send: (frame) => this.#send(frame),
          drained: () => Promise.resolve(),
          staged_bytes: 0,
          get queued_bytes() {
            return network.queued;
          },
          get taken_bytes() {
            return network.taken;
          },
        },
        hold: hold ? { block: () => this.#block(), release: () => this.#release() } : null,
        freeze: () => this.#freeze(),
        clock,
        changed: () => undefined,
      },
      { replication_ms },
    );
  }

  async #read(max: number): Promise<Buffer | null> {
    while (this.#input.length === 0) {
      if (this.#eof) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const bytes = this.#input.subarray(0, max);
    this.#input = this.#input.subarray(bytes.length);
    return bytes;
  }

  get unread(): number {
    return this.#input.length;
  }

  #send(frame: Frame): void {
    this.sent.push(frame);
    if (frame.type !== 'data' && frame.type !== 'ping') {
      this.log.push('n' in frame ? `${frame.type} ${frame.n}` : frame.type);
    }
  }

  #block(): Promise<void> {
    this.log.push('block');
    if (this.auto_block) return Promise.resolve();
    return new Promise((resolve) => this.#blocks.push(resolve));
  }

  #freeze(): Promise<void> {
    this.log.push('freeze');
    return this.freezing();
  }

  freezing = (): Promise<void> => Promise.resolve();

  blocked(): void {
    this.#blocks.shift()?.();
  }

  #release(): Promise<void> {
    this.log.push('release');
    return Promise.resolve();
  }

  async feed(bytes: Buffer): Promise<void> {
    this.#input = Buffer.concat([this.#input, bytes]);
    this.#wake?.();
    await settle();
  }

  async eof(): Promise<void> {
    this.#eof = true;
    this.#wake?.();
    await settle();
  }

  async get(frame: Frame): Promise<void> {
    this.session.onFrame(frame);
    await settle();
  }

  async pass(ms: number): Promise<void> {
    for (const end = this.now_ms + ms; this.now_ms < end;) {
      this.now_ms += 100;
      this.session.tick();
    }
    await settle();
  }

  dataBytes(): number {
    return this.sent.reduce((sum, f) => sum + (f.type === 'data' ? f.bytes.length : 0), 0);
  }
}

const first = Buffer.concat([preamble(), checkpoint(3)]);

async function protectedRig(replication_ms?: number): Promise<Rig> {
  const rig = new Rig(replication_ms);
  await rig.get({ type: 'ready' });
  await rig.feed(first);
  await rig.get({ type: 'ack', n: 1 });
  await rig.feed(checkpoint(2));
  await rig.get({ type: 'ack', n: 2 });
  return rig;
}

/** Of a copy for a move: nothing is held. */
async function copiedRig(): Promise<Rig> {
  const rig = new Rig(5000, false);
  await rig.get({ type: 'ready' });
  await rig.feed(first);
  await rig.get({ type: 'ack', n: 1 });
  return rig;
}

describe('relay/sender-session', () => {
  it('opens xl only when the receiver is ready, and forwards every byte', async () => {
    const rig = new Rig();
    await rig.feed(first);
    assert.deepEqual(rig.log, []);
    await rig.get({ type: 'ready' });
    assert.deepEqual(rig.log, ['open', 'checkpoint 1']);
    assert.equal(rig.dataBytes(), first.length);
    assert.equal(rig.session.phase, 'first-copy');
    await rig.get({ type: 'ack', n: 1 });
    assert.equal(rig.session.phase, 'flowing');
    assert.equal(rig.session.holding, false);
  });

  it('blocks before it reads on, releases at the acknowledgement, holds from the second on', async () => {
    const rig = await protectedRig();
    const script = ['open', 'checkpoint 1', 'block', 'checkpoint 2', 'release'];
    assert.deepEqual(rig.log, script);
    assert.equal(rig.session.holding, true);
    rig.auto_block = false;
    const third = checkpoint(4);
    await rig.feed(third);
    // Eight bytes of it have been taken, and none of them is sent on.
    assert.equal(rig.unread, third.length - 8);
    assert.deepEqual(rig.log.slice(5), ['block']);
    const before = rig.dataBytes();
    rig.blocked();
    await settle();
    assert.equal(rig.dataBytes(), before + third.length);
    assert.deepEqual(rig.log.slice(5), ['block', 'checkpoint 3']);
  });

  it('never has two checkpoints outstanding: no block and no read before the release', async () => {
    const rig = await protectedRig();
    await rig.feed(checkpoint(1));
    await rig.feed(checkpoint(1));
    assert.deepEqual(rig.log.slice(5), ['block', 'checkpoint 3']);
    assert.equal(rig.unread, checkpoint(1).length - 8);
    await rig.get({ type: 'ack', n: 3 });
    const want = ['block', 'checkpoint 3', 'release', 'block', 'checkpoint 4'];
    assert.deepEqual(rig.log.slice(5), want);
  });

  it('a checkpoint that was faster than the narrowing of the pipe lets nothing go', async () => {
    const rig = await protectedRig();
    const step = async (n: number, narrow_before_next: boolean): Promise<string[]> => {
      const done = rig.log.length;
      rig.narrow = narrow_before_next;
      await rig.feed(checkpoint(1));
      await rig.get({ type: 'ack', n });
      return rig.log.slice(done);
    };
    assert.deepEqual(await step(3, false), ['block', 'checkpoint 3', 'release']);
    assert.deepEqual(await step(4, true), ['checkpoint 4']);
    assert.equal(rig.session.holding, true);
    assert.deepEqual(await step(5, true), ['block', 'checkpoint 5', 'release']);
  });

  it('holds nothing before a checkpoint that began in a narrow pipe is acknowledged', async () => {
    const rig = new Rig();
    rig.narrow = false;
    await rig.get({ type: 'ready' });
    await rig.feed(first);
    await rig.get({ type: 'ack', n: 1 });
    await rig.feed(checkpoint(1));
    await rig.get({ type: 'ack', n: 2 });
    assert.equal(rig.session.holding, false);
  });

  it('hands over after one more checkpoint, and hears nothing any more', async () => {
    const rig = await protectedRig();
    rig.session.finish();
    assert.equal(rig.session.phase, 'finishing');
    await rig.feed(Buffer.concat([checkpoint(1), checkpoint(1)]));
    assert.equal(rig.session.phase, 'finishing');
    await rig.get({ type: 'ack', n: 3 });
    assert.equal(rig.session.phase, 'finished');
    assert.deepEqual(rig.log.slice(5), ['block', 'checkpoint 3', 'release', 'finish 3']);
    assert.equal(rig.unread, checkpoint(1).length);
    await rig.get({ type: 'error', reason: 'the replica is being activated' });
    rig.session.onLost('gone');
    await rig.pass(50_000);
    assert.equal(rig.session.phase, 'finished');
    // P5: nobody has completed it.
    await rig.pass(11_000);
    assert.equal(rig.session.phase, 'ended');
    assert.match(rig.session.reason ?? '', /handover was not completed/);
  });

  it('a finish asked for in the middle of a checkpoint waits for that one', async () => {
    const rig = await protectedRig();
    const third = checkpoint(2);
    await rig.feed(third.subarray(0, 5000));
    rig.session.finish();
    await rig.feed(third.subarray(5000));
    await rig.get({ type: 'ack', n: 3 });
    assert.equal(rig.session.phase, 'finished');
  });

  it('a move is over after a checkpoint at whose start the guest was paused', async () => {
    const rig = await copiedRig();
    rig.session.finish(true);
    await rig.feed(checkpoint(1));
    await rig.get({ type: 'ack', n: 2 });
    // Its first bytes were read from a pipe that was wide: nobody knows whether the guest was suspended still.
    assert.equal(rig.session.phase, 'finishing');
    await rig.feed(Buffer.concat([checkpoint(1), checkpoint(1)]));
    assert.deepEqual(rig.log.slice(2), ['checkpoint 2', 'freeze', 'checkpoint 3']);
    await rig.get({ type: 'ack', n: 3 });
    assert.equal(rig.session.phase, 'finished');
    assert.equal(rig.unread, checkpoint(1).length);
  });

  it('a pipe that cannot be narrowed yet puts the end of a move off', async () => {
    const rig = await copiedRig();
    rig.session.finish(true);
    rig.narrow = false;
    for (const n of [2, 3, 4]) {
      if (n === 4) rig.narrow = true;
      await rig.feed(checkpoint(1));
      await rig.get({ type: 'ack', n });
    }
    assert.equal(rig.session.phase, 'finishing');
    await rig.feed(checkpoint(1));
    await rig.get({ type: 'ack', n: 5 });
    assert.equal(rig.session.phase, 'finished');
    assert.equal(rig.log.filter((what) => what === 'freeze').length, 1);
  });

  it('a guest that cannot be paused ends the move', async () => {
    const rig = await copiedRig();
    rig.freezing = () => Promise.reject(new Error('"xl pause vm1" failed'));
    rig.session.finish(true);
    for (const n of [2, 3]) {
      await rig.feed(checkpoint(1));
      if (n === 2) await rig.get({ type: 'ack', n });
    }
    assert.equal(await rig.session.ended, '"xl pause vm1" failed');
  });

  const ends: readonly [string, (rig: Rig) => Promise<void> | void, RegExp][] = [
    ['an acknowledgement out of turn', (r) => r.get({ type: 'ack', n: 3 }), /out of turn/],
    ['a frame it must not get', (r) => r.get({ type: 'finish', n: 2 }), /unexpected finish/],
    ['ready twice', (r) => r.get({ type: 'ready' }), /ready twice/],
    ['a refusal', (r) => r.get({ type: 'error', reason: 'full' }), /refused: full/],
    ['a lost connection', (r) => r.session.onLost('reset'), /connection.*lost: reset/],
    ['the end of xl', (r) => r.eof(), /^xl remus has ended$/],
    ['a garbled stream', (r) => r.feed(Buffer.alloc(64, 7)), /migration stream, byte/],
    ['silence', (r) => r.pass(5200), /nothing was heard/],
  ];
  for (const [name, cause, reason] of ends) {
    it(`ends at ${name}, holding what it holds`, async () => {
      const rig = await protectedRig();
      await cause(rig);
      assert.equal(await rig.session.ended, rig.session.reason);
      assert.match(rig.session.reason ?? '', reason);
      assert.equal(rig.log.at(-1), 'end');
      assert.equal(rig.log.filter((what) => what === 'release').length, 1);
    });
  }

  it('the end of xl in the middle of a checkpoint is said so', async () => {
    const rig = await protectedRig();
    await rig.feed(checkpoint(1).subarray(0, 100));
    await rig.eof();
    assert.equal(rig.session.reason, 'xl remus has ended in the middle of checkpoint 3');
  });

  it('pongs are no acknowledgement', async () => {
    const rig = await protectedRig(1000);
    await rig.feed(checkpoint(1));
    for (let i = 0; i < 12 && rig.session.reason === null; i += 1) {
      await rig.get({ type: 'pong', n: i });
      await rig.pass(100);
    }
    assert.match(rig.session.reason ?? '', /checkpoint 3 was not acknowledged within 1000 ms/);
  });

  it('bytes that leave a queue are progress, an idle link with answers is none too late', async () => {
    const rig = await protectedRig(1000);
    await rig.feed(checkpoint(1));
    rig.network.queued = 1_000_000;
    for (let i = 0; i < 30; i += 1) {
      rig.network.taken += 10_000;
      await rig.pass(100);
    }
    assert.equal(rig.session.reason, null);
    assert.equal(rig.session.stats.drained_total, 290_000);
    rig.network.queued = 0;
    await rig.get({ type: 'ack', n: 3 });
    for (let i = 0; i < 50; i += 1) {
      await rig.get({ type: 'pong', n: i });
      await rig.pass(500);
    }
    assert.equal(rig.session.reason, null);
  });

  it('a sender that was stopped itself gives the backup one more chance', async () => {
    const rig = await protectedRig(1000);
    await rig.feed(checkpoint(1));
    rig.now_ms += 60_000;
    rig.session.tick();
    assert.equal(rig.session.reason, null);
    await rig.pass(1200);
    assert.notEqual(rig.session.reason, null);
  });

  it('xl that stops in the middle of a checkpoint is given up, between checkpoints it may rest', async () => {
    const rig = await protectedRig(1000);
    const answer = async (seconds: number): Promise<void> => {
      for (let i = 0; i < seconds * 2; i += 1) {
        await rig.get({ type: 'pong', n: i });
        await rig.pass(500);
      }
    };
    await answer(60);
    assert.equal(rig.session.reason, null);
    await rig.feed(checkpoint(1).subarray(0, 100));
    await answer(11);
    assert.equal(rig.session.reason, 'xl remus has stopped in the middle of checkpoint 3');
  });

  it('a backup that never becomes ready', async () => {
    const rig = new Rig(1000);
    await rig.pass(15_200);
    assert.match(rig.session.reason ?? '', /not ready within 15000 ms/);
  });

  it('without anything to hold it only forwards', async () => {
    const rig = new Rig(5000, false);
    await rig.get({ type: 'ready' });
    await rig.feed(first);
    await rig.get({ type: 'ack', n: 1 });
    await rig.feed(checkpoint(1));
    await rig.get({ type: 'ack', n: 2 });
    assert.deepEqual(rig.log, ['open', 'checkpoint 1', 'checkpoint 2']);
    assert.equal(rig.session.holding, false);
    // Nobody would widen it again.
    assert.equal(rig.narrowings, 0);
  });
});
