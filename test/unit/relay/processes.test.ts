import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { existsSync, writeFileSync } from 'node:fs';
import { PatternGuest } from '../stream/patterns.js';
import { systemClock } from '../../../daemon/adapters/clock.js';
import { watchDump, type DumpWatch } from '../../../daemon/adapters/dump-link.js';
import type { DumpCommand } from '../../../daemon/relay/control.js';
import type { DecodeEvent } from '../../../daemon/stream/decoder.js';
import { checkpoint, pageData, preamble } from '../stream/stream-builder.js';
import { Bench, readCommand, until } from './bench.js';

const HOLD = ['--vifs', 'vif9.0'];
const first = Buffer.concat([preamble(), checkpoint(40)]);

function netLog(bench: Bench): string[] {
  return bench
    .text('net')
    .split('\n')
    .filter((line) => /plug (block|release)$/.test(line))
    .map((line) => line.split(' ').at(-1) ?? '');
}

/** The size of the pipe that a process reads from; 1032 is F_GETPIPE_SZ. */
function pipeBytes(pid: number | undefined): number {
  const ask = 'open(P, "<", $ARGV[0]) && print fcntl(P, 1032, 0)';
  const { stdout } = spawnSync('perl', ['-e', ask, `/proc/${pid}/fd/0`]);
  return Number(stdout);
}

/** All that tc was told about the output. It takes its lines up on its own time, in their order. */
async function told(bench: Bench, ...expected: string[]): Promise<void> {
  await until(`tc: ${expected.join(' ')}`, () => netLog(bench).length >= expected.length);
  assert.deepEqual(netLog(bench), expected);
}

function watch(command: DumpCommand, seen: DecodeEvent[] = []): DumpWatch {
  return {
    command,
    clock: systemClock,
    onEvents: (events) => void seen.push(...events),
    abandoned: new AbortController().signal,
  };
}

