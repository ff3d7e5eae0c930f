/** Real Pacemaker: the operator pauses replication and resumes it, and reads what was decided. */
import assert from 'node:assert/strict';
import type { VmHistory } from '../../ctl/history.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { measure } from './support/measures.js';
import {
  agent,
  remusctlVm,
  restartDaemon,
  shell,
  startDaemon,
  startResource,
  stopDaemon,
  stopResource,
} from './support/operations.js';
import { type Scenario, VM, leaveLab, readRecord, scenario } from './support/scenario.js';

/** Who has typed it is whoever has started the lab. */
const UNPROTECTED = new RegExp(`^unprotected: paused by \\S+; type: remusctl resume ${VM}$`);
const NO_REPLICA = 'no replica: paused by the operator';

/** Everybody says it, nothing of the replica is left, and the guest is heard without delay. */
async function assertPaused(s: Scenario, primary = s.primary, backup = s.backup): Promise<void> {
  await s.untilWords(UNPROTECTED, primary);
  await s.untilWords(new RegExp(`^${NO_REPLICA}$`), backup);
  assert.match(await readRecord(primary), / grant=none$/);
  await s.lab.waitFor(
    'the replica is gone',
    () => s.lab.hypervisor(backup).every(({ name }) => name !== `${VM}--incoming`),
    s.lab.patience_ms,
  );
  const vm = await remusctlVm(s.lab, primary, VM);
  assert.match(vm.words, UNPROTECTED);
  assert.deepEqual([vm.hint, vm.held], [`remusctl resume ${VM}`, false]);
  const { rc, reason } = await agent(s.lab, primary, VM, 'monitor', 10_000);
  assert.deepEqual([rc, reason], [191, vm.words]);
  assert.equal((await agent(s.lab, backup, VM, 'monitor', 11_000)).rc, 0, 'the backup is blamed');
  await s.untilAnswer();
}

function remusctl(s: Scenario, node: string, words: string): Promise<string> {
  return shell(s.lab, node, `remusctl ${words}`, 180_000);
}

async function history(s: Scenario, node: string): Promise<VmHistory> {
  return JSON.parse(await remusctl(s, node, `history ${VM} --json --limit 1000`)) as VmHistory;
}

