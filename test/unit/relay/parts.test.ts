import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseReceiverArgs, parseSenderArgs } from '../../../daemon/relay/args.js';
import { parseReceiverCommand, parseSenderCommand } from '../../../daemon/relay/commands.js';
import { DataBatch } from '../../../daemon/relay/data-batch.js';
import { Staging } from '../../../daemon/stream/staging.js';

const common = [
  ...['--rundir', '/run/r', '--statedir', '/var/r', '--resource', 'vm1', '--generation', '3'],
  ...['--session', 'ab12', '--expect', 'a'.repeat(64), '--replication-timeout-ms', '5000'],
];

describe('relay/args', () => {
  it('takes what remusd says', () => {
    const own = ['--connect', '10.77.1.2:41000', '--vifs', 'vif7.0,vif7.1'];
    const sender = parseSenderArgs([...common, ...own]);
    assert.deepEqual(sender.connect, { host: '10.77.1.2', port: 41000 });
    assert.deepEqual(sender.vifs, ['vif7.0', 'vif7.1']);
    assert.equal(sender.netbuf, 'on');
    assert.deepEqual([sender.compression, sender.queue_limit_mib], ['auto', 64]);
    assert.equal(sender.page_cache_mib, 64);
    const none = parseSenderArgs([...common, '--connect', '[fd00::2]:1', '--vifs', '']);
    assert.deepEqual([none.connect.host, none.vifs], ['fd00::2', []]);
    const receiver = parseReceiverArgs([...common, '--name', 'guest', '--listen', '10.77.1.2']);
    assert.equal(receiver.staging_limit_mib, 1024);
  });

  it('names the option that is wrong', () => {
    const wrong =
      (...own: string[]) =>
      () =>
        parseSenderArgs([...common, ...own]);
    assert.throws(wrong(), /--connect/);
    assert.throws(wrong('--connect', 'host'), /--connect/);
    assert.throws(wrong('--connect', 'h:1', '--vifs', 'eth0'), /--vifs/);
    assert.throws(wrong('--connect', 'h:1', '--generation', '0'), /--generation/);
    assert.throws(wrong('--connect', 'h:1', '--resource', '../x'), /--resource/);
    assert.throws(wrong('--connect', 'h:1', '--compression', 'zip'), /--compression/);
    assert.throws(wrong('--connect', 'h:1', '--page-cache-mib', '0'), /--page-cache-mib/);
    assert.throws(wrong('--connect', 'h:1', '--colour', 'red'), /--colour/);
  });
});

describe('relay/commands', () => {
  it('takes commands and nothing else', () => {
    assert.deepEqual(parseSenderCommand('{"type":"stop","reason":"x"}'), {
      type: 'stop',
      reason: 'x',
    });
    assert.deepEqual(parseReceiverCommand('{"type":"activate"}'), { type: 'activate' });
    for (const line of ['', '{', '[]', '{"type":"abort"}', '{"type":"activate2"}', 'null']) {
      assert.equal(parseSenderCommand(line), null);
      assert.equal(parseReceiverCommand(line), null);
    }
    assert.equal(parseSenderCommand('{"type":"activate"}'), null);
  });

  it('takes a dump within its limits', () => {
    const dump = { type: 'dump', checkpoints: 100, records: true, timeout_ms: 86_400_000 };
    assert.deepEqual(parseSenderCommand(JSON.stringify(dump)), dump);
    for (const wrong of [
      { checkpoints: 101 },
      { checkpoints: 0 },
      { records: 1 },
      { timeout_ms: 86_400_001 },
      { timeout_ms: 0.5 },
    ])
      assert.equal(parseSenderCommand(JSON.stringify({ ...dump, ...wrong })), null);
  });
});

describe('relay/data-batch', () => {
  it('joins neighbours without copying, and keeps the order', () => {
    const sent: Buffer[] = [];
    const batch = new DataBatch(8, (bytes) => void sent.push(bytes));
    const slab = Buffer.from('abcdefghijkl');
    for (const [from, to] of [
      [0, 3],
      [3, 7],
      [7, 10],
    ]) {
      batch.add(slab.subarray(from, to));
    }
    batch.add(Buffer.from('XY'));
    batch.flush();
    batch.flush();
    assert.deepEqual(sent.map(String), ['abcdefg', 'hij', 'XY']);
    assert.equal(sent[0]?.buffer, slab.buffer);
  });
});

describe('stream/staging', () => {
  it('gives out what was put in, up to any offset', () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }));
    const cuts = fc.array(fc.integer({ min: 0, max: 300 }));
    fc.assert(
      fc.property(pieces, cuts, (list, offsets) => {
        const staging = new Staging();
        for (const piece of list) staging.push(Buffer.from(piece));
        const all = Buffer.concat(list);
        const sorted = [...offsets].sort((a, b) => a - b);
        const out = sorted.map((offset) => Buffer.concat(staging.takeUntil(offset)));
        const upto = Math.min(all.length, sorted.at(-1) ?? 0);
        assert.ok(Buffer.concat(out).equals(all.subarray(0, upto)));
        assert.equal(staging.bytes, all.length - upto);
      }),
    );
  });
});
