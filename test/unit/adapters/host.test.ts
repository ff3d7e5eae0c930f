import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { systemClock } from '../../../daemon/adapters/clock.js';
import { AdapterError, oneLine } from '../../../daemon/adapters/errors.js';
import { LineSplitter, LineTooLong } from '../../../daemon/adapters/lines.js';
import { createLog, underJournal } from '../../../daemon/adapters/log.js';
import {
  findProcesses,
  identify,
  isAlive,
  killProcess,
  parseStat,
  readPidFile,
  stopProcess,
  writePidFile,
} from '../../../daemon/adapters/process-table.js';
import { History, Registrations, StoreError } from '../../../daemon/adapters/store.js';
import { createSystemd } from '../../../daemon/adapters/systemd.js';
import { Stubs } from './stubs.js';

let stubs: Stubs;
beforeEach(() => (stubs = new Stubs()));
afterEach(() => stubs.remove());

describe('lines', () => {
  it('are the same at every split', () => {
    const bytes = Buffer.from('one\n\nzwölf\nlast');
    for (let at = 0; at <= bytes.length; at++) {
      const splitter = new LineSplitter(100, 'throw');
      const lines = [bytes.subarray(0, at), bytes.subarray(at)].flatMap((part) =>
        splitter.push(part),
      );
      assert.deepEqual([...lines, ...splitter.end()], ['one', '', 'zwölf', 'last']);
    }
  });

  it('are bounded', () => {
    const cutting = new LineSplitter(4, 'cut');
    assert.deepEqual(cutting.push(Buffer.from('123456')), []);
    assert.deepEqual(cutting.push(Buffer.from('7\nab\n')), ['1234', 'ab']);
    assert.deepEqual(new LineSplitter(4, 'throw').push(Buffer.from('1234\n')), ['1234']);
    assert.throws(() => new LineSplitter(4, 'throw').push(Buffer.from('12345')), LineTooLong);
    assert.equal(oneLine('a\n\u001b[31mb\t'), 'a [31mb');
    assert.equal(oneLine('x'.repeat(1000)).length, 600);
  });
});