describe('operations: pause, resume and history', () => {
  after(leaveLab);

  for (const side of ['primary', 'backup'] as const) {
    it(
      `typed on the ${side}: ends with the withdrawal, outlives both daemons, is resumed; nobody notices`,
      scenario(async (s) => {
        const began_ms = Date.now();
        const said = await remusctl(s, s[side], `pause ${VM} 2>&1`);
        measure('pause', { typed_on: side, ms: Date.now() - began_ms });
        assert.match(said, new RegExp(`${VM}: replication is paused; it runs on ${s.primary}`));
        await assertPaused(s);
        assert.match(await remusctl(s, s[side], `pause ${VM}`), /was paused already/);
        await restartDaemon(s.lab, s.primary);
        await restartDaemon(s.lab, s.backup);
        await assertPaused(s);
        const resumed_ms = Date.now();
        const on = await remusctl(s, s[side], `resume ${VM}`);
        measure('resume', { typed_on: side, ms: Date.now() - resumed_ms });
        assert.match(on, new RegExp(`replication goes on; it runs on ${s.primary}, protected`));
        const roles = await s.untilProtectedAnew();
        assert.equal(roles.primary, s.primary);
        assert.match(await remusctl(s, s[side], `resume ${VM}`), /was not paused/);
        await s.assertUnbroken();
        await s.assertTidy(roles);
      }),
    );
  }

  it(
    'the primary loses its power: started anew elsewhere, and still paused, until a resume',
    scenario(async (s) => {
      await remusctl(s, s.primary, `pause ${VM}`);
      await s.lab.kill(s.primary);
      await s.untilCrm(`${VM} is promoted on ${s.backup}`, s.backup, ({ resources }) =>
        resources.some((one) => one.role === 'Promoted' && one.nodes.includes(s.backup)),
      );
      await s.lab.boot(s.primary);
      await s.untilCrm(`${VM} is started on ${s.primary}`, s.backup, ({ resources }) =>
        resources.some((one) => one.role === 'Unpromoted' && one.nodes.includes(s.primary)),
      );
      await s.lab.waitFor(
        'the monitors are past the first seconds',
        async () => (await agent(s.lab, s.backup, VM, 'monitor', 10_000)).rc === 191,
        s.lab.patience_ms,
      );
      await assertPaused(s, s.backup, s.primary);
      await s.assertRebooted();
      await remusctl(s, s.primary, `resume ${VM}`);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup);
    }),
  );

  it(
    'stopped and started while paused: paused; refused where there is nothing to pause',
    scenario(async (s) => {
      await remusctl(s, s.backup, `pause ${VM}`);
      const moved = await s.lab.exec(s.primary, ['remusctl', 'switchover', VM]);
      assert.equal(moved.code, 3);
      assert.match(moved.stderr, new RegExp(`type: remusctl resume ${VM}`));
      await stopResource(s.lab, VM);
      for (const [vm, why] of [
        [VM, new RegExp(`${VM} is not started on ${s.primary}`)],
        ['vm9', /vm9 is not started on/],
      ] as const) {
        const { code, stderr } = await s.lab.exec(s.primary, ['remusctl', 'pause', vm]);
        assert.equal(code, 3);
        assert.match(stderr, why);
      }
      await startResource(s.lab, VM);
      await s.untilWords(UNPROTECTED);
      await remusctl(s, s.backup, `resume ${VM}`);
      await s.untilProtectedAnew();
    }),
  );

  for (const side of ['primary', 'backup'] as const) {
    it(
      `for some time, with a reason, typed on the ${side}: everybody is told, another takes its place, and it ends by itself`,
      scenario(async (s) => {
        const said = await remusctl(s, s[side], `pause ${VM} --for 2h storage work 2>&1`);
        assert.match(said, /is paused until \d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC; it runs on/);
        const why = /paused until \d{4}-.+ UTC by \S+: storage work/;
        await s.untilWords(new RegExp(`^unprotected: ${why.source}; type: remusctl resume ${VM}$`));
        const vm = await remusctlVm(s.lab, s.primary, VM);
        assert.match(vm.reason ?? '', new RegExp(`^${why.source}$`));
        assert.deepEqual([vm.paused?.why, vm.paused?.node], ['storage work', s[side]]);
        const again = await remusctl(
          s,
          s[side],
          `pause ${VM} --for 20s 'K\u00fchlung, "it\u2019s" 100%'`,
        );
        assert.match(again, /was paused already, now until /);
        const now = await remusctlVm(s.lab, s.primary, VM);
        assert.equal(now.paused?.why, 'K\u00fchlung, "it\u2019s" 100%');
        const roles = await s.untilProtectedAnew();
        const ended_ms = Date.now();
        assert.ok(ended_ms >= Date.parse(now.paused.until ?? ''), 'it ended too early');
        const { entries } = await history(s, s.backup);
        const over = entries.findLast(({ text }) => text === 'replicating again');
        assert.deepEqual(
          [over?.node, over?.data['because'], over?.data['until']],
          [s.primary, 'the pause is over', now.paused.until],
        );
        await s.assertUnbroken();
        await s.assertTidy(roles);
      }),
    );
  }

  it(
    'for some time: remusd is down at its end, then the VM is stopped at another',
    scenario(async (s) => {
      await remusctl(s, s.primary, `pause ${VM} --for 5s`);
      await stopDaemon(s.lab, s.primary);
      await sleep(8_000);
      await startDaemon(s.lab, s.primary);
      await s.untilProtectedAnew();
      await s.assertUnbroken();
      await remusctl(s, s.backup, `pause ${VM} --for 5s`);
      await stopResource(s.lab, VM);
      await sleep(6_000);
      await startResource(s.lab, VM);
      await s.untilProtectedAnew();
    }),
  );

  for (const side of ['primary', 'backup'] as const) {
    it(
      `a new replica, asked for on the ${side}: same generation, another session; nobody outside notices`,
      scenario(async (s) => {
        const before = await readRecord(s.primary);
        const dry = await remusctl(s, s[side], `resync ${VM} --dry-run`);
        assert.match(
          dry,
          new RegExp(`The replica on ${s.backup} would be given up[^]*UNPROTECTED`),
        );
        assert.equal(await readRecord(s.primary), before, 'a dry run has changed something');
        const began_ms = Date.now();
        const said = await remusctl(s, s[side], `resync ${VM}`);
        measure('resync', { typed_on: side, ms: Date.now() - began_ms });
        assert.match(
          said,
          new RegExp(
            `was unprotected for \\d+\\.\\d\\d s; it runs on ${s.primary}, its replica is on`,
          ),
        );
        const roles = await s.untilProtectedAnew();
        assert.equal(roles.primary, s.primary);
        const grant = /^g=(\d+) .* grant=(\S+)$/;
        const [, generation, old] = grant.exec(before) ?? [];
        const [, same, fresh] = grant.exec(await readRecord(s.primary)) ?? [];
        assert.ok(generation !== undefined && fresh !== undefined);
        assert.equal(same, generation);
        assert.notEqual(fresh, old);
        const { entries } = await history(s, s.backup);
        const asked = entries.findLast(
          ({ text }) => text === 'a new replica asked for by the operator',
        );
        assert.deepEqual([asked?.node, asked?.data['on']], [s.primary, s[side]]);
        await s.assertUnbroken();
        await s.assertTidy(roles);
      }),
    );
  }

  it(
    'a new replica of a paused VM, or of one that is stopped: refused, with what to type',
    scenario(async (s) => {
      await remusctl(s, s.primary, `pause ${VM}`);
      for (const words of [
        ['resync', VM],
        ['resync', VM, '--dry-run'],
      ]) {
        const { code, stdout, stderr } = await s.lab.exec(s.backup, ['remusctl', ...words]);
        assert.notEqual(code, 0, words.join(' '));
        assert.match(stdout + stderr, new RegExp(`type: remusctl resume ${VM}`));
      }
      const here = await s.lab.exec(s.primary, ['remusctl', 'resync', VM]);
      assert.equal(here.code, 3, here.stderr);
      await remusctl(s, s.primary, `resume ${VM}`);
      await s.untilProtectedAnew();
      await stopResource(s.lab, VM);
      const stopped = await s.lab.exec(s.primary, ['remusctl', 'resync', VM]);
      assert.equal(stopped.code, 3);
      assert.match(stopped.stderr, /is not started on|does not run/);
      await startResource(s.lab, VM);
      await s.untilProtectedAnew();
    }),
  );

  it(
    'history: every decision with its reason, of both nodes; of this node alone when nobody answers',
    scenario(async (s) => {
      await remusctl(s, s.primary, `pause ${VM}`);
      await remusctl(s, s.primary, `resume ${VM}`);
      const { entries, missing } = await history(s, s.backup);
      assert.deepEqual(missing, []);
      const texts = entries.map(({ node, text }) => `${node} ${text}`);
      const wanted = [
        `${s.primary} pause asked for by the operator`,
        `${s.primary} protection lost: withdrawing the grant, output held`,
        `${s.primary} withdrawn: the peer has it in its own CIB; letting the output go`,
        `${s.primary} paused`,
        `${s.backup} the primary does not want this replica any more`,
        `${s.primary} resume asked for by the operator`,
        `${s.backup} preparing a replica`,
        `${s.primary} granted: the replica may be promoted`,
      ];
      const last = texts.slice(texts.lastIndexOf(wanted[0] ?? ''));
      for (const text of wanted)
        assert.equal(
          last.filter((one) => one === text).length,
          1,
          `"${text}" in ${last.join('\n')}`,
        );
      const screen = await remusctl(s, s.primary, `history ${VM} --limit 5`);
      assert.equal(screen.trimEnd().split('\n').length, 6);
      assert.match(screen, /granted: the replica may be promoted: its checkpoint is acknowledged/);
      await stopDaemon(s.lab, s.backup);
      const alone = await s.lab.exec(s.primary, ['remusctl', 'history', VM]);
      assert.equal(alone.code, 0);
      assert.match(alone.stderr, new RegExp(`not everything of ${s.backup} is shown: .+`));
      const file = await s.lab.exec(s.backup, ['remusctl', 'history', VM]);
      assert.equal(file.code, 0, file.stderr);
      assert.match(file.stdout, /here {2}preparing a replica/);
      assert.match(file.stderr, /remusd is not running on this node: this is from its file/);
      await startDaemon(s.lab, s.backup);
      const unknown = await s.lab.exec(s.primary, ['remusctl', 'history', 'vm9']);
      assert.equal(unknown.code, 1);
      assert.match(unknown.stderr, /nothing is written down of a VM "vm9"/);
    }),
  );
});
