/** The Debian package as `npm run deb` builds it. `npm run test:deb` installs it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PLACES = [
  '/etc/default/remusd',
  '/usr/lib/ocf/resource.d/xen/remus',
  '/usr/lib/systemd/system/remusd.service',
  '/usr/lib/systemd/system/resource-agents-deps.target.d/pacemaker-remus.conf',
  '/usr/lib/tmpfiles.d/pacemaker-remus.conf',
  '/usr/sbin/remusctl',
  '/usr/sbin/remusd',
  '/usr/share/bash-completion/completions/remusctl',
  '/usr/share/dbus-1/system.d/org.pacemakerremus1.conf',
  '/usr/share/doc/pacemaker-remus/ARCHITECTURE.md.gz',
  '/usr/share/doc/pacemaker-remus/README.md.gz',
  '/usr/share/doc/pacemaker-remus/alerts.md.gz',
  '/usr/share/doc/pacemaker-remus/changelog.Debian.gz',
  '/usr/share/doc/pacemaker-remus/changelog.gz',
  '/usr/share/doc/pacemaker-remus/copyright',
  '/usr/share/doc/pacemaker-remus/examples/grafana-dashboard.json',
  '/usr/share/doc/pacemaker-remus/examples/prometheus-rules.yml',
  '/usr/share/doc/pacemaker-remus/howto.md.gz',
  '/usr/share/doc/pacemaker-remus/metrics.md.gz',
  '/usr/share/lintian/overrides/pacemaker-remus',
  '/usr/share/man/man7/ocf_xen_remus.7.gz',
  '/usr/share/man/man8/remusctl.8.gz',
  '/usr/share/man/man8/remusd.8.gz',
  '/usr/share/pacemaker/alerts/alert_remus.sh',
];

describe('the Debian package', function () {
  this.timeout(300_000);
  let dir = '';
  let file = '';
  let root = '';

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-package-'));
    file = execFileSync('debian/build', [dir], { encoding: 'utf8' }).trim();
    root = join(dir, 'root');
    execFileSync('dpkg-deb', ['-R', file, root]);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('passes lintian', () => {
    const argv = ['--allow-root', '--fail-on', 'error,warning', '--no-cfg', file];
    const { status, stdout } = spawnSync('lintian', argv, { encoding: 'utf8' });
    assert.deepEqual({ status, stdout }, { status: 0, stdout: '' });
  });

  it('has each file in its place, and no other', () => {
    const argv = [root, '-mindepth', '2', '!', '-type', 'd', '-printf', '/%P\n'];
    const files = execFileSync('find', argv, { encoding: 'utf8' }).trimEnd().split('\n');
    const own = files.filter((path) => !/^\/(DEBIAN|usr\/lib\/pacemaker-remus)\//.test(path));
    assert.deepEqual(own.sort(), PLACES);
    assert.equal(readFileSync(join(root, 'DEBIAN/conffiles'), 'utf8'), '/etc/default/remusd\n');
  });

  it('needs the Node.js that package.json wants, by the name that Debian gives it', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      engines: { node: string };
    };
    const depends = execFileSync('dpkg-deb', ['-f', file, 'Depends'], { encoding: 'utf8' });
    assert.ok(depends.includes(`nodejs (${engines.node.replace('>=', '>= ')})`), depends);
    const program = readFileSync(join(root, 'usr/lib/pacemaker-remus/ctl/main.js'), 'utf8');
    assert.match(program, /^#!\/usr\/bin\/node\n/);
  });

  it('says under which license each npm package in it is', () => {
    const said = readFileSync(join(root, 'usr/share/doc/pacemaker-remus/copyright'), 'utf8');
    const argv = [
      join(root, 'usr/lib/pacemaker-remus/node_modules'),
      '-name',
      'package.json',
      '-printf',
      '%P\n',
    ];
    const modules = execFileSync('find', argv, { encoding: 'utf8' })
      .trimEnd()
      .split('\n')
      .filter((path) => /^(@[^/]+\/)?[^/]+\/package\.json$/.test(path))
      .map((path) => path.replace('/package.json', ''));
    const named = [...said.matchAll(/^(?:Files:)? \S+\/node_modules\/(\S+)\/\*$/gm)];
    const names = named.map(([, name = '']) => name);
    assert.deepEqual(names.sort(), modules.sort(), 'correct debian/copyright');
  });
});
