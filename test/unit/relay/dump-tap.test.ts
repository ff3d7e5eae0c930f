/** The live stream shown by a sender: a real capture and made ones, a fake clock, and readers that read or do not. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { parseDumpLine, type DumpLine } from '../../../daemon/relay/dump-lines.js';
import { DumpTap, type DumpReader } from '../../../daemon/relay/dump-tap.js';
import { SenderSession } from '../../../daemon/relay/sender-session.js';
import type { DumpCommand } from '../../../daemon/relay/control.js';
import { StreamDecoder, type DecodeEvent } from '../../../daemon/stream/decoder.js';
import type { Frame } from '../../../daemon/stream/frames.js';
import { checkpoint, pageData, preamble } from '../stream/stream-builder.js';

const CAPTURE = 'test/fixtures/xen/pvhc.tx.bin.gz';
const ALL: DumpCommand = { type: 'dump', checkpoints: 3, records: true, timeout_ms: 30_000 };
const first = Buffer.concat([preamble(), checkpoint(3)]);
/** A checkpoint with so many records before its own six. */
const long = (records: number): Buffer =>
  Buffer.concat([...new Array<Buffer>(records).fill(pageData([0xd])), checkpoint(1)]);

/** Timers that pass when they are told to. */
class Time {
  #timers: { at: number; fn: () => void }[] = [];
  #now = 0;

  after(ms: number, fn: () => void): { cancel(): void } {
    const timer = { at: this.#now + ms, fn };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((one) => one !== timer)) };
  }

  get waiting(): number {
    return this.#timers.length;
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers.filter(({ at }) => at <= this.#now)) {
      this.#timers = this.#timers.filter((one) => one !== timer);
      timer.fn();
    }
  }
}

class Reader implements DumpReader {
  readonly lines: DumpLine[] = [];
  dropped = false;
  /** What send answers. */
  reads = true;
  #go: () => void = () => undefined;
  #gone: () => void = () => undefined;

  send(line: DumpLine): boolean {
    // Through the text that goes over the socket: what the schema does not know must not be in it.
    const text = JSON.stringify(line);
    const parsed = parseDumpLine(text);
    assert.deepEqual(parsed, JSON.parse(text));
    assert.ok(parsed !== null && text.length < 64 * 1024);
    this.lines.push(parsed);
    return this.reads;
  }

  end(line: DumpLine): void {
    this.send(line);
  }

  drop(): void {
    this.dropped = true;
  }

  onDrain(go: () => void): void {
    this.#go = go;
  }

  onClose(gone: () => void): void {
    this.#gone = gone;
  }

  drain(): void {
    this.reads = true;
    this.#go();
  }

  leave(): void {
    this.#gone();
  }

  get events(): readonly DecodeEvent[] {
    return this.lines.flatMap((line) => (line.type === 'dump' ? line.events : []));
  }

  get last(): DumpLine | undefined {
    return this.lines.at(-1);
  }
}

/** A tap whose work is done when it is told to. */
class Stand {
  readonly time = new Time();
  readonly turns: (() => void)[] = [];
  readonly tap = new DumpTap({
    after: (ms, fn) => this.time.after(ms, fn),
    soon: (work) => void this.turns.push(work),
  });
  readonly decoder = new StreamDecoder();

  /** The stream goes on. */
  feed(bytes: Buffer): void {
    for (const event of this.decoder.push(bytes)) this.tap.see(event);
  }

  /** All that can be done now. */
  work(): void {
    for (let turn = this.turns.shift(); turn !== undefined; turn = this.turns.shift()) turn();
  }

  begin(command: Partial<DumpCommand> = {}): Reader {
    const reader = new Reader();
    this.tap.begin(reader, { ...ALL, ...command });
    this.work();
    return reader;
  }
}

/** The pieces of a stream that a session reads; what it sends comes back acknowledged. */
class Replication {
  readonly sent: Frame[] = [];
  readonly session: SenderSession;
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  readonly peer = {
    send: (frame: Frame) => this.#send(frame),
    drained: () => Promise.resolve(),
    ...{ queued_bytes: 0, staged_bytes: 0, taken_bytes: 0 },
  };

  constructor(source: AsyncIterator<Buffer>, seen?: (event: DecodeEvent) => void) {
    this.#source = source;
    const none = (): Promise<void> => Promise.resolve();
    this.session = new SenderSession(
      {
        input: {
          open: () => undefined,
          read: (max) => this.#read(max),
          widen: none,
          narrow: () => Promise.resolve(true),
        },
        peer: this.peer,
        hold: { block: none, release: none },
        freeze: none,
        clock: { now_ms: () => 0, wall: () => '', after: () => ({ cancel: () => undefined }) },
        changed: () => undefined,
        ...(seen === undefined ? {} : { seen }),
      },
      { replication_ms: 5_000 },
    );
  }

