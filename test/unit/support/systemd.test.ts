/** What systemd/ installs, as far as it can be told without a running systemd. test/cluster has the rest. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sessionBus } from 'dbus-next';
import type { MessageBus } from 'dbus-next';
import * as remusctl from '../../../ctl/manual.js';
import * as remusd from '../../../daemon/manual.js';

describe('systemd/install', function () {
  this.timeout(60_000);
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'remus-install-'));
    execFileSync('sh', ['systemd/install'], { env: { ...process.env, DESTDIR: root } });
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it('gives a remusctl that runs from there', () => {
    const child = spawnSync(join(root, 'usr/sbin/remusctl'), ['status'], {
      encoding: 'utf8',
      cwd: '/',
      env: { ...process.env, REMUS_RUNDIR: root },
    });
    assert.match(child.stderr, /remusd is not running on this node/);
    assert.equal(child.status, 1);
  });

  it('brings the packages that the daemon needs, and no others', () => {
    const modules = join(root, 'usr/lib/pacemaker-remus/node_modules');
    const wanted = ['dbus-next', 'pino', 'systemd-notify', 'xml2js', 'zod'];
    assert.deepEqual(
      wanted.filter((name) => !existsSync(join(modules, name, 'package.json'))),
      [],
    );
    const unwanted = ['typescript', 'mocha', 'eslint', 'fast-check'];
    assert.deepEqual(
      unwanted.filter((name) => existsSync(join(modules, name))),
      [],
    );
  });

  it('gives a remusd that finds all of them, and for the node that it is told', () => {
    const program = join(root, 'usr/sbin/remusd');
    assert.match(execFileSync(program, ['--version'], { encoding: 'utf8' }), /^remusd \d/);
    const other = mkdtempSync(join(tmpdir(), 'remus-install-'));
    const env = { ...process.env, DESTDIR: other, REMUS_NODE: '/opt/node' };
    execFileSync('sh', ['systemd/install'], { env });
    for (const entry of ['daemon/main.js', 'ctl/main.js', 'daemon/relay/sender-main.js']) {
      const text = readFileSync(join(other, 'usr/lib/pacemaker-remus', entry), 'utf8');
      assert.equal(text.split('\n')[0], '#!/opt/node');
    }
    const unit = readFileSync(join(other, 'usr/lib/systemd/system/remusd.service'), 'utf8');
    assert.match(unit, /^ExecStart=\/opt\/node \/usr\/lib\/pacemaker-remus\/daemon\/main\.js /m);
    rmSync(other, { recursive: true });
  });

  it('places nothing that no manual page names', () => {
    const argv = ['-L', root, '-type', 'f', '-printf', '/%P\n'];
    const files = execFileSync('find', argv, { encoding: 'utf8' }).trimEnd().split('\n');
    const named = [...remusd.FILES, ...remusctl.FILES].map(([path]) => path);
    const programs = ['/usr/sbin/remusd', '/usr/sbin/remusctl', '/usr/share/man/'];
    const unnamed = files.filter(
      (file) => ![...named, ...programs].some((path) => file.startsWith(path)),
    );
    assert.deepEqual(unnamed, []);
  });

  it('places an executable agent', () => {
    const { mode } = statSync(join(root, 'usr/lib/ocf/resource.d/xen/remus'));
    assert.equal(mode & 0o777, 0o755);
  });

  it('has a unit that systemd understands', () => {
    const unit = join(root, 'usr/lib/systemd/system/remusd.service');
    const child = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
    assert.deepEqual({ code: child.status, said: child.stderr }, { code: 0, said: '' });
  });

  it('keeps the settings of the machine in an upgrade', () => {
    const settings = join(root, 'etc/default/remusd');
    writeFileSync(settings, 'REMUSD_OPTS="--listen 192.0.2.1"\n');
    execFileSync('sh', ['systemd/install'], { env: { ...process.env, DESTDIR: root } });
    assert.match(readFileSync(settings, 'utf8'), /192\.0\.2\.1/);
  });

  it('can be removed', () => {
    execFileSync('sh', ['systemd/install', '--remove'], {
      env: { ...process.env, DESTDIR: root },
    });
    const left = spawnSync('find', [root, '-type', 'f', '-o', '-type', 'l'], { encoding: 'utf8' });
    assert.equal(left.stdout.trim(), join(root, 'etc/default/remusd'));
  });
});

describe('the D-Bus policy', function () {
  let dir = '';
  let bus: ChildProcess;
  let address = '';

  before(async function () {
    if (process.getuid?.() !== 0) return this.skip();
    dir = mkdtempSync(join(tmpdir(), 'remus-bus-'));
    address = `unix:path=${dir}/bus`;
    execFileSync('chmod', ['755', dir]);
    const config = join(dir, 'bus.conf');
    writeFileSync(config, busConfig(address));
    bus = spawn('dbus-daemon', [`--config-file=${config}`, '--nofork', '--print-address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    if (bus.stdout !== null) await once(bus.stdout, 'data');
    return undefined;
  });
  after(async () => {
    if (dir === '') return;
    const gone = once(bus, 'exit');
    bus.kill();
    await gone;
    rmSync(dir, { recursive: true, force: true });
  });

  /** Asks the bus for our name, as a user and group. */
  function requestName(user: string, group: string): string {
    const request = [`--bus=${address}`, '--print-reply', '--dest=org.freedesktop.DBus', '/'];
    const call = ['org.freedesktop.DBus.RequestName', 'string:org.pacemakerremus1', 'uint32:0'];
    return asUser(user, group, [...request, ...call]);
  }

  function asUser(user: string, group: string, args: readonly string[]): string {
    const who = [`--reuid=${user}`, `--regid=${group}`, '--clear-groups'];
    const child = spawnSync('setpriv', [...who, 'dbus-send', ...args], { encoding: 'utf8' });
    return child.stdout + child.stderr;
  }

  it('lets root own the name, and nobody else', () => {
    assert.match(requestName('root', 'root'), /uint32 1/);
    assert.match(requestName('nobody', 'nogroup'), /AccessDenied/);
    assert.match(requestName('hacluster', 'haclient'), /AccessDenied/);
  });

  /** The owner has no methods: what passes the policy fails for another reason. */
  async function callAs(user: string, group: string, method: string): Promise<string> {
    const target = ['--dest=org.pacemakerremus1', '/org/pacemakerremus1', method];
    const who = [`--reuid=${user}`, `--regid=${group}`, '--clear-groups'];
    const options = [`--bus=${address}`, '--print-reply', '--reply-timeout=3000'];
    // Not spawnSync: the owner of the name lives in this process.
    const child = spawn('setpriv', [...who, 'dbus-send', ...options, ...target]);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(child, 'close');
    return said;
  }

  describe('for an owned name', () => {
    let owner: MessageBus;
    before(async () => {
      owner = sessionBus({ busAddress: address });
      await owner.requestName('org.pacemakerremus1', 0);
    });
    after(() => owner.disconnect());

    const passes = /^(?!.*AccessDenied)/s;
    const denied = /AccessDenied/;
    const cases = [
      ['root', 'root', 'org.pacemakerremus1.Manager.Switchover', passes],
      ['root', 'root', 'org.freedesktop.DBus.Properties.Set', passes],
      ['hacluster', 'haclient', 'org.freedesktop.DBus.Properties.GetAll', passes],
      ['hacluster', 'haclient', 'org.freedesktop.DBus.Introspectable.Introspect', passes],
      ['hacluster', 'haclient', 'org.freedesktop.DBus.Properties.Set', denied],
      ['hacluster', 'haclient', 'org.pacemakerremus1.Manager.Switchover', denied],
      ['nobody', 'nogroup', 'org.freedesktop.DBus.Properties.GetAll', denied],
    ] as const;
    for (const [user, group, method, outcome] of cases) {
      const words = outcome === denied ? 'may not call' : 'may call';
      it(`${user} ${words} ${method}`, async () =>
        assert.match(await callAs(user, group, method), outcome));
    }
  });
});

/** A bus with the system bus's default policy and ours. */
function busConfig(address: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>${address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_type="method_return"/>
    <allow send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>${process.cwd()}/systemd/org.pacemakerremus1.conf</include>
</busconfig>
`;
}
