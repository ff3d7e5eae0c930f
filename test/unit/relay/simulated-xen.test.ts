import assert from 'node:assert/strict';
import { Host, type Run } from '../simxen/harness.js';
import { Bench, until, type Control, type Process } from './bench.js';
import type { ReceiverState, SenderState } from '../../../daemon/relay/control.js';

/** The data path with the simulated `xl` on both ends: a guest that has memory, and what becomes of it. */
describe('relay, between two simulated hosts', function () {
  this.timeout(60_000);
  let primary: Host;
  let backup: Host;
  let bench: Bench;
  let receiver: Process<ReceiverState>;
  let remus: Run;
  let sender: Control<SenderState>;

  beforeEach(async () => {
    primary = new Host();
    backup = new Host();
    bench = new Bench({ a: primary.env, b: backup.env });
    await bench.prepare();
    Object.assign(primary.env, bench.env('a'));
    await primary.create('guest');
    receiver = await bench.receiver();
    const command = bench.senderCommand(receiver.control.now().port, {
      extra: ['--vifs', 'vif9.0'],
    });
    remus = primary.start(['remus', '-F', '-n', '-d', '-i', '50', '-s', '', 'guest', command]);
    sender = await bench.senderControl();
    await until(`flowing (${remus.stderr})`, () => sender.now().stats.acked >= 4);
    await until('fed', () => receiver.control.now().applied >= 4);
  });
  afterEach(async () => {
    bench.close();
    await primary.close();
    await backup.close();
  });

  async function activate(): Promise<void> {
    receiver.control.send({ type: 'activate' });
    await until('activated', () => receiver.control.now().phase === 'activated');
    assert.match((await backup.state('guest')) ?? '', /^[rb-]-----|^-b----/);
    assert.equal(await backup.state('guest--incoming'), undefined);
  }

  it('protects: the replica is paused, the guest runs, its memory is known', async () => {
    assert.equal(sender.now().phase, 'flowing');
    assert.equal(sender.now().holding, true);
    assert.equal(sender.now().stats.guest_memory_bytes, 8 << 20);
    assert.equal(receiver.control.now().phase, 'ready');
    assert.match((await backup.state('guest--incoming')) ?? '', /^--p---/);
  });

  it('kill -9 of the sender: the guest runs on, nothing is activated until it is ordered', async () => {
    process.kill(sender.now().pid, 'SIGKILL');
    assert.equal((await remus.ended).code, 1);
    assert.match(remus.stderr, /Backup failed\? resuming domain at primary/);
    assert.match((await primary.state('guest')) ?? '', /^[rb-]-----|^-b----/);
    await until('lost', () => !receiver.control.now().connected);
    assert.equal(receiver.control.now().phase, 'ready');
    assert.match((await backup.state('guest--incoming')) ?? '', /^--p---/);
    await activate();
  });

  it('kill -9 of the receiver: the guest runs on, the replica stays paused', async () => {
    receiver.child.kill('SIGKILL');
    assert.equal((await remus.ended).code, 1);
    assert.match((await primary.state('guest')) ?? '', /^[rb-]-----|^-b----/);
    assert.match((await backup.state('guest--incoming')) ?? '', /^--p---/);
    const next = await bench.receiver({ session: 'cd34' });
    assert.equal(await backup.state('guest'), undefined);
    next.control.send({ type: 'abort', reason: 'test' });
    assert.equal(await next.exited, 0);
    assert.equal(await backup.state('guest--incoming'), undefined);
  });

  it('handover: the primary stands still, is destroyed, the replica runs', async () => {
    sender.send({ type: 'finish' });
    await until('finished', () => sender.now().phase === 'finished');
    assert.equal((await primary.xl('destroy', 'guest')).code, 0);
    await activate();
    assert.equal(receiver.control.now().applied, sender.now().stats.acked);
  });

  it('abort leaves nothing on the backup, and the guest runs on', async () => {
    receiver.control.send({ type: 'abort', reason: 'test' });
    assert.equal(await receiver.exited, 0);
    assert.equal(await backup.state('guest--incoming'), undefined);
    assert.equal((await remus.ended).code, 1);
    assert.match((await primary.state('guest')) ?? '', /^[rb-]-----|^-b----/);
  });

  it('destroying the replica behind our back is noticed', async () => {
    await backup.xl('destroy', 'guest--incoming');
    assert.equal(await receiver.exited, 1);
    assert.match(receiver.control.now().reason ?? '', /the replica is lost/);
    assert.equal((await remus.ended).code, 1);
  });
});