  run(): Promise<string> {
    this.session.onFrame({ type: 'ready' });
    return this.session.ended;
  }

  async #read(max: number): Promise<Buffer | null> {
    if (this.#rest.length === 0) {
      const next: IteratorResult<Buffer, unknown> = await this.#source.next();
      if (next.done === true) return null;
      this.#rest = next.value;
    }
    const bytes = this.#rest.subarray(0, max);
    this.#rest = this.#rest.subarray(bytes.length);
    return bytes;
  }

  #send(frame: Frame): void {
    if (frame.type === 'checkpoint') {
      const { n } = frame;
      queueMicrotask(() => this.session.onFrame({ type: 'ack', n }));
    }
    this.sent.push(frame.type === 'data' ? { ...frame, bytes: Buffer.alloc(0) } : frame);
  }
}

async function* capture(): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(CAPTURE).pipe(createGunzip())) yield chunk as Buffer;
}

/** What a decoder makes of the file: what `remusctl dump FILE` shows. */
async function fileEvents(): Promise<readonly DecodeEvent[]> {
  const decoder = new StreamDecoder();
  const events: DecodeEvent[] = [];
  for await (const chunk of capture()) events.push(...decoder.push(chunk));
  return events;
}

/** The checkpoints from one to another, whole. */
function between(events: readonly DecodeEvent[], from: number, to: number): readonly DecodeEvent[] {
  const begin = events.findIndex((one) => one.type === 'checkpoint-begin' && one.number === from);
  const end = events.findIndex((one) => one.type === 'checkpoint-end' && one.number === to);
  return events.slice(begin, end + 1);
}

/** Replicates the capture; `at` is called with each event. */
async function replicate(seen?: (event: DecodeEvent) => void): Promise<readonly Frame['type'][]> {
  const replication = new Replication(capture(), seen);
  assert.match(await replication.run(), /^xl remus has ended/);
  return replication.sent.map(({ type }) => type);
}

