/** remusctl dump VM, as a process, against a daemon of canned answers; and what of its words is a file. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { StreamDecoder } from '../../../daemon/stream/decoder.js';
import { checkpoint, preamble } from '../stream/stream-builder.js';
import { FakeDaemon } from './fake-daemon.js';

const main = resolve(import.meta.dirname, '../../../ctl/main.js');
const stream = Buffer.concat([preamble(), checkpoint(3), checkpoint(2)]);
const item = `item=${JSON.stringify(new StreamDecoder().push(stream))}\n`;

describe('remusctl dump of a VM', function () {
  this.timeout(60_000);
  let dir = '';
  let daemon: FakeDaemon;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'remusctl-dump-live-'));
    daemon = new FakeDaemon();
    await daemon.listen();
    daemon.answers(`progress=\n${item}rc=0\njson={"checkpoints":2}\nend\n`);
  });
  afterEach(async () => {
    await daemon.close();
    rmSync(dir, { recursive: true });
  });

  async function dump(...args: string[]) {
    const env = { ...process.env, REMUS_RUNDIR: daemon.run_dir };
    const child = spawn(process.execPath, [main, 'dump', ...args], { env, cwd: dir });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  }

  it('asks for the next three, and prints them as those of a file', async () => {
    const live = await dump('vm1');
    assert.deepEqual([live.code, live.err], [0, '']);
    assert.deepEqual(daemon.requests, [
      'remus 1\naction=dump\nresource=vm1\ncheckpoints=3\nrecords=1\nwait_ms=30000\n\n',
    ]);
    writeFileSync(join(dir, 'stream'), stream);
    assert.equal(live.out, (await dump('stream')).out);
    for (const flag of ['--json', '--summary'])
      assert.equal((await dump('vm1', flag)).out, (await dump('./stream', flag)).out, flag);
  });

  it('other numbers, and only the checkpoints', async () => {
    await dump('vm1', '--summary', '--checkpoints', '7', '--timeout', '5');
    assert.match(daemon.requests[0] ?? '', /checkpoints=7\nrecords=0\nwait_ms=5000\n/);
  });

  it('a VM and a file of one name: the file, but with --checkpoints or --timeout the VM', async () => {
    writeFileSync(join(dir, 'vm1'), 'no stream');
    const file = await dump('vm1');
    assert.equal(file.code, 1);
    assert.match(
      file.err,
      /^remusctl: the file vm1: .*; to look at a VM of that name: remusctl dump vm1 --checkpoints 3\n$/,
    );
    assert.equal(daemon.requests.length, 0);
    assert.equal((await dump('vm1', '--checkpoints', '2')).code, 0);
    assert.equal((await dump('vm1', '--timeout', '9')).code, 0);
    assert.equal(daemon.requests.length, 2);
  });

  it('a directory of the same name is no file', async () => {
    mkdirSync(join(dir, 'vm1'));
    assert.equal((await dump('vm1')).code, 0);
  });

  it('what has a slash, or cannot be a VM, is a file', async () => {
    for (const word of ['./vm1', '/none/vm1', 'a stream', 'x'.repeat(129)])
      assert.match((await dump(word)).err, /cannot be read: no such file or directory/, word);
    for (const word of ['./vm1', '-']) {
      const { code, err } = await dump(word, '--checkpoints', '1');
      assert.equal(code, 2);
      assert.match(
        err,
        /--checkpoints is for the live stream of a VM, and ".*" cannot be one; type/,
      );
    }
    assert.equal(daemon.requests.length, 0);
  });

  it('remusd refuses: its reason, and that there is no such file; what came before is printed', async () => {
    daemon.answers('rc=1\nreason=vm1 is not replicating; type: remusctl status vm1\nend\n');
    const { code, out, err } = await dump('vm1');
    assert.deepEqual([code, out], [1, '']);
    assert.equal(
      err,
      'remusctl: the stream of VM vm1 (there is no file of that name here): vm1 is not replicating; type: remusctl status vm1\n',
    );
    assert.doesNotMatch((await dump('vm1', '--timeout', '1')).err, /no file/);
    daemon.answers(`${item}rc=1\nreason=1 of 2 checkpoints, then replication ended\nend\n`);
    const some = await dump('vm1', '--summary');
    assert.equal(some.code, 1);
    assert.match(some.out, /checkpoint 2 ends/);
    assert.match(some.err, /^remusctl: the stream of VM vm1: 1 of 2 checkpoints/);
  });

  it('a remusd of a former release', async () => {
    daemon.answers('rc=3\nreason=this remusd does not know the action dump\nend\n');
    const { code, err } = await dump('vm1', '--checkpoints', '1');
    assert.equal(code, 1);
    assert.match(err, /of a former release.*type: systemctl restart remusd\n$/);
  });

  it('no remusd, and perhaps a mistyped file', async () => {
    await daemon.close();
    const { code, err } = await dump('capture.gz');
    assert.equal(code, 1);
    assert.match(
      err,
      /VM capture\.gz \(there is no file of that name here\): remusd is not running/,
    );
    daemon = new FakeDaemon();
    await daemon.listen();
  });

  it('broken off in the middle, and rubbish', async () => {
    daemon.answers(item);
    assert.match((await dump('vm1')).err, /broken off: .*type: remusctl dump vm1 --json > FILE\n$/);
    daemon.answers(`item=[{"type":"record","layer":"libxc"}]\nrc=0\nend\n`);
    const { code, err } = await dump('vm1');
    assert.equal(code, 1);
    assert.match(err, /what remusd answered cannot be understood/);
  });
});
