import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VmStatus } from '../../../ctl/status.js';
import type { ControlAnswer } from '../../../daemon/adapters/control-protocol.js';
import { createDBusService } from '../../../daemon/adapters/dbus.js';
import type { DBusService, MoveRequest } from '../../../daemon/adapters/dbus.js';
import { vmPath } from '../../../daemon/adapters/dbus-interfaces.js';
import { AdapterError } from '../../../daemon/adapters/errors.js';
import type { ExecResult } from '../../../daemon/ports.js';
import { Stubs } from './stubs.js';

function vm(resource: string, more: Partial<VmStatus> = {}): VmStatus {
  return {
    resource,
    domain: resource,
    role: 'primary',
    state: 'protected',
    words: 'protected',
    peer: 'pm2',
    generation: 5,
    checkpoint: { sent: 11, acked: 10, complete: null, applied: null },
    acked_age_ms: 140.5,
    rate_per_s: 4.5,
    last_pause_ms: null,
    last_ack_ms: 3,
    bytes_total: 2 ** 40,
    held: true,
    ...more,
  };
}

describe('D-Bus service', () => {
  let stubs: Stubs;
  let daemon: ChildProcess | undefined;
  let service: DBusService | undefined;
  let notes: string[];
  let asked: MoveRequest[];
  let answer: () => Promise<ControlAnswer>;
  const socket = () => join(stubs.dir, 'bus');
  const address = () => `unix:path=${socket()}`;

  beforeEach(() => {
    stubs = new Stubs();
    notes = [];
    asked = [];
    answer = () =>
      Promise.resolve({ rc: 0, json: { from: 'pm1', to: 'pm2', interruption_ms: 812 } });
  });
  afterEach(async () => {
    service?.close();
    service = undefined;
    await stopBus();
    stubs.remove();
  });

  /** A private bus that lets everybody do everything. */
  async function startBus(): Promise<void> {
    const config = join(stubs.dir, 'bus.conf');
    writeFileSync(
      config,
      `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>${address()}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`,
    );
    daemon = spawn('dbus-daemon', [`--config-file=${config}`, '--nofork'], { stdio: 'ignore' });
    for (let i = 0; i < 200 && !existsSync(socket()); i++) await sleep(10);
    assert.ok(existsSync(socket()), 'dbus-daemon did not start');
  }

  async function stopBus(): Promise<void> {
    const child = daemon;
    daemon = undefined;
    if (!child) return;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
    rmSync(socket(), { force: true });
  }

  async function until(done: () => boolean): Promise<void> {
    for (let i = 0; i < 500 && !done(); i++) await sleep(10);
    assert.ok(done(), notes.join('\n'));
  }

  function start(): DBusService {
    service = createDBusService({
      release: '0.1.0',
      node: 'pm1',
      address: address(),
      first_retry_ms: 50,
      move: (request) => {
        asked.push(request);
        return answer();
      },
      onNote: (message) => notes.push(message),
    });
    return service;
  }

  async function serving(vms: readonly VmStatus[]): Promise<DBusService> {
    await startBus();
    const one = start();
    one.update(vms);
    await until(() => one.serving);
    return one;
  }

  /** An outside caller. */
  function busctl(...args: readonly string[]): Promise<ExecResult> {
    return stubs.exec.run(['busctl', `--address=${address()}`, ...args], { timeout_ms: 5000 });
  }
  function gdbus(...args: readonly string[]): Promise<ExecResult> {
    const argv = [
      'gdbus',
      'call',
      '--address',
      address(),
      '--dest',
      'org.pacemakerremus1',
      ...args,
    ];
    return stubs.exec.run(argv, { timeout_ms: 5000 });
  }
  async function get(path: string, name: string, property: string): Promise<string> {
    const r = await busctl(
      'get-property',
      'org.pacemakerremus1',
      path,
      `org.pacemakerremus1.${name}`,
      property,
    );
    return r.code === 0 ? r.stdout.trim() : r.stderr.trim();
  }
  function call(resource: string, method: string, ...args: readonly string[]): Promise<ExecResult> {
    const full = `org.pacemakerremus1.Vm.${method}`;
    return gdbus('--object-path', vmPath(resource), '--method', full, ...args);
  }

  it('names objects by any resource id', () => {
    assert.equal(vmPath('vm1'), '/org/pacemakerremus1/vm/vm1');
    assert.equal(vmPath('web-1.a_b'), '/org/pacemakerremus1/vm/web_2d1_2ea_5fb');
    assert.equal(vmPath(''), '/org/pacemakerremus1/vm/_');
  });

  it('shows the VMs to busctl and gdbus', async () => {
    await serving([
      vm('vm1'),
      vm('web-1', { role: 'backup', state: 'ready', words: 'replica: ready' }),
    ]);
    const list = await gdbus(
      '--object-path',
      '/org/pacemakerremus1',
      '--method',
      'org.pacemakerremus1.Manager.ListVms',
    );
    assert.equal(
      list.stdout.trim(),
      "([('vm1', objectpath '/org/pacemakerremus1/vm/vm1', 'primary', 'protected', 'protected'), ('web-1', '/org/pacemakerremus1/vm/web_2d1', 'backup', 'ready', 'replica: ready')],)",
    );
    const manager = (property: string) => get('/org/pacemakerremus1', 'Manager', property);
    assert.equal(
      await manager('Vms'),
      'ao 2 "/org/pacemakerremus1/vm/vm1" "/org/pacemakerremus1/vm/web_2d1"',
    );
    assert.equal(await manager('Version'), 's "0.1.0"');
    assert.equal(await manager('Node'), 's "pm1"');
    const shown = async (property: string) => get(vmPath('vm1'), 'Vm', property);
    assert.equal(await shown('Words'), 's "protected"');
    assert.equal(await shown('CheckpointsAcked'), 't 10');
    assert.equal(await shown('CheckpointsComplete'), 't 0');
    assert.equal(await shown('BytesTotal'), 't 1099511627776');
    assert.equal(await shown('LagMs'), 'd 140.5');
    assert.equal(await shown('LastPauseMs'), 'd -1');
    assert.equal(await shown('OutputHeld'), 'b true');
    assert.equal(await shown('NetbufOff'), 'b false');
    const tree = await busctl('tree', '--list', 'org.pacemakerremus1');
    assert.match(tree.stdout, /\/org\/pacemakerremus1\/vm\/web_2d1/);
    const seen = await busctl('introspect', 'org.pacemakerremus1', vmPath('vm1'));
    assert.match(seen.stdout, /\.State +property +s +"protected" +emits-change/);
    assert.match(seen.stdout, /\.LagMs +property +d +140\.5 +-/);
  });

  it('signals a change of state, and no moving number', async () => {
    const one = await serving([vm('vm1')]);
    const monitor = spawn('gdbus', [
      'monitor',
      '--address',
      address(),
      '--dest',
      'org.pacemakerremus1',
    ]);
    let seen = '';
    monitor.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    try {
      await until(() => seen.includes('is owned by'));
      await sleep(100);
      const checkpoint = { sent: 12, acked: 12, complete: null, applied: null };
      one.update([vm('vm1', { checkpoint, acked_age_ms: 5 })]);
      one.update([
        vm('vm1', {
          checkpoint,
          state: 'unprotected',
          words: 'unprotected: peer offline',
          held: false,
        }),
      ]);
      one.update([
        vm('vm1', {
          checkpoint,
          state: 'unprotected',
          words: 'unprotected: peer offline',
          held: false,
        }),
      ]);
      one.update([]);
      await until(() => seen.includes("'Vms'"));
      const lines = seen.split('\n').filter((line) => line.includes('PropertiesChanged'));
      assert.equal(lines.length, 2, seen);
      assert.match(
        lines[0] ?? '',
        /'State': <'unprotected'>, 'Words': <'unprotected: peer offline'>, 'OutputHeld': <false>/,
      );
      assert.doesNotMatch(lines[0] ?? '', /Checkpoints|LagMs|Peer/);
      assert.match(lines[1] ?? '', /Manager', \{'Vms': <@ao \[\]>\}/);
      assert.match(await get(vmPath('vm1'), 'Vm', 'State'), /./);
    } finally {
      monitor.kill('SIGKILL');
      await new Promise((resolve) => monitor.once('close', resolve));
    }
    assert.match(await get(vmPath('vm1'), 'Vm', 'State'), /not exported|Unknown/i);
  });

  it('passes wishes on and their outcome back', async () => {
    await serving([vm('vm1')]);
    assert.equal(
      (await call('vm1', 'Switchover', 'pm2', '30000')).stdout.trim(),
      "('pm1', 'pm2', 812.0)",
    );
    assert.equal((await call('vm1', 'Switchover', '', '0')).code, 0);
    assert.equal((await call('vm1', 'Failover', 'true', '5000')).code, 0);
    assert.equal((await call('vm1', 'Failover', 'false', '5000')).code, 0);
    assert.deepEqual(asked, [
      { action: 'switchover', resource: 'vm1', timeout_ms: 30_000, options: { to: 'pm2' } },
      { action: 'switchover', resource: 'vm1', timeout_ms: 120_000, options: {} },
      { action: 'failover', resource: 'vm1', timeout_ms: 5000, options: { force: '1' } },
      { action: 'failover', resource: 'vm1', timeout_ms: 5000, options: {} },
    ]);
  });

  it('pauses and resumes, with a reason and an end or without', async () => {
    answer = () => Promise.resolve({ rc: 0, json: { node: 'pm1', changed: true, words: 'w' } });
    await serving([vm('vm1')]);
    const paused = await call('vm1', 'Pause', 'storage work', '90', '30000');
    assert.equal(paused.stdout.trim(), "('pm1', true, 'w')");
    assert.equal((await call('vm1', 'Pause', '', '0', '0')).code, 0);
    assert.equal((await call('vm1', 'Resume', '0')).stdout.trim(), "('pm1', true, 'w')");
    const by = 'D-Bus';
    const rest = { resource: 'vm1', timeout_ms: 120_000 };
    assert.deepEqual(asked, [
      {
        ...{ action: 'pause-for', resource: 'vm1', timeout_ms: 30_000 },
        options: { by, why: 'storage work', for_s: '90' },
      },
      { action: 'pause', ...rest, options: { by } },
      { action: 'resume', ...rest, options: {} },
    ]);
  });

  it('has a replica made anew, and tells how long the VM was unprotected', async () => {
    const json = { node: 'pm1', to: 'pm2', unprotected_ms: 1_234, words: 'protected' };
    answer = () => Promise.resolve({ rc: 0, json });
    await serving([vm('vm1')]);
    assert.equal(
      (await call('vm1', 'Resync', '5000')).stdout.trim(),
      "('pm2', 1234.0, 'protected')",
    );
    answer = () => Promise.resolve({ rc: 0, json: { ...json, unprotected_ms: null } });
    assert.equal((await call('vm1', 'Resync', '0')).stdout.trim(), "('pm2', -1.0, 'protected')");
    const options = { by: 'D-Bus' };
    assert.deepEqual(asked, [
      { action: 'resync', resource: 'vm1', timeout_ms: 5_000, options },
      { action: 'resync', resource: 'vm1', timeout_ms: 120_000, options },
    ]);
  });

  it('gives errors as sentences, never a stack', async () => {
    await serving([vm('vm1')]);
    for (const [what, error, says] of [
      [
        () => Promise.resolve({ rc: 3, reason: 'vm1 is not protected' }),
        'Refused',
        'vm1 is not protected',
      ],
      [() => Promise.resolve({ rc: 2, reason: 'say --force' }), 'WrongUsage', 'say --force'],
      [() => Promise.resolve({ rc: 1 }), 'Failed', 'journalctl'],
      [
        () => Promise.reject(new AdapterError('x', 'm', 'the peer is gone')),
        'Failed',
        'the peer is gone',
      ],
      [() => Promise.reject(new TypeError('secret detail')), 'Failed', 'journalctl'],
      [
        () => {
          throw new RangeError('secret: thrown at once');
        },
        'Failed',
        'journalctl',
      ],
    ] as const) {
      answer = what;
      const { code, stderr } = await call('vm1', 'Switchover', '', '1000');
      assert.notEqual(code, 0);
      assert.ok(stderr.includes(`org.pacemakerremus1.Error.${error}`), stderr);
      assert.ok(stderr.includes(says), stderr);
      assert.doesNotMatch(stderr, /secret|\.js:|\n +at /);
    }
  });

  it('properties cannot be written, and what dbus-next answers badly is answered here', async () => {
    await serving([vm('vm1')]);
    const name = ['org.pacemakerremus1', vmPath('vm1')];
    const set = await busctl(
      'set-property',
      ...name,
      'org.pacemakerremus1.Vm',
      'Words',
      's',
      'hacked',
    );
    assert.match(set.stderr, /read-only/);
    assert.equal(await get(vmPath('vm1'), 'Vm', 'Words'), 's "protected"');
    const id = await busctl('call', ...name, 'org.freedesktop.DBus.Peer', 'GetMachineId');
    assert.match(id.stderr, /machine-id/);
    assert.doesNotMatch(id.stderr, /\.js/);
    assert.equal((await busctl('call', ...name, 'org.freedesktop.DBus.Peer', 'Ping')).code, 0);
    for (const args of [
      ['org.pacemakerremus1.Vm', 'Nosuch'],
      ['org.pacemakerremus1.Vm', 'Switchover', 's', 'too few'],
      ['org.freedesktop.DBus.Properties', 'Get', 's', 'one'],
    ]) {
      const { code, stderr } = await busctl('call', ...name, ...args);
      assert.notEqual(code, 0);
      assert.doesNotMatch(stderr, /\.js/);
    }
    const nul = vm('vm1', { words: 'a\0b', reason: 'x'.repeat(5000), generation: Number.NaN });
    service?.update([nul]);
    assert.equal(await get(vmPath('vm1'), 'Vm', 'Words'), 's "a b"');
    assert.equal(await get(vmPath('vm1'), 'Vm', 'Generation'), 't 0');
  });

  it('without a bus nothing happens, and it is served when there is one', async () => {
    const one = start();
    one.update([vm('vm1')]);
    await until(() => notes.length > 0);
    await sleep(200);
    assert.deepEqual(notes, ['D-Bus service is down; trying again']);
    assert.equal(one.serving, false);
    await startBus();
    await until(() => one.serving);
    one.update([vm('vm1'), vm('vm2')]);
    assert.equal(await get(vmPath('vm2'), 'Vm', 'State'), 's "protected"');
  });

  it('a bus that dies and comes back: the same objects again, with what changed meanwhile', async () => {
    const one = await serving([vm('vm1')]);
    await stopBus();
    await until(() => !one.serving);
    one.update([vm('vm1', { state: 'unprotected' }), vm('vm3')]);
    await startBus();
    await until(() => one.serving);
    assert.equal(await get(vmPath('vm1'), 'Vm', 'State'), 's "unprotected"');
    assert.equal(await get(vmPath('vm3'), 'Vm', 'State'), 's "protected"');
    // Attempts while there is no bus may fail for another reason than the first, which is said, too.
    const changes = notes.filter((note, n) => note !== notes[n - 1]);
    assert.deepEqual(changes, [
      'D-Bus service is up',
      'D-Bus service is down; trying again',
      'D-Bus service is up',
    ]);
  });

  it('a bus that hangs costs nobody time, and memory only up to a bound', async () => {
    const one = await serving([vm('vm1')]);
    daemon?.kill('SIGSTOP');
    const began = performance.now();
    for (let i = 0; i < 20_000 && one.serving; i++)
      one.update([vm('vm1', { words: `w${i}${'x'.repeat(400)}` })]);
    assert.equal(one.serving, false);
    assert.ok(performance.now() - began < 5000);
    daemon?.kill('SIGCONT');
    await until(() => one.serving);
  });

  it('a second owner of the name is said and waited for', async () => {
    const first = await serving([vm('vm1')]);
    const second = start();
    try {
      await until(() => notes.length === 2);
      assert.deepEqual(notes, ['D-Bus service is up', 'D-Bus service is down; trying again']);
      first.close();
      await until(() => second.serving);
    } finally {
      first.close();
    }
  });
});
