import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { checkpoints, fixture, Host, normalise, ROOT, Run, until } from './harness.js';
import { checkpointEnds, walk } from './stream-walk.js';

const ACTIVATE = Buffer.from('01000000ffffffff', 'hex');
const FAILOVER_TAIL = [
  'xc: info: Restore successful',
  'xc: info: XenStore: mfn 0xfeffc, dom 0, evt 1',
  'xc: info: Console: mfn 0xfefff, dom 0, evt 2',
  'migration target: Remus Failover for domain N',
];

describe('simulated xen: xl migrate-receive', function () {
  this.timeout(30_000);
  let source: Host;
  let host: Host;
  let data: Buffer;
  let ends: number[];

  before(async () => {
    source = new Host('4.17');
    await source.create('vm1');
    const file = join(source.dir, 'capture');
    const banner = "printf 'xl migration receiver ready, send binary domain data.\\n'";
    const command = `${banner}; exec cat >${file}`;
    const run = source.start(['remus', '-F', '-n', '-d', '-i', '20', '-s', '', 'vm1', command]);
    await until('checkpoints', () => checkpoints(run.stderr) >= 4);
    run.child.kill('SIGKILL');
    await run.ended;
    data = readFileSync(file);
    ends = checkpointEnds(walk(data));
  });
  after(() => source.close());
  beforeEach(() => (host = new Host('4.17')));
  afterEach(() => host.close());

  /** Feeds bytes to a receiver and ends its input, unless it is to stay open. */
  async function feed(
    bytes: Buffer,
    open = false,
  ): Promise<{ code: number | null; signal: string | null; lines: string[]; run: Run }> {
    const run = host.start(['migrate-receive', '-r', '-e'], bytes);
    if (!open) run.child.stdin?.end();
    const end = await run.ended;
    return { ...end, run, lines: normalise(run.stderr).split('\n').filter(Boolean) };
  }

  const afterCheckpoint = (n: number): number => ends[n - 1] ?? 0;

  it('says the banner and nothing else', async () => {
    const { run } = await feed(data.subarray(0, afterCheckpoint(2)));
    assert.equal(run.stdout, fixture('pvhc.rx.bin'));
    assert.equal(run.stdout.length, 54);
  });

  it('end of file between checkpoints: fails over', async () => {
    const { code, lines } = await feed(data.subarray(0, afterCheckpoint(2)));
    assert.equal(code, 0);
    const reason =
      'xc: error: Failed to read Record Header from stream (0 = Success): Internal error';
    assert.deepEqual(lines.slice(-5), [reason, ...FAILOVER_TAIL]);
    assert.equal(await host.state('vm1'), '-b----');
  });

  it('end of file in a checkpoint: fails over to the one before', async () => {
    const { code, lines } = await feed(data.subarray(0, afterCheckpoint(2) + 500));
    assert.equal(code, 0);
    const reason =
      'xc: error: Failed to read L bytes of data for record (0x00000001, Page data) (0 = Success): Internal error';
    assert.deepEqual(lines.slice(-5), [reason, ...FAILOVER_TAIL]);
  });

  it('end of file between CHECKPOINT and CHECKPOINT_END: the one before runs', async () => {
    const { code, lines } = await feed(data.subarray(0, afterCheckpoint(3) - 8));
    assert.equal(code, 0);
    assert.equal(lines.filter((line) => line.includes('All records processed')).length, 1);
    assert.deepEqual(lines.slice(-4), FAILOVER_TAIL);
  });

  it('an impossible record length activates, though the input stays open', async () => {
    const { code, lines } = await feed(
      Buffer.concat([data.subarray(0, afterCheckpoint(3)), ACTIVATE]),
      true,
    );
    assert.equal(code, 0);
    const reason =
      'xc: error: Record (0x00000001, Page data) length 0xffffffff exceeds max (0x8000000): Internal error';
    assert.deepEqual(lines.slice(-5), [reason, ...FAILOVER_TAIL]);
    assert.equal(await host.state('vm1'), '-b----');
    assert.equal(await host.state('vm1--incoming'), undefined);
  });

  it('before the first checkpoint: nothing to run, rc 1, nothing left', async () => {
    for (const bytes of [
      data.subarray(0, afterCheckpoint(1) - 16),
      Buffer.concat([data.subarray(0, afterCheckpoint(1) - 16), ACTIVATE]),
    ]) {
      const { code, lines } = await feed(bytes);
      assert.equal(code, 1);
      assert.equal(lines.at(-1), 'migration target: Domain creation failed (code -3).');
      assert.equal((await host.xl('list')).stdout.split('\n').length, 3);
    }
  });

  it('before the libxl header: dies of SIGSEGV and leaves an orphan', async () => {
    const { signal, lines } = await feed(data.subarray(0, walk(data).libxlAt));
    assert.equal(signal, 'SIGSEGV');
    assert.equal(
      lines.at(-1),
      'libxl: error: libxl_stream_read.c:340:stream_header_done: Invalid ident: expected 0x4c6962786c466d74, got 0x0000000000000000',
    );
    assert.match((await host.xl('list')).stdout, /^vm1--incoming +1 +0 +0 {5}--p---/m);
  });

  it('rubbish is refused', async () => {
    const { code } = await feed(Buffer.from('x'.repeat(100)));
    assert.equal(code, 1);
  });

  it('reads the real stream, and says what the real one said', async function () {
    if (process.getuid?.() !== 0) this.skip();
    const net = 'ip link add xenbr0 type bridge && exec "$@"';
    const xl = join(ROOT, 'dist/test/simxen/xl.js');
    const args = ['-n', 'sh', '-c', net, 'sh', process.execPath, xl, 'migrate-receive', '-r', '-e'];
    const run = new Run(spawn('unshare', args, { env: host.env, stdio: ['pipe', 'pipe', 'pipe'] }));
    assert.ok(run.child.stdin);
    createReadStream(join(ROOT, 'test/fixtures/xen/pvhc.tx.bin.gz'))
      .pipe(createGunzip())
      .pipe(run.child.stdin);
    assert.equal((await run.ended).code, 0);
    const about = /^(migration|Loading| Save|Parsing|xc: (info|error))/;
    const shown = (text: string): string[] =>
      normalise(text)
        .split('\n')
        .filter((line) => about.test(line));
    assert.deepEqual(shown(run.stderr), shown(fixture('pvhc.receiver-vvv.log')));
  });
});
