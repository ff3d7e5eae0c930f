/**
 * The package on a Debian 12 and a Debian 13 that have systemd, corosync, Pacemaker and Xen's tools: a cluster of one
 * node, without a hypervisor. The tests of a release build on each other.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { release } from '../../ctl/release.js';
import { Machine } from './machine.js';
import { build, older, OLDER } from './packages.js';

const READY = /peers reach it at 127\.0\.0\.1:7900/;
const INSTALL = 'apt-get install -y -q --allow-downgrades';
const REGISTRATION = '/run/pacemaker-remus/vms/vm1.json';

/** Installs, upgrades and removes it, as a sysadmin does. `refused` is a package that this release cannot have. */
function life(suite: string, packageOf: () => string, refused?: () => string): void {
  let vm: Machine;
  let dir = '';
  let older_deb = '';
  let newer_deb = '';
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'remus-deb-'));
    const file = packageOf();
    const machine = Machine.boot(suite);
    const old = older(file, dir);
    vm = await machine;
    newer_deb = vm.bring(file, 'newer.deb');
    older_deb = vm.bring(old, 'older.deb');
    await vm.until('a cluster of one', async () =>
      (await vm.exec('crm_mon', '-1')).said.includes('with quorum'),
    );
  });
  after(() => {
    vm.off();
    rmSync(dir, { recursive: true });
  });

  const mainPid = async (): Promise<string> => vm.sh('systemctl show -P MainPID remusd');
  const state = async (): Promise<string> =>
    (await vm.exec('systemctl', 'is-active', 'remusd')).said.trim();
  const untilReady = (): Promise<void> =>
    vm.until('remusd is ready', async () =>
      READY.test((await vm.exec('systemctl', 'show', '-P', 'StatusText', 'remusd')).said),
    );

  if (refused !== undefined) {
    it('without a Node.js of its own it is refused, and apt says what is missing', async () => {
      const { code, said } = await vm.exec(
        'apt-get',
        'install',
        '-y',
        vm.bring(refused(), 'refused.deb'),
      );
      assert.equal(code, 100);
      assert.match(said, /Depends: nodejs \(>= 20\.19\)/);
    });
  }

  it('installs, with nothing from elsewhere, and remusd is in the cluster', async () => {
    const said = await vm.sh(`${INSTALL} ${older_deb}`);
    assert.match(said, /0 upgraded, 1 newly installed/);
    await untilReady();
    assert.equal(await vm.sh('systemctl is-enabled remusd'), 'enabled');
    assert.equal(await vm.sh('remusctl version'), `remusctl ${OLDER}\nremusd ${OLDER} (node1)`);
    assert.match(await vm.sh('remusctl status'), /No VM is managed here yet/);
    assert.match(await vm.sh('systemctl list-dependencies --plain pacemaker'), /remusd\.service/);
  });

  it('has all that it says in its places', async () => {
    assert.match(await vm.sh('crm_resource --list-agents ocf:xen'), /^remus$/m);
    assert.match(
      await vm.sh('crm_resource --show-metadata ocf:xen:remus'),
      /parameter name="config"/,
    );
    const pages = await vm.sh('man -w remusctl.8 remusd.8 ocf_xen_remus.7');
    assert.equal(pages.split('\n').length, 3);
    assert.match(
      await vm.sh('busctl introspect org.pacemakerremus1 /org/pacemakerremus1'),
      /Manager/,
    );
    const complete = 'COMP_WORDS=(remusctl fail); COMP_CWORD=1; _remusctl; echo "$COMPREPLY"';
    const load = '. /usr/share/bash-completion/bash_completion; _completion_loader remusctl';
    assert.equal(await vm.sh(`bash -c '${load}; ${complete}'`), 'failover');
    assert.equal(await vm.sh('stat -c %a /var/lib/pacemaker-remus'), '700');
  });

  it("takes Pacemaker's alerts, from its user", async () => {
    const alerts = '/run/pacemaker-remus-alert.sock';
    assert.equal(await vm.sh(`stat -c '%a %U %G' ${alerts}`), '660 root haclient');
    const event = 'env CRM_alert_kind=node CRM_alert_node=nobody-knows CRM_alert_desc=lost';
    await vm.sh(`runuser -u hacluster -- ${event} /usr/share/pacemaker/alerts/alert_remus.sh`);
    await vm.until('remusd has heard of it', async () =>
      (await vm.sh('journalctl -u remusd')).includes('nobody-knows'),
    );
  });

  it('an upgrade ends no process of a replication, and keeps settings and identity', async () => {
    const unit = '/sys/fs/cgroup/system.slice/remusd.service/cgroup.procs';
    const child = await vm.sh(
      `sh -c 'echo $$ >${unit}; exec sleep 3600' >/dev/null 2>&1 & echo $!`,
    );
    await vm.sh('echo \'REMUSD_OPTS="--log-level debug"\' >/etc/default/remusd');
    const identity = vm.read('/var/lib/pacemaker-remus/identity.pem');
    const before = await mainPid();
    assert.match(await vm.sh(`${INSTALL} ${newer_deb}`), /1 upgraded/);
    assert.notEqual(await mainPid(), before);
    await untilReady();
    assert.match(
      await vm.sh('remusctl version'),
      new RegExp(`^remusd ${release()} \\(node1\\)$`, 'm'),
    );
    assert.equal(await vm.sh(`cat /proc/${child}/comm`), 'sleep');
    assert.match(await vm.sh(`cat /proc/${child}/cgroup`), /remusd\.service/);
    assert.match(vm.read('/etc/default/remusd'), /debug/);
    assert.equal(vm.read('/var/lib/pacemaker-remus/identity.pem'), identity);
    await vm.sh(`kill ${child}`);
  });

  it('is not removed while Pacemaker has a VM here, says what to type, and goes on', async () => {
    const before = await mainPid();
    await vm.sh(`mkdir -p -m 700 ${REGISTRATION.replace(/\/[^/]*$/, '')}; touch ${REGISTRATION}`);
    const { code, said } = await vm.exec('apt-get', 'remove', '-y', '-q', 'pacemaker-remus');
    assert.notEqual(code, 0);
    assert.match(said, /not removed: .* on this node: vm1$/m);
    assert.match(said, /crm node standby/);
    assert.equal(await vm.sh("dpkg-query -W -f '${db:Status-Abbrev}' pacemaker-remus"), 'ii');
    assert.equal(await mainPid(), before);
    assert.equal(await state(), 'active');
    await vm.sh(`rm ${REGISTRATION}`);
  });

  it('a daemon that was disabled stays so in an upgrade', async () => {
    await vm.sh('systemctl disable --now remusd');
    await vm.sh(`${INSTALL} ${older_deb}`);
    assert.equal((await vm.exec('systemctl', 'is-enabled', 'remusd')).said.trim(), 'disabled');
    assert.equal(await state(), 'inactive');
    await vm.sh(`systemctl enable --now remusd; ${INSTALL} ${newer_deb}`);
    assert.equal(await state(), 'active');
  });

  it('is removed, but for settings, identity and history', async () => {
    await vm.sh('apt-get remove -y -q pacemaker-remus');
    assert.equal(await state(), 'inactive');
    for (const path of [
      '/usr/lib/pacemaker-remus',
      '/usr/sbin/remusd',
      '/usr/lib/ocf/resource.d/xen',
    ])
      assert.equal(vm.exists(path), false, path);
    for (const path of ['/etc/default/remusd', '/var/lib/pacemaker-remus/identity.pem'])
      assert.equal(vm.exists(path), true, path);
  });

  it('is purged, and nothing of it is left', async () => {
    await vm.sh('apt-get purge -y -q pacemaker-remus');
    const left = await vm.sh(
      "find / -xdev \\( -name '*remus*' -o -lname '*remus*' \\) ! -path '/proc/*' ! -path '/var/log/*'; find /run -name '*remus*'",
    );
    assert.equal(left, '');
  });

  it('is installed again', async () => {
    await vm.sh(`${INSTALL} ${newer_deb}`);
    await untilReady();
    assert.equal(await vm.sh('dpkg --verify pacemaker-remus'), '');
  });
}

describe('the Debian package', () => {
  let dir = '';
  let all = '';
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-deb-'));
    all = build(join(dir, 'all'));
  });
  after(() => rmSync(dir, { recursive: true }));

  describe("on Debian 13, with Debian's Node.js", () => life('trixie', () => all));

  describe('on Debian 12, with a Node.js of its own', function () {
    // Debian's is no program that runs elsewhere.
    const builder = execFileSync('ldd', [process.execPath], { encoding: 'utf8' });
    if (!builder.includes('libnode')) {
      life(
        'bookworm',
        () => build(join(dir, 'bundled'), '--bundle-node'),
        () => all,
      );
    }
  });
});
