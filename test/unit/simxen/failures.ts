import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import {
  checkpoints,
  Host,
  normalise,
  recorded,
  type Run,
  standsInWrite,
  standsStopped,
  until,
  withoutProgress,
} from './harness.js';

/** The lines of a log, without what differs in number. */
function told(log: string): string[] {
  return withoutProgress(normalise(log).split('\n'));
}

/** The end of a recorded log, from the first line that is not about the beginning. */
function expectedTail(name: string, heading: string, count: number): string[] {
  return withoutProgress(recorded(name, heading)).slice(-count);
}

/** A guest that takes up `xl shutdown` and `xl reboot` at once, before a checkpoint's suspend can overwrite them. */
const PROMPT = 'dirty=4 tick=20 ctl=0';
/** A guest that has not looked before a checkpoint's suspend has overwritten them. */
const SLOW = 'dirty=4 tick=20 ctl=3600000';

const FAILOVER = [
  'xc: error: Failed to read Record Header from stream (0 = Success): Internal error',
  'xc: info: Restore successful',
  'xc: info: XenStore: mfn 0xfeffc, dom 0, evt 1',
  'xc: info: Console: mfn 0xfefff, dom 0, evt 2',
  'migration target: Remus Failover for domain N',
];

/** What is recorded of every failure of a replication, on one of the two releases. A file each: two processes can share the work. */
export function failures(version: '4.17' | '4.20'): void {
  describe(`simulated xen ${version}: failures`, function () {
    this.timeout(30_000);
    let a: Host;
    let b: Host;
    let run: Run;

    const protect = async (
      options: { monitor?: boolean; extra?: string } = {},
    ): Promise<number> => {
      const domid = await a.create('pvh2', options);
      if (options.monitor === true) await until('monitor', () => a.monitorLog('pvh2') !== '');
      // On 4.20 the monitor destroys what has ended, which xl remus notices: it is not to lose patience before.
      if (options.monitor === true && version === '4.20') a.env.SIMXEN_DESTROY_WAIT_MS = '60000';
      run = a.remusTo(b, 'pvh2');
      await until('checkpoints', () => checkpoints(run.stderr) >= 3);
      return domid;
    };

    /** Stops xl remus between two checkpoints: the guest runs, and all that was sent has been taken. */
    const stopBetween = (): Promise<void> =>
      until('a moment between two checkpoints', async () => {
        run.child.kill('SIGSTOP');
        await standsStopped(run.child.pid ?? 0);
        for (let n = 0; n < 5; n++) {
          await sleep(30);
          // All that it has said is read before the next turn of the event loop.
          await nextTurn();
          const taken = b.receiverLog().split('All records processed').length - 1;
          if (a.runs('pvh2') && taken === checkpoints(run.stderr)) return true;
        }
        run.child.kill('SIGCONT');
        return false;
      });

    beforeEach(() => {
      a = new Host(version);
      b = new Host(version);
    });
    afterEach(async () => {
      await a.close();
      await b.close();
    });

    it('a replica is paused, has no vcpus and no vif, and cannot be listed in full', async () => {
      await protect();
      const { stdout } = await b.xl('list', 'pvh2--incoming');
      assert.match(stdout, /^pvh2--incoming +1 +8 +0 {5}--p--- /m);
      const full = await b.xl('list', '-l', 'pvh2--incoming');
      assert.deepEqual([full.code, full.stdout], [0, '[\n\n]\n\n']);
      assert.match(full.stderr, /Fail to get domain configuration/);
      assert.equal((await b.xl('network-list', 'pvh2--incoming')).stdout.split('\n').length, 2);
    });

    it('b: kill -9 of the receiver: primary runs, an orphan stays and blocks the next', async () => {
      await protect();
      await stopBetween();
      process.kill(a.childPid(run), 'SIGKILL');
      run.child.kill('SIGCONT');
      assert.equal((await run.ended).code, 1);
      if (version === '4.17')
        assert.deepEqual(
          told(run.stderr).slice(-4),
          expectedTail('case-b1-kill9-receiver.txt', '## full tx.err', 4),
        );
      assert.match(run.stderr, /Remus: Backup failed\? resuming domain at primary\.\n$/);
      assert.deepEqual(
        [await a.state('pvh2'), await b.state('pvh2--incoming')],
        ['-b----', '--p---'],
      );
      const again = a.remusTo(b, 'pvh2');
      assert.equal((await again.ended).code, 1);
      assert.match(b.receiverLog(), /Domain with name "pvh2--incoming" already exists/);
      assert.match(b.receiverLog(), /migration target: Domain creation failed \(code -3\)\./);
    });

    it('b: xl destroy of the replica: the receiver cleans up, rc 1', async () => {
      await protect();
      await b.xl('destroy', 'pvh2--incoming');
      assert.equal((await run.ended).code, 1);
      await until('the end', () =>
        b.receiverLog().includes('migration target: Domain creation failed'),
      );
      if (version === '4.17')
        assert.deepEqual(
          told(b.receiverLog()).slice(-11),
          expectedTail('case-b3-destroy-incoming.txt', '## full rx.err', 11),
        );
      assert.deepEqual(
        [await a.state('pvh2'), await b.state('pvh2--incoming')],
        ['-b----', undefined],
      );
    });

    it('e: kill of xl remus while the guest runs: two copies', async () => {
      await protect();
      await stopBetween();
      run.child.kill('SIGTERM');
      run.child.kill('SIGCONT');
      assert.equal((await run.ended).signal, 'SIGTERM');
      await until('failover', () => b.receiverLog().includes('Remus Failover'));
      assert.deepEqual(told(b.receiverLog()).slice(-5), FAILOVER);
      await until('running', () => b.runs('pvh2'));
      assert.equal(await b.state('pvh2'), '-b----');
      assert.equal(await b.state('pvh2--incoming'), undefined);
    });

    it('d and e: a transport that does not read holds the guest suspended; killed then, it stays so', async () => {
      await a.create('pvh2', { extra: 'dirty=64 tick=20' });
      const banner = "printf 'xl migration receiver ready, send binary domain data.\\n'";
      const command = `${banner}; exec cat >/dev/null`;
      run = a.start(['remus', '-F', '-n', '-d', '-i', '50', '-s', '', 'pvh2', command]);
      await until('checkpoints', () => checkpoints(run.stderr) >= 3);
      const transport = a.childPid(run);
      process.kill(transport, 'SIGSTOP');
      await standsInWrite(run.child.pid ?? 0);
      assert.equal(await a.state('pvh2'), '---ss-');
      run.child.kill('SIGKILL');
      await once(run.child, 'exit');
      assert.equal(await a.state('pvh2'), '---ss-');
      process.kill(transport, 'SIGKILL');
      if (version === '4.17') {
        const python = `import xen.lowlevel.xc as x; x.xc().domain_resume(1, True)`;
        const env = {
          ...a.env,
          PYTHONPATH: new URL('../../../../test/simxen/python', import.meta.url).pathname,
        };
        assert.equal(spawnSync('python3', ['-c', python], { env }).status, 0);
      } else {
        assert.equal((await a.xl('resume', 'pvh2')).code, 0);
      }
      assert.equal(await a.state('pvh2'), '-b----');
    });

    it('a: the transport is killed: two copies', async () => {
      await a.create('pvh2');
      run = a.remusTo(b, 'pvh2', '-e', 'cat |');
      await until('checkpoints', () => checkpoints(run.stderr) >= 3);
      process.kill(a.childPid(run, 'cat'), 'SIGKILL');
      assert.equal((await run.ended).code, 1);
      await until('failover', () => b.receiverLog().includes('Remus Failover'));
      await until('running', () => b.runs('pvh2'));
      assert.deepEqual([await a.state('pvh2'), await b.state('pvh2')], ['-b----', '-b----']);
    });

    it('f: xl destroy at the primary: noticed late, rc 0, the backup fails over', async () => {
      await protect();
      const at = Date.now();
      await a.xl('destroy', 'pvh2');
      assert.equal((await run.ended).code, 0);
      assert.ok(Date.now() - at >= 300);
      if (version === '4.17')
        assert.deepEqual(
          told(run.stderr).slice(-6),
          expectedTail('case-f4-xl-destroy-primary.txt', '## full tx.err', 6),
        );
      await until('failover', () => b.receiverLog().includes('Remus Failover'));
    });

    it('f: the guest shuts down', async () => {
      await protect({ monitor: true, extra: PROMPT });
      await a.xl('shutdown', 'pvh2');
      assert.equal((await run.ended).code, 1);
      const file =
        version === '4.17' ? 'case-f1-guest-shutdown.txt' : 'debian13/case-f1-guest-shutdown.txt';
      const count = version === '4.17' ? 8 : 7;
      assert.deepEqual(told(run.stderr).slice(-count), expectedTail(file, '## full tx.err', count));
      assert.equal(await a.state('pvh2'), version === '4.17' ? '---s--' : undefined);
      await until('the dead guest runs at the backup', () => b.runs('pvh2'));
    });

    it('f: the guest crashes', async () => {
      await protect({ monitor: true });
      await a.xl('sysrq', 'pvh2', 'c');
      assert.equal((await run.ended).code, 1);
      const file =
        version === '4.17' ? 'case-f3-guest-crash.txt' : 'debian13/case-f3-guest-crash.txt';
      const count = version === '4.17' ? 8 : 9;
      assert.deepEqual(told(run.stderr).slice(-count), expectedTail(file, '## full tx.err', count));
      assert.equal(await a.state('pvh2'), version === '4.17' ? '---sc-' : undefined);
    });

    it('f: the guest is told to reboot, and a checkpoint comes first: the word is lost', async () => {
      const domid = await protect({ monitor: true, extra: SLOW });
      assert.equal((await a.xl('reboot', 'pvh2')).code, 0);
      // The first of them may have been suspended already when the word came.
      const seen = checkpoints(run.stderr);
      await until('two more checkpoints', () => checkpoints(run.stderr) >= seen + 2);
      assert.equal(await a.waitingWord(domid), null);
      assert.deepEqual([a.look('pvh2')?.domid, run.child.exitCode], [domid, null]);
      assert.match((await a.state('pvh2')) ?? '', /^-b----$|^---ss-$/);
      if (version === '4.17')
        assert.match(
          a.monitorLog('pvh2'),
          /reason code 2 0x2\nDomain has suspended\.\nDone\. Exiting now\n$/,
        );
    });

    it('f: the guest is told to reboot, and hears it', async () => {
      const domid = await protect({ monitor: true, extra: PROMPT });
      await a.xl('reboot', 'pvh2');
      assert.equal((await run.ended).code, 1);
      await until('the replica runs', () => b.runs('pvh2'));
      if (version === '4.17') {
        assert.equal(await a.state('pvh2'), '---sr-');
        return;
      }
      await until('two copies', () => a.runs('pvh2'));
      assert.equal(a.look('pvh2')?.domid, domid + 1);
    });
  });
}
