/** Real Pacemaker: remusd is restarted, or is down. It must disturb neither a VM nor its replication. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  agent,
  assertNothingLeft,
  crashDaemonAt,
  remusctlVm,
  restartDaemon,
  shell,
  startDaemon,
  startResource,
  stopDaemon,
  stopResource,
} from './support/operations.js';
import { MONITOR_S } from './lab/lab.js';
import { dataProcesses } from './support/processes.js';
import { PATIENCE_MS, type Scenario, VM, leaveLab, scenario } from './support/scenario.js';

type Side = 'primary' | 'backup';
const DOWN = 'remusd is not running on';
/** The interval of the recurring monitors, and what one may take. */
const MONITOR_MS = MONITOR_S * 1_000 + 2_000;

async function acked(s: Scenario): Promise<number> {
  return (await remusctlVm(s.lab, s.primary, VM)).checkpoint.acked ?? -1;
}

/** The same replica, the same processes, checkpoints that go on from where they were. */
async function goesOn(s: Scenario, work: () => Promise<unknown>): Promise<void> {
  const nodes = [s.primary, s.backup];
  const processes = await dataProcesses(s.lab, nodes, VM);
  const before = await acked(s);
  await work();
  await s.lab.waitFor(
    'checkpoints are acknowledged on and on',
    async () => (await acked(s)) > before + 5,
    PATIENCE_MS,
  );
  const roles = await s.untilProtected();
  assert.equal(roles.grant, s.grant, 'another replica');
  assert.deepEqual(await dataProcesses(s.lab, nodes, VM), processes);
  await s.untilAnswer();
  await s.assertUnbroken();
  await s.assertTidy(roles);
  const { failures } = await s.lab.crmMon(s.primary);
  assert.deepEqual(failures, []);
}

/** What crm_mon shows of a recurring monitor that says degraded; nothing must be shown before. */
async function untilDegraded(s: Scenario, node: string, rc: number, reason: RegExp): Promise<void> {
  await s.untilCrm(`crm_mon shows ${rc} for ${node}, and why`, s.primary, ({ failures }) =>
    failures.some((one) => one.node === node && one.exit_code === rc && reason.test(one.reason)),
  );
}

describe('operations: the daemon', () => {
  after(leaveLab);

  for (const sides of [['primary'], ['backup'], ['primary', 'backup']] as const) {
    it(
      `restarted on the ${sides.join(' and the ')}: replication goes on`,
      scenario((s) =>
        goesOn(s, () => Promise.all(sides.map((side) => restartDaemon(s.lab, s[side])))),
      ),
    );
  }

  for (const moment of ['switchover asked for by the operator', 'handing over', 'handed over']) {
    it(
      `killed at "${moment}", and started anew: the VM moves all the same, nothing is lost`,
      scenario(async (s) => {
        // The command may lose its connection.
        const move = () => s.lab.exec(s.backup, ['remusctl', 'switchover', VM]);
        await crashDaemonAt(s.lab, s.primary, moment, move);
        const roles = await s.untilProtectedAnew();
        assert.equal(roles.primary, s.backup, 'it has not moved');
        await s.untilAnswer();
        await s.assertUnbroken();
        await s.assertTidy(roles);
      }),
    );
  }

  for (const [side, rc] of [
    ['primary', 191],
    ['backup', 190],
  ] as const) {
    it(
      `down on the ${side}: its monitor says ${rc} and what to start, the VM goes on`,
      scenario((s) =>
        goesOn(s, async () => {
          await s.untilNoFailures();
          await stopDaemon(s.lab, s[side]);
          await untilDegraded(s, s[side], rc, /remusd is not running.*systemctl start remusd/);
          const words = `unknown: remusd is not running on ${s[side]}`;
          assert.equal((await s.lab.crmMon(s.primary)).attributes[s[side]]?.[`remus-${VM}`], words);
          const probe = await agent(s.lab, s[side], VM, 'monitor');
          assert.equal(probe.rc, side === 'primary' ? 8 : 0);
          await startDaemon(s.lab, s[side]);
        }),
      ),
    );

    it(
      `down on the ${side}: stop still stops, and leaves nothing behind`,
      scenario(async (s) => {
        await stopDaemon(s.lab, s[side]);
        await stopResource(s.lab, VM);
        await assertNothingLeft(s.lab, VM);
        await startDaemon(s.lab, s[side]);
        await startResource(s.lab, VM);
        await s.untilProtectedAnew();
        await s.untilAnswer();
        await s.assertRebooted();
      }),
    );
  }

  it(
    'down once more before a monitor has seen it up: crm_mon goes on to say so',
    scenario((s) =>
      goesOn(s, async () => {
        const reason = /remusd is not running/;
        await s.untilNoFailures();
        await stopDaemon(s.lab, s.primary);
        await untilDegraded(s, s.primary, 191, reason);
        await startDaemon(s.lab, s.primary);
        await stopDaemon(s.lab, s.primary);
        await sleep(2 * MONITOR_MS);
        await untilDegraded(s, s.primary, 191, reason);
        await startDaemon(s.lab, s.primary);
      }),
    ),
  );

  it(
    'down: start and promote fail, and say what to start; with it a cleanup is enough',
    scenario(async (s) => {
      await stopResource(s.lab, VM);
      const node = s.primary;
      await stopDaemon(s.lab, node);
      const promote = await agent(s.lab, node, VM, 'promote');
      assert.equal(promote.rc, 1);
      assert.match(promote.reason, new RegExp(`${DOWN} ${node}.*systemctl start remusd`));
      await startResource(s.lab, VM);
      await s.untilCrm('the start has failed, and crm_mon says why', node, ({ failures }) =>
        failures.some(
          (one) =>
            one.node === node &&
            one.task === 'start' &&
            one.reason.includes(`${DOWN} ${node}`) &&
            one.reason.includes('systemctl start remusd'),
        ),
      );
      await s.untilAnswer(); // on the other node
      await startDaemon(s.lab, node);
      await shell(s.lab, node, `crm_resource --cleanup --resource ${VM}`);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup);
      await s.assertRebooted();
    }),
  );

  it(
    'its socket is there, but nobody answers: the monitor says so in time',
    scenario(async (s) => {
      const side: Side = 'backup';
      await goesOn(s, async () => {
        await shell(s.lab, s[side], 'kill -STOP "$(cat /run/remusd.pid)"');
        const monitor = await agent(s.lab, s[side], VM, 'monitor', 11_000);
        await shell(s.lab, s[side], 'kill -CONT "$(cat /run/remusd.pid)"');
        assert.equal(monitor.rc, 190);
        assert.match(monitor.reason, /does not answer.*systemctl restart remusd/);
      });
    }),
  );
});
