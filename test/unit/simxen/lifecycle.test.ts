import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpoints, Host, normalise, recorded, until } from './harness.js';

/** Numbers that a machine's speed or memory decides. */
function shape(text: string): string {
  return text
    .replace(/ +\d+ +\d+( +\d+ {5})/g, ' # #$1')
    .replace(/-b----|------/g, 'running')
    .replace(/ +\d+\.\d$/gm, ' #.#');
}

describe('simulated xen: xl as recorded', () => {
  let host: Host;
  beforeEach(() => (host = new Host('4.17')));
  afterEach(() => host.close());

  it('list, domid, domname and their errors', async () => {
    const domid = await host.create('pv1');
    const list = await host.xl('list', 'pv1');
    assert.deepEqual(
      shape(list.stdout).trim().split('\n'),
      recorded('12-xl-lifecycle.txt', '### xl list pv1').map(shape),
    );
    assert.match((await host.xl('list')).stdout, /^Domain-0 {37}0 +\d+ +\d+ {5}r-----/m);
    const missing = await host.xl('list', 'nosuch');
    assert.deepEqual(
      [missing.code, missing.stderr.trim()],
      [1, ...recorded('12-xl-lifecycle.txt', '### xl list nosuch')],
    );
    const noId = await host.xl('domid', 'nosuch');
    assert.deepEqual(
      [noId.code, noId.stderr.trim()],
      [1, ...recorded('12-xl-lifecycle.txt', '### xl domid nosuch')],
    );
    assert.equal((await host.xl('domid', 'pv1')).stdout, `${domid}\n`);
    assert.equal((await host.xl('domname', String(domid))).stdout, 'pv1\n');
    assert.equal((await host.xl('destroy', 'nosuch')).code, 1);
  });

  it('pause and unpause', async () => {
    await host.create('pv1');
    await host.xl('pause', 'pv1');
    assert.equal(await host.state('pv1'), '--p---');
    await host.xl('unpause', 'pv1');
    assert.equal(await host.state('pv1'), '-b----');
  });

  it('create of a name that exists', async () => {
    await host.create('pv1');
    const again = await host.xl('create', host.config('pv1'));
    assert.equal(again.code, 3);
    const lines = normalise(again.stderr)
      .split('\n')
      .filter((line) => line.startsWith('libxl'));
    const expected = recorded('12-xl-lifecycle.txt', '### xl create /root/guest/pv1.cfg').slice(1);
    assert.deepEqual(lines, expected);
  });

  it('create from files that are missing, broken, or say too little', async () => {
    const missing = await host.xl('create', '/nonexistent.cfg');
    assert.deepEqual(
      [missing.code, missing.stderr],
      [3, 'Failed to read config file: /nonexistent.cfg: No such file or directory\n'],
    );
    const broken = join(host.dir, 'broken.cfg');
    writeFileSync(broken, 'name = "x"\nmemory = = 3\n');
    const syntax = await host.xl('create', broken);
    assert.equal(syntax.code, 1);
    assert.match(syntax.stderr, /broken\.cfg:2: config parsing error near `='/);
    writeFileSync(broken, 'memory = 32\n');
    assert.match(
      (await host.xl('create', '-q', broken)).stderr,
      /^Domain name must be specified\.$/m,
    );
    assert.equal((await host.xl('list')).stdout.split('\n').length, 3);
  });

  it('a dry run makes nothing', async () => {
    const run = await host.xl('create', '-n', host.config('pv1'));
    assert.equal(run.code, 0);
    assert.match(run.stdout, /"name": "pv1"/);
    assert.equal(await host.state('pv1'), undefined);
  });

  it('shutdown -w of a guest whose monitor destroys it', async () => {
    const domid = await host.create('pv1', { monitor: true });
    await until('the monitor', () => host.monitorLog('pv1') !== '');
    const run = await host.xl('shutdown', '-w', 'pv1');
    assert.equal(
      run.stdout,
      `Shutting down domain ${domid}\nWaiting for 1 domains\nDomain ${domid} has been shut down, reason code 0\n`,
    );
    await until('the end', () => host.monitorLog('pv1').includes('Done. Exiting now'));
    assert.equal(await host.state('pv1'), undefined);
  });

  it('without a monitor a guest that shut down stays', async () => {
    await host.create('pv1');
    await host.xl('shutdown', '-w', 'pv1');
    assert.equal(await host.state('pv1'), '---s--');
  });

  it('reboot makes a new domain', async () => {
    const domid = await host.create('pv1', { monitor: true });
    await until('the monitor', () => host.monitorLog('pv1') !== '');
    assert.equal((await host.xl('reboot', 'pv1')).stdout, `Rebooting domain ${domid}\n`);
    await until('the new domain', () => host.look('pv1')?.domid === domid + 1);
    assert.match(
      host.monitorLog('pv1'),
      /reason code 1 0x1\nAction for shutdown reason code 1 is restart\n.*\nDone\. Rebooting now/,
    );
  });

  it('a killed domain process is a domain that vanished', async () => {
    const domid = await host.create('pv1');
    process.kill(host.domainPid(domid), 'SIGKILL');
    await until('gone', () => host.look('pv1') === undefined);
    assert.equal(await host.state('pv1'), undefined);
  });

  it('knows suspend and resume only on 4.20', async () => {
    await host.create('pv1');
    assert.equal((await host.xl('resume', 'pv1')).code, 1);
    host.env.SIMXEN_VERSION = '4.20';
    const running = await host.xl('resume', 'pv1');
    assert.equal(running.code, 0);
    assert.deepEqual(
      normalise(running.stderr).trim().split('\n'),
      recorded('debian13/34-suspended-resume.txt', '$ xl resume pvh2 (again, while running)').slice(
        0,
        2,
      ),
    );
    await host.xl('suspend', 'pv1');
    assert.equal(await host.state('pv1'), '---ss-');
    assert.deepEqual(
      [(await host.xl('resume', 'pv1')).code, await host.state('pv1')],
      [0, '-b----'],
    );
  });
});

describe('simulated xen: xl remus called wrongly', () => {
  let host: Host;
  beforeEach(() => (host = new Host('4.17')));
  afterEach(() => host.close());

  const banner =
    "printf 'xl migration receiver ready, send binary domain data.\\n'; exec cat >/dev/null";
  const cases: readonly [string, readonly string[], string][] = [
    ['### xl remus -n -d', ['-n', '-d'], banner],
    ['### xl remus -F -d', ['-F', '-d'], banner],
    ['### xl remus -F -s', ['-F'], banner],
    ['### xl remus -F -n -s  pvh2 false', ['-F', '-n'], 'false'],
    [
      '### xl remus -F -n -d -s  pvh2 echo',
      ['-F', '-n', '-d'],
      'echo garbage-not-the-banner-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    ],
  ];
  for (const [heading, options, command] of cases) {
    it(heading.slice(4), async () => {
      await host.create('pvh2');
      const run = await host.xl('remus', ...options, '-s', '', 'pvh2', command);
      assert.equal(run.code, 1);
      assert.deepEqual(
        normalise(run.stderr).trim().split('\n'),
        recorded('41-remus-option-errors.txt', heading),
      );
      assert.equal(await host.state('pvh2'), '-b----');
    });
  }

  it('of a domain that does not exist, and of a PV guest', async () => {
    const missing = await host.xl('remus', '-F', '-n', '-d', '-s', '', 'nosuch', banner);
    assert.deepEqual(
      [missing.code, missing.stderr],
      [1, 'nosuch is an invalid domain identifier (rc=-6)\n'],
    );
    await host.xl('create', '-e', '-q', host.config('pv0', { type: 'pv' }));
    const pv = await host.xl('remus', '-F', '-n', '-d', '-s', '', 'pv0', banner);
    assert.equal(pv.code, 1);
    assert.match(
      pv.stderr,
      /xc: error: Failed to enable logdirty: 95,22,0 \(22 = Invalid argument\): Internal error/,
    );
    assert.equal(checkpoints(pv.stderr), 0);
  });
});