describe('log', () => {
  async function logged(journal: boolean): Promise<string[]> {
    const path = join(stubs.dir, 'log');
    const fd = openSync(path, 'w');
    const log = createLog({ fd, journal, level: 'info' });
    log.debug('not this');
    log.info('started', { port: 7900 });
    log.with({ resource: 'vm1' }).error('xl failed', {
      error: new AdapterError('failed', 'constant', 'do this', { argv: ['xl'] }),
      huge: 'x'.repeat(10_000),
    });
    assert.equal(await log.flush(1000), true);
    closeSync(fd);
    return readFileSync(path, 'utf8').trimEnd().split('\n');
  }

  it('is JSON lines with a constant message and the variables beside it', async () => {
    const [first, second, ...rest] = (await logged(false)).map(
      (line) => JSON.parse(line) as Record<string, unknown>,
    );
    assert.deepEqual(rest, []);
    assert.match(String(first?.['time']), /^\d{4}-.*Z$/);
    assert.deepEqual(
      { ...first, time: '' },
      { level: 'info', time: '', port: 7900, msg: 'started' },
    );
    assert.equal(second?.['resource'], 'vm1');
    assert.deepEqual(second['error'], {
      name: 'AdapterError',
      code: 'failed',
      message: 'constant',
      sentence: 'do this',
      argv: ['xl'],
    });
    assert.equal(String(second['huge']).length, 4099);
  });

  it("has syslog's priorities for the journal", async () => {
    const lines = await logged(true);
    assert.match(lines[0] ?? '', /^<6>\{/);
    assert.match(lines[1] ?? '', /^<3>\{/);
    assert.ok(underJournal({ JOURNAL_STREAM: '8:1' }));
    assert.ok(!underJournal({}));
  });

  it('never waits for a reader that stalls, and counts what is lost', async () => {
    const module = new URL('../../../daemon/adapters/log.js', import.meta.url).href;
    const code = `import { createLog } from ${JSON.stringify(module)};
      const log = createLog({ max_bytes: 64 * 1024 });
      let longest = 0;
      for (let turn = 0; turn < 20; turn++) {
        const began = performance.now();
        for (let i = 0; i < 200; i++) log.info('a line', { filler: 'x'.repeat(200), i });
        await new Promise((resolve) => setTimeout(resolve, 5));
        longest = Math.max(longest, performance.now() - began);
      }
      await log.flush(100);
      console.error(JSON.stringify({ longest, dropped: log.dropped }));
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
    try {
      const text = await new Promise<string>((resolve) => {
        child.stderr.once('data', (chunk: Buffer) => resolve(chunk.toString()));
      });
      const { longest, dropped } = JSON.parse(text) as { longest: number; dropped: number };
      assert.ok(longest < 1000, String(longest));
      assert.ok(dropped > 1000, String(dropped));
      // Somebody reads again: the loss is said.
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      for (let i = 0; i < 200 && !out.includes('were lost'); i++) await sleep(10);
      assert.match(out, /"dropped":\d+,"msg":"log lines were lost/);
    } finally {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
    }
  });
});

describe('store', () => {
  const schema = z.object({
    role: z.enum(['primary', 'backup']),
    params: z.record(z.string(), z.string()),
  });
  const vm1 = { role: 'primary' as const, params: { config: '/etc/xen/vm1.cfg' } };

  it('registrations: put, all, replace, remove', async () => {
    const store = new Registrations(stubs.dir, schema);
    assert.equal((await store.all()).found.size, 0);
    await store.remove('vm1');
    await store.put('vm1', vm1);
    await store.put('vm2.x', vm1);
    await store.put('vm1', { ...vm1, role: 'backup' });
    const { found, damaged } = await new Registrations(stubs.dir, schema).all();
    assert.deepEqual([...found.keys()], ['vm1', 'vm2.x']);
    assert.equal(found.get('vm1')?.role, 'backup');
    assert.deepEqual(damaged, []);
    assert.deepEqual(readdirSync(join(stubs.dir, 'vms')), ['vm1.json', 'vm2.x.json']);
    assert.equal(statSync(join(stubs.dir, 'vms', 'vm1.json')).mode & 0o777, 0o600);
    await store.remove('vm1');
    await store.remove('vm1');
    assert.deepEqual([...(await store.all()).found.keys()], ['vm2.x']);
  });

  it('registrations: a damaged one is set aside and hides no other', async () => {
    const store = new Registrations(stubs.dir, schema);
    await store.put('good', vm1);
    for (const [name, text] of [
      ['empty', ''],
      ['half', '{"role":"prim'],
      ['wrong', '{"role":"king","params":{}}'],
      ['huge', ' '.repeat(100_000)],
    ] as const) {
      writeFileSync(join(stubs.dir, 'vms', `${name}.json`), text);
    }
    const { found, damaged } = await store.all();
    assert.deepEqual([...found.keys()], ['good']);
    assert.equal(damaged.length, 4);
    assert.match(damaged.find((one) => one.path.includes('wrong'))?.why ?? '', /^role: /);
    assert.equal((await store.all()).damaged.length, 0);
  });

  it('registrations: impossible names, sizes and places are errors', async () => {
    const store = new Registrations(stubs.dir, schema);
    for (const name of ['', '../x', 'a/b', '.hidden', 'a\nb']) {
      await assert.rejects(store.put(name, vm1), StoreError);
    }
    await assert.rejects(
      store.put('vm1', { ...vm1, params: { a: 'x'.repeat(70_000) } }),
      /too large/,
    );
    writeFileSync(join(stubs.dir, 'file'), '');
    await assert.rejects(
      new Registrations(join(stubs.dir, 'file'), schema).put('vm1', vm1),
      StoreError,
    );
  });

  it('history: appended, bounded, survives a torn line', async () => {
    const history = new History(stubs.dir, 1000);
    assert.deepEqual(await history.newest('vm1', 5), []);
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => history.append('vm1', { n, text: 'x'.repeat(20) })),
    );
    const newest = await history.newest('vm1', 5);
    assert.deepEqual(
      newest.map((one) => one['n']),
      [95, 96, 97, 98, 99],
    );
    const path = join(stubs.dir, 'history', 'vm1.jsonl');
    assert.ok(statSync(path).size < 1100 && statSync(`${path}.1`).size < 1100);
    writeFileSync(path, '{"n":1}\nnull\n[1]\n{"n":2', { flag: 'w' });
    assert.deepEqual((await history.newest('vm1', 1))[0], { n: 1 });
    await assert.rejects(history.append('vm1', { text: 'x'.repeat(10_000) }), /too large/);
    await history.append('vm2', { n: 1 });
  });
});

describe('systemd', () => {
  const STUB = 'printf "%s\\n" "$NOTIFY_SOCKET" >> "$(dirname "$0")/../sockets"';
  const create = (env: Record<string, string>, errors: string[] = [], now = { ms: 0 }) =>
    createSystemd({
      exec: stubs.exec,
      clock: { ...systemClock, now_ms: () => now.ms },
      env,
      pid: 4711,
      send: (o) => {
        stubs.file('sent', JSON.stringify(o));
        return Promise.resolve();
      },
      onError: (message) => errors.push(message),
    });

  it('does nothing without NOTIFY_SOCKET', async () => {
    stubs.program('systemd-notify', STUB);
    const systemd = create({ WATCHDOG_USEC: '3000000' });
    await systemd.ready('up');
    await systemd.stopping();
    systemd.beat();
    await sleep(50);
    assert.deepEqual([systemd.enabled, systemd.watchdog_ms, stubs.calls()], [false, null, []]);
  });

  it('says READY and STATUS by the package, the rest by the program', async () => {
    stubs.program('systemd-notify', STUB);
    const now = { ms: 0 };
    const env = { NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '3000000', WATCHDOG_PID: '4711' };
    const systemd = create(env, [], now);
    assert.equal(systemd.watchdog_ms, 3000);
    const sent = () => readFileSync(join(stubs.dir, 'sent'), 'utf8');
    await systemd.ready('1 VM');
    assert.equal(sent(), '{"ready":true,"status":"1 VM","pid":4711}');
    stubs.file('sent', '');
    await systemd.status('1 VM');
    assert.equal(sent(), '');
    await systemd.status('2 VMs\nx');
    assert.equal(sent(), '{"status":"2 VMs x","pid":4711}');
    await systemd.stopping();
    assert.deepEqual(stubs.calls(), ['systemd-notify --pid=4711 STOPPING=1']);
    for (now.ms = 0; now.ms <= 3000; now.ms += 250) {
      systemd.beat();
      await sleep(30);
    }
    assert.deepEqual(
      stubs.calls(),
      Array.from({ length: 4 }, () => 'systemd-notify --pid=4711 WATCHDOG=1'),
    );
    assert.match(readFileSync(join(stubs.dir, 'sockets'), 'utf8'), /^\/run\/n\n/);
    assert.equal(create({ ...env, WATCHDOG_PID: '1' }).watchdog_ms, null);
  });

  it('failures are told and change nothing', async () => {
    stubs.prints('systemd-notify', '', 1, 'no bus\n');
    const errors: string[] = [];
    const systemd = createSystemd({
      exec: stubs.exec,
      clock: systemClock,
      env: { NOTIFY_SOCKET: '/none', WATCHDOG_USEC: '1000' },
      // As the package does it: with a string.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      send: () => Promise.reject('unable to send'),
      onError: (message, { why }) => errors.push(`${message}: ${why}`),
    });
    await systemd.ready('x');
    await systemd.stopping();
    systemd.beat();
    await sleep(100);
    assert.deepEqual(errors, [
      'systemd was not told READY: unable to send',
      'systemd was not told STOPPING: no bus',
      'the watchdog was not fed: no bus',
    ]);
  });
});

describe('process table', () => {
  it('reads /proc/PID/stat whatever the command is called', () => {
    assert.equal(parseStat('5 (a) S 1 2 3'), null);
    const text = `5 (a) S 1 (b)) R 2 ${Array.from({ length: 17 }, (_, n) => n).join(' ')} 777 1 2`;
    assert.deepEqual(parseStat(text), { state: 'R', ppid: 2, start_ticks: 777 });
    assert.equal(parseStat(''), null);
  });

  it('knows a process by pid and start time', async () => {
    const child = spawn('sleep', ['61.5'], { stdio: 'ignore' });
    const gone = new Promise((resolve) => child.once('close', resolve));
    await new Promise((resolve) => child.once('spawn', resolve));
    const identity = await identify(child.pid ?? 0);
    assert.ok(identity);
    assert.ok(await isAlive(identity));
    const other = { ...identity, start_ticks: identity.start_ticks - 1 };
    assert.equal(await isAlive(other), false);
    assert.equal(await killProcess(other, 'SIGKILL'), false);
    assert.ok(await isAlive(identity));
    let found: number[] = [];
    for (let i = 0; i < 50 && found.length === 0; i++) {
      found = (await findProcesses((argv) => argv[0] === 'sleep' && argv[1] === '61.5')).map(
        (p) => p.pid,
      );
      await sleep(10);
    }
    assert.deepEqual(found, [child.pid]);
    const path = join(stubs.dir, 'x.pid');
    await writePidFile(path, identity);
    assert.deepEqual(await readPidFile(path), identity);
    assert.ok(await stopProcess(identity, 2000));
    await gone;
    assert.equal(await killProcess(identity, 'SIGKILL'), false);
    assert.equal(await identify(identity.pid), null);
  });

  it('stops what ignores SIGTERM', async () => {
    const child = spawn('sh', ['-c', 'trap "" TERM; echo; while :; do sleep 1; done']);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const identity = await identify(child.pid ?? 0);
    assert.ok(identity);
    assert.ok(await stopProcess(identity, 50));
  });

  it('unusable pid files name nobody', async () => {
    mkdirSync(join(stubs.dir, 'd'));
    for (const text of ['', '17', '0 1', '-1 5', '1 2 3', 'a b', '12345678901 1']) {
      assert.equal(await readPidFile(stubs.file('p', text)), null, text);
    }
    assert.equal(await readPidFile(join(stubs.dir, 'none')), null);
  });
});
