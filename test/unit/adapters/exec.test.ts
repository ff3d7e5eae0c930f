import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SpawnError, childEnv, createExec, spawnPiped } from '../../../daemon/adapters/exec.js';

const exec = createExec();

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie that its parent (pid 1 of a container) does not reap still answers to kill(0).
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function gone(pid: number, within_ms = 3000): Promise<boolean> {
  for (const end = Date.now() + within_ms; Date.now() < end;) {
    if (!alive(pid)) return true;
    await sleep(20);
  }
  return false;
}

describe('exec', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'remus-exec-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('gives one flat record', async () => {
    const r = await exec.run(['sh', '-c', 'echo out; echo err >&2; exit 3'], { timeout_ms: 5000 });
    assert.equal(r.code, 3);
    assert.equal(r.signal, null);
    assert.equal(r.stdout, 'out\n');
    assert.equal(r.stderr, 'err\n');
    assert.equal(r.timed_out, false);
    assert.deepEqual(r.argv, ['sh', '-c', 'echo out; echo err >&2; exit 3']);
    assert.ok(r.duration_ms >= 0);
  });

  it('passes arguments as they are, and stdin', async () => {
    const odd = 'a "b" $(c) *';
    const r = await exec.run(['sh', '-c', 'printf %s "$1"; cat', 'sh', odd], {
      timeout_ms: 5000,
      stdin: '|in',
    });
    assert.equal(r.stdout, `${odd}|in`);
  });

  it('says why a program could not be started', async () => {
    const missing = await exec.run(['/no/such/program'], { timeout_ms: 1000 });
    assert.equal(missing.spawn_error, 'ENOENT');
    assert.equal(missing.code, null);
    assert.match(missing.stderr, /not found in PATH/);
    writeFileSync(join(dir, 'plain'), 'x', { mode: 0o644 });
    const plain = await exec.run([join(dir, 'plain')], { timeout_ms: 1000 });
    assert.equal(plain.spawn_error, 'EACCES');
    const nul = await exec.run(['echo', 'a\0b'], { timeout_ms: 1000 });
    assert.equal(nul.spawn_error, 'ERR_INVALID_ARG_VALUE');
    assert.ok((await exec.run([], { timeout_ms: 1000 })).spawn_error);
  });

  it('keeps its deadline against a program that ignores SIGTERM, and takes the whole group', async () => {
    const file = join(dir, 'pids');
    const script = `trap "" TERM; sleep 60 & echo $! $$ > ${file}; while :; do sleep 1; done`;
    const r = await exec.run(['sh', '-c', script], { timeout_ms: 300, kill_grace_ms: 200 });
    assert.equal(r.timed_out, true);
    assert.equal(r.signal, 'SIGKILL');
    assert.ok(r.duration_ms >= 450 && r.duration_ms < 3000, String(r.duration_ms));
    for (const pid of readFileSync(file, 'utf8').trim().split(' ')) {
      assert.ok(await gone(Number(pid)), `pid ${pid} is left`);
    }
  });

  it('lets a program end by itself on SIGTERM', async () => {
    const r = await exec.run(['sh', '-c', 'trap "echo bye; exit 5" TERM; sleep 60 & wait'], {
      timeout_ms: 200,
    });
    assert.equal(r.timed_out, true);
    assert.equal(r.code, 5);
    assert.equal(r.stdout, 'bye\n');
  });

  it('does not wait for a grandchild that keeps the pipes open', async () => {
    const r = await exec.run(['sh', '-c', 'sleep 5 & echo $!'], { timeout_ms: 4000 });
    assert.equal(r.code, 0);
    assert.ok(r.duration_ms < 2000, String(r.duration_ms));
    process.kill(Number(r.stdout), 'SIGKILL');
  });

  it('cuts output off at the bound and lets the program go on', async () => {
    const r = await exec.run(['sh', '-c', 'head -c 3000000 /dev/zero; echo done >&2'], {
      timeout_ms: 10_000,
      max_output_bytes: 1000,
    });
    assert.equal(r.code, 0);
    assert.equal(r.stdout.length, 1000);
    assert.equal(r.stderr, 'done\n');
  });

  it('survives a program that does not read its stdin', async () => {
    const r = await exec.run(['true'], { timeout_ms: 5000, stdin: 'x'.repeat(1_000_000) });
    assert.equal(r.code, 0);
  });

  it('keeps the service manager to itself and speaks English', () => {
    const old = process.env;
    process.env = {
      ...old,
      NOTIFY_SOCKET: '/x',
      WATCHDOG_USEC: '1',
      WATCHDOG_PID: '2',
      LANG: 'de',
    };
    try {
      const env = childEnv({ A: 'b' });
      assert.deepEqual(
        [env['NOTIFY_SOCKET'], env['WATCHDOG_USEC'], env['WATCHDOG_PID'], env['LC_ALL'], env['A']],
        [undefined, undefined, undefined, 'C', 'b'],
      );
      assert.equal(env['PATH'], old['PATH']);
    } finally {
      process.env = old;
    }
  });

  it('a detached program has its own session, logs to its file and outlives us', async () => {
    const module = new URL('../../../daemon/adapters/exec.js', import.meta.url).href;
    const log = join(dir, 'log');
    writeFileSync(log, 'before\n');
    const code = `import { createExec } from ${JSON.stringify(module)};
      const { pid } = await createExec().spawnDetached(
        ['sh', '-c', 'echo started; echo warning >&2; exec sleep 60'], { log_path: ${JSON.stringify(log)} });
      console.log(pid);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', code]);
    let out = '';
    parent.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await new Promise((resolve) => parent.once('close', resolve));
    const pid = Number(out);
    try {
      assert.ok(alive(pid), 'it died with its parent');
      for (let i = 0; i < 100 && !readFileSync(log, 'utf8').includes('warning'); i++)
        await sleep(20);
      assert.equal(readFileSync(log, 'utf8'), 'before\nstarted\nwarning\n');
      const session = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3];
      assert.equal(Number(session), pid);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  it('a detached program that is not there is an error, and a large log is set aside', async () => {
    const log_path = join(dir, 'log');
    writeFileSync(log_path, 'x'.repeat(2_000_000));
    await assert.rejects(exec.spawnDetached(['/no/such'], { log_path }), SpawnError);
    assert.equal(statSync(`${log_path}.old`).size, 2_000_000);
    assert.equal(statSync(log_path).size, 0);
  });

  it('a piped child: lines both ways, stderr tail, exit', async () => {
    const lines: string[] = [];
    const child = await spawnPiped(
      ['sh', '-c', 'while read l; do echo "got $l"; done; echo bye >&2; exit 4'],
      {
        onLine: (line) => lines.push(line),
      },
    );
    child.stdin?.write('one\ntwo\n');
    child.stdin?.end();
    assert.deepEqual(await child.exited, { code: 4, signal: null });
    for (let i = 0; i < 50 && child.stderrTail() === ''; i++) await sleep(10);
    assert.deepEqual(lines, ['got one', 'got two']);
    assert.equal(child.stderrTail(), 'bye\n');
    assert.equal(child.signal('SIGTERM'), false);
    assert.deepEqual(await child.stop(10), { code: 4, signal: null });
  });

  it('a piped child inherits the descriptors it is given', async () => {
    writeFileSync(join(dir, 'in'), 'from a file');
    const out = join(dir, 'out');
    const child = await spawnPiped(['sh', '-c', 'cat; cat <&3 >&2'], {
      stdin: openSync(join(dir, 'in'), 'r'),
      stdout: openSync(out, 'w'),
      stderr: openSync(join(dir, 'err'), 'w'),
      extra_fds: [openSync(join(dir, 'in'), 'r')],
    });
    assert.equal(child.stdin, null);
    assert.equal((await child.exited).code, 0);
    assert.equal(readFileSync(out, 'utf8'), 'from a file');
    assert.equal(readFileSync(join(dir, 'err'), 'utf8'), 'from a file');
  });

  it('stops a piped child that ignores SIGTERM', async () => {
    const child = await spawnPiped([
      'sh',
      '-c',
      'trap "" TERM; echo up; while :; do sleep 1; done',
    ]);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    assert.deepEqual(await child.stop(100), { code: null, signal: 'SIGKILL' });
    await assert.rejects(spawnPiped(['/no/such']), SpawnError);
  });
});