describe('a dump of the live stream', function () {
  this.timeout(60_000);

  it('a real capture through a sender: the same records as in the file, and replication as without', async () => {
    const file = await fileEvents();
    const stand = new Stand();
    const from_start = new Reader();
    stand.tap.begin(from_start, { ...ALL, checkpoints: 1 });
    const later: Reader[] = [];
    const with_dump = await replicate((event) => {
      stand.tap.see(event);
      stand.work();
      // In the middle of the second.
      if (event.type === 'record' && !stand.tap.busy && later.length === 0)
        later.push(stand.begin());
    });
    const [reader] = later;
    assert.ok(reader);
    const { events, last } = reader;
    assert.deepEqual(from_start.events, between(file, 1, 1));
    const about = file.filter(({ type }) => type === 'header' || type === 'image');
    assert.deepEqual(events, [...about, ...between(file, 3, 5)]);
    assert.deepEqual(last, { type: 'dump-end', why: 'done', whole: 3 });
    assert.deepEqual(with_dump, await replicate());
    assert.equal(stand.time.waiting, 0);
  });

  it('only the checkpoints', () => {
    const stand = new Stand();
    stand.feed(first);
    const reader = stand.begin({ records: false, checkpoints: 2 });
    for (let n = 0; n < 3; n += 1) stand.feed(checkpoint(2));
    stand.work();
    const types = reader.events.map(({ type }) => type);
    const one = ['checkpoint-begin', 'checkpoint-end'];
    assert.deepEqual(types, ['header', 'image', ...one, ...one]);
  });

  it('says nothing while the guest stands still', () => {
    const stand = new Stand();
    stand.feed(first);
    const reader = stand.begin();
    const said = reader.lines.length;
    const bytes = long(500);
    stand.feed(bytes.subarray(0, 9_000));
    stand.work();
    assert.equal(reader.lines.length, said);
    stand.feed(bytes.subarray(9_000));
    stand.turns.shift()?.();
    // One batch a turn: an acknowledgement that has come in is looked at in between.
    assert.deepEqual([reader.lines.length, reader.events.length], [said + 1, 2 + 64]);
    stand.feed(checkpoint(1).subarray(0, 100));
    stand.work();
    assert.equal(reader.events.length, 2 + 64);
  });

  it('who reads slowly gets everything, when he reads at all', () => {
    const stand = new Stand();
    stand.feed(first);
    const reader = stand.begin({ checkpoints: 1 });
    reader.reads = false;
    stand.feed(long(500));
    stand.work();
    assert.equal(reader.events.length, 2 + 64);
    for (let n = 0; n < 20; n += 1) {
      stand.time.pass(1_000);
      reader.drain();
      reader.reads = n > 5;
      stand.work();
    }
    assert.equal(reader.dropped, false);
    assert.equal(reader.events.length, 2 + 500 + 6 + 2);
    assert.deepEqual(reader.last, { type: 'dump-end', why: 'done', whole: 1 });
    assert.equal(stand.time.waiting, 0);
  });

  it('who does not read is dropped, and the next one may come', () => {
    const stand = new Stand();
    stand.feed(first);
    const stuck = stand.begin();
    stuck.reads = false;
    stand.feed(long(500));
    stand.work();
    const said = stuck.lines.length;
    stand.time.pass(4_900);
    assert.equal(stuck.dropped, false);
    stand.time.pass(100);
    assert.equal(stuck.dropped, true);
    stand.feed(checkpoint(1));
    stand.work();
    assert.equal(stuck.lines.length, said);
    assert.equal(stand.tap.busy, false);
    assert.equal(stand.time.waiting, 0);
    assert.equal(stand.begin().last?.type, 'dump');
  });

  it('who does not read is dropped at once when more comes than is kept', () => {
    const stand = new Stand();
    stand.feed(first);
    const stuck = stand.begin({ checkpoints: 100 });
    stuck.reads = false;
    for (let n = 0; n < 4 && !stuck.dropped; n += 1) {
      stand.feed(long(5_000));
      stand.work();
    }
    assert.equal(stuck.dropped, true);
    assert.equal(stand.tap.busy, false);
  });

  it('a checkpoint of more records than are kept: says so, and what is whole', () => {
    const stand = new Stand();
    stand.feed(first);
    const reader = stand.begin();
    stand.feed(long(10));
    stand.work();
    stand.feed(long(17_000));
    stand.work();
    assert.deepEqual(reader.last, { type: 'dump-end', why: 'too-many', whole: 1 });
    assert.ok(reader.events.length < 17_000);
    const summary = stand.begin({ records: false, checkpoints: 1 });
    stand.feed(long(17_000));
    stand.work();
    assert.deepEqual(summary.last, { type: 'dump-end', why: 'done', whole: 1 });
  });

  it('of a first copy of any size everything: the guest runs, and it is written meanwhile', () => {
    const stand = new Stand();
    const reader = stand.begin({ checkpoints: 1 });
    stand.feed(preamble());
    for (let n = 0; n < 30; n += 1) {
      stand.feed(Buffer.concat(new Array<Buffer>(1_000).fill(pageData([0xd]))));
      stand.work();
    }
    stand.feed(checkpoint(1));
    stand.work();
    assert.deepEqual(reader.last, { type: 'dump-end', why: 'done', whole: 1 });
    assert.equal(reader.events.filter(({ type }) => type === 'record').length, 30_000 + 4 + 6);
  });

  it('no checkpoint comes: it ends by itself, also when its time ends while one is read', () => {
    const stand = new Stand();
    stand.feed(first);
    const none = stand.begin();
    stand.time.pass(30_000);
    stand.work();
    assert.deepEqual(none.last, { type: 'dump-end', why: 'late', whole: 0 });
    const some = stand.begin();
    stand.feed(checkpoint(1));
    stand.feed(checkpoint(1).subarray(0, 4_200));
    stand.time.pass(30_000);
    stand.work();
    assert.equal(some.last?.type, 'dump');
    stand.feed(checkpoint(1).subarray(4_200));
    stand.work();
    assert.deepEqual(some.last, { type: 'dump-end', why: 'late', whole: 1 });
  });

  it('replication ends: what there is of the checkpoint, and why', () => {
    const stand = new Stand();
    stand.feed(first);
    const reader = stand.begin();
    stand.feed(checkpoint(1).subarray(0, 4_200));
    stand.tap.end('the connection to the backup is lost');
    assert.deepEqual(reader.last, {
      ...{ type: 'dump-end', why: 'ended', whole: 0 },
      reason: 'the connection to the backup is lost',
    });
    assert.equal(reader.events.at(-1)?.type, 'record');
  });

  it('replication ends, and there is more than can be said in time: it is not said to be all', () => {
    const stand = new Stand();
    stand.feed(first);
    const reader = stand.begin({ checkpoints: 1 });
    stand.feed(long(2_000));
    stand.tap.end('the backup is gone');
    assert.equal(reader.events.length, 2 + 1_024);
    assert.ok(reader.last?.type === 'dump-end' && reader.last.why === 'ended');
  });

  it('one at a time; who leaves makes room', () => {
    const stand = new Stand();
    stand.feed(first);
    const one = stand.begin();
    const two = stand.begin();
    assert.deepEqual(two.lines, [{ type: 'dump-end', why: 'busy', whole: 0 }]);
    one.leave();
    assert.equal(stand.time.waiting, 0);
    assert.equal(stand.begin().lines[0]?.type, 'dump-begun');
  });
});