describe('relay, as processes', function () {
  this.timeout(30_000);
  let bench: Bench;

  beforeEach(async () => {
    bench = new Bench();
    await bench.prepare();
  });
  afterEach(() => bench.close());

  async function pair(extra: readonly string[] = HOLD, timeout_ms = 5000) {
    const receiver = await bench.receiver();
    const port = receiver.control.now().port;
    const sender = await bench.sender(port, { extra, timeout_ms });
    await until('banner', () => bench.text('a.out').includes('send binary domain data.\n'));
    return { receiver, sender };
  }

  async function protectedPair(extra: readonly string[] = HOLD, timeout_ms = 5000) {
    const both = await pair(extra, timeout_ms);
    both.sender.feed.write(first);
    await until('checkpoint 1', () => both.sender.control.now().stats.acked === 1);
    both.sender.feed.write(checkpoint(9));
    await until('checkpoint 2', () => both.sender.control.now().stats.acked === 2);
    await until('applied', () => both.receiver.control.now().applied === 2);
    return both;
  }

  it('copies, acknowledges, holds, and activates the last complete checkpoint', async () => {
    const { receiver, sender } = await pair();
    assert.equal(bench.text('a.out').length, 54);
    sender.feed.write(first);
    const flowing = await until('flowing', () =>
      sender.control.states.find((s) => s.phase === 'flowing'),
    );
    assert.equal(flowing.holding, false);
    assert.equal(flowing.netbuf_off, undefined);
    assert.equal(flowing.stats.guest_memory_bytes, 8 << 20);
    assert.equal(flowing.stats.first_copy_bytes, first.length);
    for (const pages of [3, 5]) {
      const acked = sender.control.now().stats.acked;
      sender.feed.write(checkpoint(pages));
      await until('acked', () => sender.control.now().stats.acked === acked + 1);
    }
    const state = sender.control.last;
    assert.ok(state);
    assert.deepEqual([state.phase, state.holding, state.holding_none], ['flowing', true, false]);
    assert.deepEqual([state.stats.sent, state.stats.last_pages], [3, 5]);
    await told(bench, 'block', 'release', 'block', 'release');
    await until('applied', () => receiver.control.now().applied === 3);
    assert.equal(receiver.control.now().phase, 'ready');
    const counted = await until('histograms', () => {
      const all = sender.control.histograms;
      return all?.pages.sum === 8 && all;
    });
    const times = [counted.pause_ms, counted.ack_ms, counted.hold_ms];
    assert.deepEqual(
      times.map(({ counts }) => counts.reduce((a, b) => a + b)),
      [2, 2, 2],
    );

    // Half a checkpoint must not count.
    sender.feed.write(checkpoint(8).subarray(0, 9000));
    await until('block', () => netLog(bench).length === 5);
    sender.child.kill('SIGKILL');
    await until('disconnected', () => !receiver.control.now().connected);
    assert.equal(receiver.control.now().phase, 'ready');
    receiver.control.send({ type: 'activate' });
    await until('activated', () => receiver.control.now().phase === 'activated');
    assert.equal(bench.text('outcome'), 'activated 3');
    receiver.control.send({ type: 'ping' });
    assert.equal(await receiver.exited, 0);
    assert.doesNotMatch(bench.text('calls').split('migrate-receive')[1] ?? '', /destroy/);
  });

  for (const compression of ['off', 'delta', 'lz4']) {
    it(`compression=${compression}: xl gets the same bytes, and state says how many went over the wire`, async () => {
      const guest = new PatternGuest('idle', 500);
      const { receiver, sender } = await pair([...HOLD, '--compression', compression]);
      const stream = [guest.firstCopy()];
      sender.feed.write(stream[0] ?? '');
      await until('checkpoint 1', () => sender.control.now().stats.acked === 1);
      for (let n = 2; n < 6; n += 1) {
        const bytes = guest.checkpoint(40);
        stream.push(bytes);
        sender.feed.write(bytes);
        await until(`checkpoint ${n}`, () => sender.control.now().stats.acked === n);
      }
      await until('applied', () => receiver.control.now().applied === 5);
      const raw = stream.reduce((sum, bytes) => sum + bytes.length, 0);
      assert.equal(receiver.control.now().bytes_total, raw);
      const { wire, last_bytes } = sender.control.now().stats;
      assert.ok(wire);
      assert.deepEqual([wire.coding, wire.why], [compression, `compression=${compression}`]);
      assert.ok(wire.last_bytes !== null && last_bytes !== null);
      if (compression === 'off') assert.ok(wire.last_bytes > last_bytes);
      else assert.ok(wire.last_bytes < last_bytes / 10 && wire.bytes_total < raw * 0.6);
      receiver.control.send({ type: 'activate' });
      await until('activated', () => receiver.control.now().phase === 'activated');
      assert.equal(bench.text('outcome'), 'activated 5');
    });
  }

  it('hands over: one more checkpoint, then nothing is read', async () => {
    const { receiver, sender } = await protectedPair();
    sender.control.send({ type: 'finish' });
    await until('finishing', () => sender.control.now().phase === 'finishing');
    sender.feed.write(checkpoint(3));
    await until('finished', () => sender.control.now().phase === 'finished');
    assert.equal(sender.control.now().stats.acked, 3);
    await told(bench, 'block', 'release', 'block', 'release');
    const before = sender.control.now().stats.bytes_total;
    sender.feed.write(checkpoint(3));
    await until('applied', () => receiver.control.now().applied === 3);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(sender.control.now().stats.bytes_total, before);
    receiver.control.send({ type: 'activate' });
    await until('activated', () => receiver.control.now().phase === 'activated');
    assert.equal(bench.text('outcome'), 'activated 3');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(sender.control.now().phase, 'finished');
    sender.control.send({ type: 'stop', reason: 'handed over' });
    assert.equal(await sender.exited, 0);
  });

  it('kill -9 of the receiver: the sender ends with a reason, xl stays paused; the next receiver clears up', async () => {
    const { receiver, sender } = await protectedPair();
    const xl = bench.xlPid();
    receiver.child.kill('SIGKILL');
    assert.equal(await sender.exited, 1);
    assert.match(
      bench.text('a', 'run', 'vm1', 'sender.last.json'),
      /connection to the backup is lost/,
    );
    assert.equal(sender.control.states.at(-1)?.phase, 'ended');
    assert.match(readCommand(xl), /migrate-receive/);
    assert.equal(bench.text('outcome'), '');
    await told(bench, 'block', 'release');

    const next = await bench.receiver({ session: 'cd34' });
    assert.equal(readCommand(xl), '');
    assert.match(bench.text('calls'), /destroy guest--incoming/);
    next.control.send({ type: 'abort', reason: 'test' });
    assert.equal(await next.exited, 0);
  });

  it('abort destroys the replica, and only then says ended', async () => {
    const { receiver, sender } = await protectedPair();
    const xl = bench.xlPid();
    receiver.control.send({ type: 'abort', reason: 'the test wants it' });
    assert.equal(await receiver.exited, 0);
    assert.equal(receiver.control.now().phase, 'ended');
    assert.equal(readCommand(xl), '');
    assert.match(bench.text('calls'), /migrate-receive -r -e\ndestroy guest--incoming/);
    assert.equal(await sender.exited, 1);
    assert.match(sender.control.now().reason ?? '', /the test wants it/);
    for (const name of ['receiver.sock', 'receiver.pid', 'fifo', 'xl-receive.pid']) {
      assert.equal(existsSync(bench.path('b', 'run', 'vm1', name)), false, name);
    }
  });

  it("xl's own end is noticed: the replica is lost", async () => {
    const { receiver } = await protectedPair();
    process.kill(-bench.xlPid(), 'SIGKILL');
    assert.equal(await receiver.exited, 1);
    assert.match(
      receiver.control.now().reason ?? '',
      /ended by itself \(SIGKILL\), the replica is lost/,
    );
  });

  it('a garbled stream ends the sender; the backup keeps its checkpoint', async () => {
    const { receiver, sender } = await protectedPair();
    sender.feed.write(Buffer.alloc(5000, 0x55));
    assert.equal(await sender.exited, 1);
    assert.match(sender.control.now().reason ?? '', /migration stream, byte \d+/);
    await until('disconnected', () => !receiver.control.now().connected);
    receiver.control.send({ type: 'activate' });
    await until('activated', () => receiver.control.now().phase === 'activated');
    assert.equal(bench.text('outcome'), 'activated 2');
  });

  it('the end of xl remus ends the sender in good order', async () => {
    const { sender, receiver } = await protectedPair();
    sender.feed.destroy();
    assert.equal(await sender.exited, 0);
    assert.equal(sender.control.now().reason, 'xl remus has ended');
    assert.match(receiver.control.now().reason ?? '', /xl remus has ended/);
    assert.equal(receiver.control.now().phase, 'ready');
    assert.equal(existsSync(bench.path('a', 'run', 'vm1', 'sender.sock')), false);
  });

  it('refuses another session, and takes the right one afterwards', async () => {
    const receiver = await bench.receiver();
    const port = receiver.control.now().port;
    const wrong = await bench.sender(port, { session: 'ffff', extra: ['--netbuf', 'off'] });
    assert.equal(await wrong.exited, 1);
    assert.match(wrong.control.now().reason ?? '', /another session/);
    const right = await bench.sender(port, { extra: ['--netbuf', 'off'] });
    right.feed.write(first);
    await until('acked', () => right.control.now().stats.acked === 1);
    assert.equal(right.control.now().holding_none, true);
    assert.equal(right.control.now().netbuf_off, true);
  });

  it('a stopped receiver is dropped within the timeout', async () => {
    const { receiver, sender } = await protectedPair(HOLD, 1000);
    receiver.child.kill('SIGSTOP');
    const began = performance.now();
    assert.equal(await sender.exited, 1);
    assert.ok(performance.now() - began < 3000);
    assert.match(
      sender.control.now().reason ?? '',
      /nothing was heard from the backup for 1000 ms/,
    );
    receiver.child.kill('SIGCONT');
    await until('disconnected', () => !receiver.control.now().connected);
    assert.equal(receiver.control.now().phase, 'ready');
  });

  it('a checkpoint that is not acknowledged in time drops the replica', async () => {
    const { receiver, sender } = await protectedPair(HOLD, 1000);
    receiver.child.kill('SIGSTOP');
    sender.feed.write(checkpoint(4));
    assert.equal(await sender.exited, 1);
    assert.match(sender.control.now().reason ?? '', /not acknowledged|nothing was heard/);
    await told(bench, 'block', 'release', 'block');
  });

  it('without control over the output it goes no further', async () => {
    const { sender } = await protectedPair();
    writeFileSync(bench.path('break'), '');
    sender.feed.write(checkpoint(4));
    assert.equal(await sender.exited, 1);
    assert.match(sender.control.now().reason ?? '', /output cannot be controlled.*Command failed/);
    assert.equal(sender.control.now().stats.sent, 2);
  });

  it('reads 8 bytes of a checkpoint, and no more before the block', async () => {
    const { receiver, sender } = await protectedPair(HOLD, 4000);
    receiver.child.kill('SIGSTOP');
    const before = sender.control.now().stats.bytes_total;
    const third = checkpoint(4);
    sender.feed.write(third);
    await until('third', () => sender.control.now().stats.sent === 3);
    // A checkpoint that is faster than the narrowing has no block.
    await until('narrow', () => pipeBytes(sender.child.pid) === 4096);
    sender.feed.write(checkpoint(50));
    await new Promise((resolve) => setTimeout(resolve, 300));
    // The fourth waits for the third's acknowledgement, unread and without a block.
    assert.equal(sender.control.now().stats.bytes_total, before + third.length);
    await told(bench, 'block', 'release', 'block');
    receiver.child.kill('SIGCONT');
    await until('fourth', () => sender.control.now().stats.acked === 4);
    await told(bench, 'block', 'release', 'block', 'release', 'block', 'release');
  });

  it('cannot activate before the first checkpoint is complete; a broken first copy is given up', async () => {
    const { receiver, sender } = await pair();
    sender.feed.write(first.subarray(0, 60_000));
    await until('first-copy', () => receiver.control.now().phase === 'first-copy');
    receiver.control.send({ type: 'activate' });
    await until('refused', () =>
      /no complete checkpoint/.test(receiver.control.now().reason ?? ''),
    );
    assert.equal(receiver.control.now().phase, 'first-copy');
    sender.child.kill('SIGKILL');
    assert.equal(await receiver.exited, 1);
    assert.match(receiver.control.now().reason ?? '', /first copy was broken off/);
    assert.equal(bench.text('outcome'), '');
    assert.match(bench.text('calls'), /destroy guest--incoming\n$/);
  });

  it('SIGTERM gives the replica up and says so; on the sender it ends replication', async () => {
    const { receiver, sender } = await protectedPair();
    receiver.child.kill('SIGTERM');
    assert.equal(await receiver.exited, 0);
    assert.match(receiver.control.now().reason ?? '', /ended by SIGTERM/);
    assert.equal(bench.text('outcome'), '');
    assert.equal(await sender.exited, 1);
  });

  it('outlives its daemons, and drops who speaks rubbish', async () => {
    const { sender } = await protectedPair();
    const path = bench.path('a', 'run', 'vm1', 'sender.sock');
    sender.control.raw('hello\n');
    await until('dropped', () => sender.control.closed);
    const many = Array.from({ length: 12 }, () => connect(path).on('error', () => undefined));
    await new Promise((resolve) => setTimeout(resolve, 200));
    sender.feed.write(checkpoint(2));
    const last = many.at(-1);
    assert.ok(last);
    let text = '';
    last.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await until('acked 3', () => text.includes('"acked":3'));
    for (const socket of many) socket.destroy();
  });

  it('shows its records to who asks, and drops who does not read, at no cost to replication', async () => {
    const session = 'ab12cd34';
    const { port } = (await bench.receiver({ session })).control.now();
    const sender = await bench.sender(port, { extra: HOLD, session });
    for (let n = 1; n < 3; n += 1) {
      sender.feed.write(n === 1 ? first : checkpoint(n));
      await until(`acked ${n}`, () => sender.control.now().stats.acked === n);
    }
    const path = bench.path('a', 'run', 'vm1', 'sender.sock');
    const command = { type: 'dump', checkpoints: 100, records: true, timeout_ms: 60_000 } as const;
    const stuck = connect(path).on('error', () => undefined);
    let dropped = false;
    stuck.on('close', () => (dropped = true));
    stuck.pause().write(`${JSON.stringify(command)}\n`);
    const many = Buffer.concat([...new Array<Buffer>(4_000).fill(pageData([0xd])), checkpoint(1)]);
    for (let n = 3; n < 6; n += 1) {
      sender.feed.write(many);
      await until(`acked ${n}`, () => sender.control.now().stats.acked === n);
    }
    const busy = await watchDump(path, watch({ ...command, checkpoints: 1 }));
    assert.deepEqual(busy, { type: 'dump-end', why: 'busy', whole: 0 });
    // What has come is read, then the end of the connection is seen.
    await new Promise((resolve) => setTimeout(resolve, 5_500));
    stuck.resume();
    await until('dropped', () => dropped);

    const seen: DecodeEvent[] = [];
    const more = watchDump(path, watch({ ...command, checkpoints: 2 }, seen));
    await until('the stream begins', () => seen.length === 2);
    for (let n = 6; n < 8; n += 1) {
      sender.feed.write(checkpoint(n));
      await until(`acked ${n}`, () => sender.control.now().stats.acked === n);
    }
    assert.deepEqual(await more, { type: 'dump-end', why: 'done', whole: 2 });
    const ends = seen.filter((event) => event.type === 'checkpoint-end');
    assert.deepEqual(
      ends.map(({ number, pages }) => [number, pages]),
      [
        [6, 6],
        [7, 7],
      ],
    );
    const cut = watchDump(path, watch(command, seen));
    const shown = seen.length;
    await until('it has begun', () => seen.length > shown);
    sender.control.send({ type: 'stop', reason: 'enough' });
    const outcome = await cut;
    assert.deepEqual(outcome, { type: 'dump-end', why: 'ended', whole: 0, reason: 'enough' });
  });

  it('wrong options: exit code 2', () => {
    for (const program of ['sender', 'receiver']) {
      const main = new URL(`../../../daemon/relay/${program}-main.js`, import.meta.url);
      const result = spawnSync(process.execPath, [fileURLToPath(main), '--generation', '0']);
      assert.equal(result.status, 2);
      assert.match(result.stderr.toString(), /wrong options.*option --/);
    }
  });
});
