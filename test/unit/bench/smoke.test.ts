/** The bench works: its figures are worth nothing here. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bench = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], dir: string): Promise<Ran> {
  const child = spawn(process.execPath, [bench, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: dir },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

describe('bench', function () {
  this.timeout(60_000);
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'remus-bench-test-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('measures the product between the fake xl and the sink, says one JSON object, leaves nothing', async () => {
    const args = ['--tiny', '--runs', '1', '--only', 'ack,monitor', '--json'];
    const ran = await run(args, dir);
    assert.equal(ran.code, 0, ran.stderr);
    const said = JSON.parse(ran.stdout) as Record<string, unknown>;
    for (const name of ['ack_minus_rtt_ms', 'monitor_ms', 'monitor_vs_heartbeat_dummy']) {
      assert.equal(typeof said[name], 'number', `${name} of ${ran.stdout}`);
    }
    assert.equal(said['drain_vs_ssh'], null);
    assert.deepEqual(Object.keys(said['raw'] as object), ['ack', 'monitor']);
    assert.deepEqual(readdirSync(dir), []);
  });

  it('tells which items there are', async () => {
    const ran = await run(['--only', 'speed'], dir);
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /--only speed: there are drain, throughput/);
  });
});
