/** The real remusctl, as a process, against a daemon of canned answers. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { canned } from './golden.js';
import { FakeDaemon } from './fake-daemon.js';

const main = resolve(import.meta.dirname, '../../../ctl/main.js');

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(run_dir: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [main, ...args], {
    env: {
      ...process.env,
      ...{ REMUS_RUNDIR: run_dir, REMUS_STATEDIR: run_dir, TZ: 'UTC', SUDO_USER: 'alice' },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function resultOf(child: ChildProcess): Promise<Result> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

describe('remusctl', () => {
  let daemon: FakeDaemon;
  beforeEach(async () => {
    daemon = new FakeDaemon();
    await daemon.listen();
  });
  afterEach(() => daemon.close());

  const remusctl = (...args: string[]) => resultOf(start(daemon.run_dir, args));
  const statusAnswer = (name: string) => `rc=0\njson=${JSON.stringify(canned(name))}\nend\n`;

  it('status asks in the words of the protocol, and prints a table without colours', async () => {
    daemon.answers(statusAnswer('all-well'));
    const { code, out, err } = await remusctl('status');
    assert.deepEqual({ code, err }, { code: 0, err: '' });
    assert.match(out, /^VM {11}NODE/);
    assert.match(out, /\nvm1 {10}pm1 {3}primary/);
    assert.ok(!out.includes('\u001b'));
    assert.deepEqual(daemon.requests, ['remus 1\naction=status\n\n']);
  });

  it('status --json is one line that a program can read', async () => {
    daemon.answers(statusAnswer('peer-dead'));
    const { out } = await remusctl('status', '--json');
    assert.equal(out.trimEnd().split('\n').length, 1);
    assert.deepEqual(JSON.parse(out), canned('peer-dead'));
  });

  it('status VM --json has that VM only', async () => {
    daemon.answers(statusAnswer('peer-dead'));
    const { out } = await remusctl('status', 'vm3', '--json');
    const { vms } = JSON.parse(out) as { vms: { resource: string }[] };
    assert.deepEqual(
      vms.map((vm) => vm.resource),
      ['vm3'],
    );
  });

  it('status of an unknown VM fails and names the known ones', async () => {
    daemon.answers(statusAnswer('all-well'));
    const { code, out, err } = await remusctl('status', 'vm9');
    assert.deepEqual({ code, out }, { code: 1, out: '' });
    assert.match(err, /knows a VM "vm9": there are mail-server, vm1/);
  });

  it('says what to type when the daemon is down', async () => {
    await daemon.close();
    const { code, out, err } = await remusctl('status');
    assert.deepEqual({ code, out }, { code: 1, out: '' });
    assert.match(err, /systemctl status remusd/);
    assert.match(err, /systemctl start remusd/);
    daemon = new FakeDaemon();
    await daemon.listen();
  });

  it('an answer that is cut off is a failure, not half a table', async () => {
    daemon.answers(statusAnswer('all-well').replace('end\n', ''));
    const { code, out, err } = await remusctl('status');
    assert.deepEqual({ code, out }, { code: 1, out: '' });
    assert.match(err, /^remusctl: .*journalctl/);
  });

  it('rubbish is a failure with a hint', async () => {
    daemon.answers('rc=0\njson={"node":7}\nend\n');
    const { code, err } = await remusctl('status');
    assert.equal(code, 1);
    assert.match(err, /something else than a status/);
  });

  it('switchover shows progress on stderr and the result on stdout', async () => {
    const json = JSON.stringify({ from: 'pm1', to: 'pm2', interruption_ms: 834.2 });
    daemon.answers(
      `progress=last checkpoint 1240 is acknowledged\nprogress=\nprogress=running on pm2\nrc=0\njson=${json}\nend\n`,
    );
    const result = await remusctl('switchover', 'vm1', '--to', 'pm2', '--timeout', '30');
    assert.deepEqual(result, {
      code: 0,
      out: 'vm1: switched from pm1 to pm2, interruption 0.83 s\n',
      err: 'vm1: last checkpoint 1240 is acknowledged\nvm1: running on pm2\n',
    });
    assert.deepEqual(daemon.requests, [
      'remus 1\naction=switchover\nresource=vm1\ntimeout_ms=30000\nto=pm2\n\n',
    ]);
  });

  it('a refused switchover ends with 3 and the reason', async () => {
    daemon.answers('rc=3\nreason=vm1 is not protected: peer offline; start pm2 first\nend\n');
    const result = await remusctl('switchover', 'vm1');
    assert.deepEqual(result, {
      code: 3,
      out: '',
      err: 'remusctl: switchover of vm1 refused: vm1 is not protected: peer offline; start pm2 first\n',
    });
  });

  it('pause and resume say what is so now, and what to type', async () => {
    const json = (words: string, changed: boolean): string =>
      JSON.stringify({ node: 'pm1', changed, words });
    const paused = 'unprotected: paused by the operator';
    daemon.answers(
      `progress=unprotected, output held: paused by the operator\nrc=0\njson=${json(paused, true)}\nend\n`,
    );
    const first = await remusctl('pause', 'vm1', '--timeout', '30');
    assert.deepEqual(first, {
      code: 0,
      out: 'vm1: replication is paused; it runs on pm1 without a replica, and a failover would start it anew. To end this: remusctl resume vm1\n',
      err: 'vm1: unprotected, output held: paused by the operator\n',
    });
    daemon.answers(`rc=0\njson=${json(paused, false)}\nend\n`);
    assert.match((await remusctl('pause', 'vm1')).out, /^vm1: replication was paused already; /);
    daemon.answers(`rc=0\njson=${json('protected', true)}\nend\n`);
    const on = await remusctl('resume', 'vm1');
    assert.equal(on.out, 'vm1: replication goes on; it runs on pm1, protected\n');
    daemon.answers(`rc=0\njson=${json('protected', false)}\nend\n`);
    const never = await remusctl('resume', 'vm1');
    assert.equal(never.out, 'vm1: replication was not paused; it runs on pm1, protected\n');
    assert.deepEqual(daemon.requests.slice(0, 2), [
      'remus 1\naction=pause\nresource=vm1\ntimeout_ms=30000\nby=alice\n\n',
      'remus 1\naction=pause\nresource=vm1\ntimeout_ms=120000\nby=alice\n\n',
    ]);
    assert.match(daemon.requests[2] ?? '', /action=resume\nresource=vm1\n/);
  });

  it('a pause with a reason and an end says until when; with an end it is another question', async () => {
    const until = '2026-11-23T14:00:00Z';
    const pause = {
      by: 'alice',
      node: 'pm1',
      at: '2026-11-23T12:00:00Z',
      until,
      why: 'storage work',
    };
    const json = (changed: boolean) => JSON.stringify({ node: 'pm1', changed, words: 'x', pause });
    daemon.answers(`rc=0\njson=${json(true)}\nend\n`);
    const first = await remusctl('pause', 'vm1', '--for', '2h', 'storage', 'work');
    assert.deepEqual(first, {
      code: 0,
      out: 'vm1: replication is paused until 2026-11-23 14:00 UTC; it runs on pm1 without a replica, and a failover would start it anew. It is resumed by itself then. To end this sooner: remusctl resume vm1\n',
      err: '',
    });
    daemon.answers(`rc=0\njson=${json(false)}\nend\n`);
    assert.match(
      (await remusctl('pause', 'vm1', 'storage work', '--for=90s')).out,
      /^vm1: replication was paused already, now until 2026-11-23 14:00 UTC; /,
    );
    daemon.answers('rc=3\nreason=this remusd does not know the action pause-for\nend\n');
    const former = await remusctl('pause', 'vm1', '--for', '2d');
    assert.equal(former.code, 3);
    assert.match(
      former.err,
      /^remusctl: pause of vm1 refused: .* does not know the action pause-for/,
    );
    const start = 'resource=vm1\ntimeout_ms=120000\nby=alice\n';
    assert.deepEqual(daemon.requests, [
      `remus 1\naction=pause-for\n${start}why=storage work\nfor_s=7200\n\n`,
      `remus 1\naction=pause-for\n${start}why=storage work\nfor_s=90\n\n`,
      `remus 1\naction=pause-for\n${start}for_s=172800\n\n`,
    ]);
  });

  it('a pause for no time, or with a reason that cannot be kept: wrong usage, with an example', async () => {
    for (const lasts of [
      '0',
      '0m',
      '-5m',
      '30',
      'soon',
      '1.5h',
      '30 m',
      '367d',
      '1e3s',
      '',
      '--timeout',
    ]) {
      const { code, out, err } = await remusctl('pause', 'vm1', '--for', lasts);
      assert.deepEqual({ code, out }, { code: 2, out: '' }, lasts);
      assert.ok(
        err.startsWith(`remusctl: --for "${lasts}": it takes a whole number with its unit`),
        err,
      );
      assert.match(err, /90s, 30m, 1h or 2d, as in --for 30m\n {2}usage: remusctl pause VM/);
    }
    const bare = await remusctl('pause', 'vm1', '--for');
    assert.match(bare.err, /^remusctl: --for "": it takes .* as in --for 30m/);
    for (const [why, says] of [
      ['x'.repeat(201), /the reason has 201 bytes, and at most 200 are kept/],
      ['ä'.repeat(101), /202 bytes/],
      ['one\ntwo', /more than one line/],
      [' ', /is empty/],
    ] as const) {
      const { code, err } = await remusctl('pause', 'vm1', why);
      assert.equal(code, 2, why);
      assert.match(err, says);
    }
    assert.deepEqual(daemon.requests, []);
  });

  it('resync shows how it goes, and says how long the VM was unprotected', async () => {
    const json = { node: 'pm1', to: 'pm2', unprotected_ms: 12_340, words: 'protected' };
    const says = (more = {}): void =>
      daemon.answers(
        `progress=syncing 40%\nprogress=protected\nrc=0\njson=${JSON.stringify({ ...json, ...more })}\nend\n`,
      );
    says();
    const result = await remusctl('resync', 'vm1', '--timeout', '30');
    assert.deepEqual(result, {
      code: 0,
      out: 'vm1: protected again by a new replica; it was unprotected for 12.34 s; it runs on pm1, its replica is on pm2\n',
      err: 'vm1: syncing 40%\nvm1: protected\n',
    });
    says({ unprotected_ms: null });
    assert.match((await remusctl('resync', 'vm1')).out, /; it was not protected before; it runs/);
    says();
    assert.deepEqual(JSON.parse((await remusctl('resync', 'vm1', '--json')).out), json);
    daemon.answers('rc=3\nreason=vm1 has no replica (unprotected: paused by root)\nend\n');
    const refused = await remusctl('resync', 'vm1');
    assert.equal(refused.code, 3);
    assert.match(refused.err, /^remusctl: resync of vm1 refused: vm1 has no replica/);
    const first = 'remus 1\naction=resync\nresource=vm1\ntimeout_ms=30000\nby=alice\n\n';
    assert.equal(daemon.requests[0], first);
  });

  it('resync --dry-run asks another question, and warns', async () => {
    const found = { resource: 'vm1', node: 'pm1', verdict: 'done', to: 'pm2', is_protected: true };
    const says = (more = {}): void =>
      daemon.answers(`rc=0\njson=${JSON.stringify({ ...found, ...more })}\nend\n`);
    says();
    const done = await remusctl('resync', 'vm1', '--dry-run');
    assert.deepEqual([done.code, done.err], [0, '']);
    assert.match(done.out, /a dry run: nothing was changed\nIt would be done\. The replica on pm2/);
    assert.match(done.out, /vm1 is UNPROTECTED, until all of its memory has been copied once/);
    says({ to: null, is_protected: false });
    assert.match((await remusctl('resync', 'vm1', '--dry-run')).out, /is not protected now/);
    says({ verdict: 'refused', reason: 'type: remusctl resume vm1' });
    const refused = await remusctl('resync', 'vm1', '--dry-run');
    assert.equal(refused.code, 3);
    assert.match(refused.out, /It would be refused: type: remusctl resume vm1\n$/);
    says({ verdict: 'perhaps' });
    assert.equal((await remusctl('resync', 'vm1', '--dry-run')).code, 1);
    daemon.answers('rc=3\nreason=this remusd does not know the action foresee-resync\nend\n');
    assert.match((await remusctl('resync', 'vm1', '--dry-run')).err, /former release/);
    assert.equal(daemon.requests[0], 'remus 1\naction=foresee-resync\nresource=vm1\n\n');
  });

  it('a pause that a remusd of a former release does not know', async () => {
    daemon.answers('rc=3\nreason=this remusd does not know the action pause\nend\n');
    const { code, out, err } = await remusctl('pause', 'vm1');
    assert.deepEqual({ code, out }, { code: 3, out: '' });
    assert.match(err, /^remusctl: pause of vm1 refused: this remusd does not know/);
  });

  const foreseen = (action: string, verdict: string, more = {}) => ({
    ...{ action, resource: 'vm1', node: 'pm1', from: 'pm1', to: 'pm2', verdict, memory: 'kept' },
    ...{ generation: 5, checkpoint: 1240, checkpoint_age_ms: 120, promoted_on: 'pm2' },
    ...{ obstacles: [], fencing: null, interruptions_ms: [312.4, 441], unknown: [], ...more },
  });

  it('--dry-run is another question, and its exit code the verdict', async () => {
    const says = (json: unknown) => daemon.answers(`rc=0\njson=${JSON.stringify(json)}\nend\n`);
    says(foreseen('switchover', 'done'));
    const { code, out, err } = await remusctl('switchover', 'vm1', '--to', 'pm2', '--dry-run');
    assert.deepEqual({ code, err }, { code: 0, err: '' });
    assert.match(out, /^vm1: switchover from pm1 to pm2, a dry run: nothing was changed\nIt would/);
    const refused = foreseen('failover', 'refused', { reason: 'it is here' });
    says(refused);
    const json = await remusctl('failover', 'vm1', '--force', '--dry-run', '--json');
    assert.equal(json.code, 3);
    assert.deepEqual(JSON.parse(json.out), refused);
    says(foreseen('failover', 'unknown', { reason: 'nobody knows' }));
    assert.equal((await remusctl('failover', 'vm1', '--dry-run')).code, 1);
    assert.deepEqual(daemon.requests, [
      'remus 1\naction=foresee-switchover\nresource=vm1\nto=pm2\n\n',
      'remus 1\naction=foresee-failover\nresource=vm1\n\n',
      'remus 1\naction=foresee-failover\nresource=vm1\n\n',
    ]);
  });

  it('--dry-run of a daemon that does not know it, or cannot tell: no verdict', async () => {
    daemon.answers('rc=3\nreason=this remusd does not know the action foresee-failover\nend\n');
    const older = await remusctl('failover', 'vm1', '--dry-run');
    assert.equal(older.code, 1);
    assert.match(older.err, /former release.*systemctl restart remusd/);
    daemon.answers('rc=1\nreason=pm1: no answer within 20 s\nend\n');
    const { code, out, err } = await remusctl('switchover', 'vm1', '--dry-run');
    assert.deepEqual({ code, out }, { code: 1, out: '' });
    assert.match(err, /what would happen to vm1 could not be found out: pm1: no answer/);
  });

  const drilled = (verdict: string) => ({
    ...{ resource: 'vm1', node: 'pm1', from: 'pm1', to: 'pm2', verdict, generation: 5 },
    ...{ checkpoint: 1240, checkpoint_age_ms: 120, unproven: ['that it rains'] },
    steps: [{ id: 'remusd', verdict: 'ok', what: 'remusd on pm2 answers', took_ms: 7, more: 1 }],
  });

  it('drill tells how far it is on stderr; its exit code is the verdict', async () => {
    const says = (verdict: string): void =>
      daemon.answers(
        `progress=pm2 has shown its bridges (8 ms)\nprogress=\nrc=0\njson=${JSON.stringify(drilled(verdict))}\nend\n`,
      );
    says('works');
    const { code, out, err } = await remusctl('drill', 'vm1');
    assert.deepEqual({ code, err }, { code: 0, err: 'vm1: pm2 has shown its bridges (8 ms)\n' });
    assert.match(
      out,
      /^vm1: drill of a failover from pm1 to pm2; nothing was changed\nIt would work/,
    );
    says('fails');
    const json = await remusctl('drill', 'vm1', '--json');
    assert.deepEqual([json.code, json.err], [3, '']);
    assert.deepEqual(JSON.parse(json.out), drilled('fails'));
    says('unknown');
    assert.equal((await remusctl('drill', 'vm1')).code, 1);
    assert.equal(daemon.requests[0], 'remus 1\naction=drill\nresource=vm1\n\n');
  });

  it('drill of a daemon that does not know it, or cannot: no verdict', async () => {
    daemon.answers('rc=3\nreason=this remusd does not know the action drill\nend\n');
    const older = await remusctl('drill', 'vm1');
    assert.equal(older.code, 1);
    assert.match(older.err, /former release.*systemctl restart remusd/);
    daemon.answers('rc=1\nreason=no record says where vm9 runs\nend\n');
    const { code, out, err } = await remusctl('drill', 'vm9');
    assert.deepEqual({ code, out }, { code: 1, out: '' });
    assert.equal(err, 'remusctl: no drill of vm9: no record says where vm9 runs\n');
    daemon.answers('rc=0\njson={"verdict":"maybe"}\nend\n');
    assert.match((await remusctl('drill', 'vm1')).err, /something else/);
  });

  it('switchover --json prints what came of it', async () => {
    const moved = { from: 'pm1', to: 'pm2', interruption_ms: 834 };
    daemon.answers(`rc=0\njson=${JSON.stringify(moved)}\nend\n`);
    const { out } = await remusctl('switchover', 'vm1', '--json');
    assert.deepEqual(JSON.parse(out), moved);
  });

  const entry = {
    at: '2026-11-23T04:36:37.000Z',
    node: 'pm2',
    text: 'granted',
    data: { peer: 'x' },
  };

  it('history: newest last, with what is missing on stderr', async () => {
    const missing = [{ node: 'pm3', why: 'it is offline' }];
    const found = { resource: 'vm1', node: 'pm1', entries: [entry], missing };
    daemon.answers(`rc=0\njson=${JSON.stringify(found)}\nend\n`);
    assert.deepEqual(await remusctl('history', 'vm1', '--limit', '7'), {
      code: 0,
      out: 'TIME                 NODE  WHAT AND WHY\n2026-11-23 04:36:37  pm2   granted (peer x)\n',
      err: 'remusctl: not everything of pm3 is shown: it is offline\n',
    });
    assert.deepEqual(daemon.requests, ['remus 1\naction=history\nresource=vm1\nlimit=7\n\n']);
    const { out } = await remusctl('history', 'vm1', '--json');
    assert.deepEqual(JSON.parse(out), found);
  });

  it('history of a daemon that is down: its file, and it says so', async () => {
    await daemon.close();
    mkdirSync(join(daemon.run_dir, 'history'), { recursive: true });
    const file = join(daemon.run_dir, 'history', 'vm1.jsonl');
    writeFileSync(file, `${JSON.stringify({ at: entry.at, text: 'granted', peer: 'x' })}\n{"at"`);
    const { code, out, err } = await remusctl('history', 'vm1');
    const unknown = await remusctl('history', 'vm9');
    rmSync(daemon.run_dir, { recursive: true });
    daemon = new FakeDaemon();
    await daemon.listen();
    assert.equal(code, 0);
    assert.match(out, /\n2026-11-23 04:36:37 {2}here {2}granted \(peer x\)\n$/);
    assert.match(err, /remusd is not running on this node: this is from its file here/);
    assert.equal(unknown.code, 1);
    assert.match(unknown.err, /systemctl start remusd/);
  });

  it('failover without --force asks for nothing but the status', async () => {
    daemon.answers(statusAnswer('all-well'));
    const { code, err } = await remusctl('failover', 'vm1');
    assert.equal(code, 2);
    assert.match(err, /fence pm1/);
    assert.match(err, /remusctl failover vm1 --force/);
    assert.deepEqual(daemon.requests, ['remus 1\naction=status\n\n']);
  });

  it('failover --force says so to the daemon', async () => {
    daemon.answers('rc=0\njson={"from":"pm1","to":"pm2","interruption_ms":null}\nend\n');
    const { code, out } = await remusctl('failover', 'vm1', '--force');
    assert.equal(code, 0);
    assert.equal(out, 'vm1: failed over from pm1 to pm2, interruption not measured\n');
    assert.match(daemon.requests[0] ?? '', /action=failover\n.*force=1\n/s);
  });

  it('Ctrl-C during a switchover says that it goes on', async () => {
    daemon.answers((socket) => socket.write('progress=waiting for a checkpoint\n'));
    const child = start(daemon.run_dir, ['switchover', 'vm1']);
    const result = resultOf(child);
    if (child.stderr !== null) await once(child.stderr, 'data');
    child.kill('SIGINT');
    const { code, err } = await result;
    assert.equal(code, 130);
    assert.match(err, /remusd goes on with the switchover of vm1/);
  });

  it('--watch goes on until Ctrl-C, and through a daemon that answers rubbish', async () => {
    daemon.answers('rc=1\nreason=starting\nend\n');
    const child = start(daemon.run_dir, ['status', '--watch']);
    const result = resultOf(child);
    if (child.stdout !== null) await once(child.stdout, 'data');
    daemon.answers(statusAnswer('all-well'));
    if (child.stdout !== null) await once(child.stdout, 'data');
    child.kill('SIGINT');
    const { code, out } = await result;
    assert.equal(code, 0);
    assert.match(out, /^remusctl: starting\nVM /);
  });

  it('does not mind a reader that goes away', async () => {
    daemon.answers(statusAnswer('all-well'));
    const child = start(daemon.run_dir, ['status', '--watch', '--json']);
    const result = resultOf(child);
    if (child.stdout !== null) await once(child.stdout, 'data');
    child.stdout?.destroy();
    const { code, err } = await result;
    assert.deepEqual({ code, err }, { code: 0, err: '' });
  });

  for (const args of [
    ['statsu'],
    ['switchover'],
    ['switchover', 'vm1', 'pm2'],
    ['switchover', 'vm1', '--timeout', '0'],
    ['switchover', 'vm1', '--to', ''],
    ['status', '--jsn'],
    ['failover', 'vm1', '--force=yes'],
    ['drill'],
    ['drill', 'vm1', '--force'],
    ['pause'],
    ['resume', 'vm1', 'pm2'],
    ['history'],
    ['history', 'vm1', '--limit', '1001'],
    ['history', 'vm1', '--limit', 'all'],
    ['help', 'nothing'],
    ['status', ''],
    ['history', 'two words'],
    ['pause', '../vm1'],
  ]) {
    it(`wrong usage: ${args.join(' ')}`, async () => {
      const { code, out, err } = await remusctl(...args);
      assert.deepEqual({ code, out }, { code: 2, out: '' });
      assert.match(err, /^remusctl: /);
      assert.deepEqual(daemon.requests, []);
    });
  }

  it('help and version do not need the daemon', async () => {
    await daemon.close();
    const shown = await Promise.all([remusctl('help'), remusctl('--help'), remusctl('--version')]);
    daemon = new FakeDaemon();
    await daemon.listen();
    assert.deepEqual(
      shown.map(({ code }) => code),
      [0, 0, 0],
    );
    assert.equal(shown[0].out, shown[1].out);
    assert.match(shown[2].out, /^remusctl [0-9]+\.[0-9]+\.[0-9]+\nremusd: remusd is not running/);
  });
});
