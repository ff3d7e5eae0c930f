/** Real Pacemaker: start, probes, monitors, stop, adoption, parameters, two VMs. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lab, MONITOR_S } from './lab/lab.js';
import {
  agent,
  assertNothingLeft,
  remusctlVm,
  restartDaemon,
  shell,
  startDaemon,
  startResource,
  stopDaemon,
  stopResource,
  untilOperation,
  untilVmProtected,
} from './support/operations.js';
import { dataProcesses } from './support/processes.js';
import {
  PATIENCE_MS,
  type Roles,
  type Scenario,
  VM,
  leaveLab,
  readRecord,
  scenario,
} from './support/scenario.js';

async function removeResource(lab: Lab, vm: string): Promise<void> {
  await stopResource(lab, vm);
  await shell(lab, lab.anyNode(), `crm configure delete ${vm}-ha ${vm}`);
}

/** Scores, record and monitors of a VM that is protected. */
async function assertHealthy(s: Scenario, roles: Roles): Promise<void> {
  const { primary, backup } = roles;
  const { attributes } = await s.lab.crmMon(primary);
  assert.equal(attributes[primary]?.[`master-${VM}`], '1000');
  assert.equal(attributes[backup]?.[`master-${VM}`], '500');
  const record = await readRecord(primary);
  assert.match(record, new RegExp(`^g=\\d+ primary=${primary} grant=${backup}/\\d+/\\w+$`));
  assert.equal(await readRecord(backup), record, 'the nodes differ in the record');
  await untilOperation(s.lab, primary, `${VM}_monitor_${MONITOR_S * 1000}`, 8);
  await untilOperation(s.lab, backup, `${VM}_monitor_${MONITOR_S * 1000 + 1000}`, 0);
  await s.untilCrm(
    'no failure is shown any more',
    primary,
    ({ failures }) => failures.length === 0,
  );
}

/** Neither the guest nor its replication has noticed anything. */
async function undisturbed(s: Scenario, work: () => Promise<unknown>): Promise<void> {
  const nodes = [s.primary, s.backup];
  const processes = await dataProcesses(s.lab, nodes, VM);
  await work();
  const roles = await s.untilProtected();
  assert.deepEqual([roles.primary, roles.grant], [s.primary, s.grant]);
  assert.deepEqual(await dataProcesses(s.lab, nodes, VM), processes);
  await s.untilAnswer();
  await s.assertUnbroken();
}

describe('operations: the life of a VM', () => {
  after(leaveLab);

  it(
    'stop leaves nothing behind; start again',
    scenario(async (s) => {
      await stopResource(s.lab, VM);
      await assertNothingLeft(s.lab, VM);
      assert.match(await readRecord(s.primary), / grant=none$/);
      for (const node of s.lab.nodes())
        assert.equal((await agent(s.lab, node, VM, 'monitor')).rc, 7);
      await startResource(s.lab, VM);
      const roles = await s.untilProtectedAnew();
      await s.untilAnswer();
      await s.assertRebooted();
      await s.assertTidy(roles);
    }),
  );

  it(
    'a new resource: probed not running, started, promoted, protected; probed again as it is',
    scenario(async (s) => {
      await removeResource(s.lab, VM);
      await s.lab.addVm(VM, { meta: { 'target-role': 'Stopped' } });
      for (const node of s.lab.nodes()) await untilOperation(s.lab, node, `${VM}_monitor_0`, 7);
      await startResource(s.lab, VM);
      const roles = await s.untilProtectedAnew();
      await assertHealthy(s, roles);
      for (const [node, rc] of [
        [roles.primary, 8],
        [roles.backup, 0],
      ] as const)
        assert.equal((await agent(s.lab, node, VM, 'monitor')).rc, rc);
      await s.untilAnswer();
      await s.assertRebooted();
    }),
  );

  // Not after a refresh: Pacemaker 2.1.5 takes an agent whose newest result is a probe for one that cannot reload.
  it(
    'a changed interval is reloaded without a restart, and known to a new daemon',
    scenario(async (s) => {
      const registered = `cat /run/pacemaker-remus/vms/${VM}.json`;
      await undisturbed(s, async () => {
        await shell(s.lab, s.primary, `crm_resource -r ${VM} -p interval -v 100`);
        for (const node of s.lab.nodes())
          await s.lab.waitFor(
            `${node} has the new interval`,
            async () => (await shell(s.lab, node, registered)).includes('"interval_ms":100'),
            PATIENCE_MS,
          );
        for (const node of s.lab.nodes()) await restartDaemon(s.lab, node);
      });
      await shell(s.lab, s.primary, `remusctl switchover ${VM}`, 120_000);
      const { primary } = await s.untilProtectedAnew();
      await s.lab.waitFor(
        'the next replication has the new interval',
        async () => ((await remusctlVm(s.lab, primary, VM)).rate_per_s ?? 0) > 6,
        PATIENCE_MS,
      );
      await shell(s.lab, primary, `crm_resource -r ${VM} -d interval`);
      await s.assertUnbroken();
    }),
  );

  it(
    'a wrong parameter, and one that is changed while remusd is down: the VM goes on, and crm_mon says what is wrong',
    scenario((s) =>
      undisturbed(s, async () => {
        const interval = (change: string) =>
          shell(s.lab, s.primary, `crm_resource -r ${VM} ${change}`);
        await s.untilNoFailures();
        await interval('-p interval -v abc');
        for (const [node, rc] of [
          [s.primary, 191],
          [s.backup, 190],
        ] as const)
          await s.untilCrm(`crm_mon says ${rc} of ${node}, and why`, s.primary, ({ failures }) =>
            failures.some(
              (one) =>
                one.node === node &&
                one.exit_code === rc &&
                /interval="abc" must be/.test(one.reason),
            ),
          );
        await stopDaemon(s.lab, s.primary);
        await interval('-p interval -v 150');
        await sleep(3_000);
        await startDaemon(s.lab, s.primary);
        const registered = `cat /run/pacemaker-remus/vms/${VM}.json`;
        for (const node of s.lab.nodes())
          await s.lab.waitFor(
            `${node} has the interval`,
            async () => (await shell(s.lab, node, registered)).includes('"interval_ms":150'),
            PATIENCE_MS,
          );
        await interval('-d interval');
        await s.untilNoFailures();
      }),
    ),
  );

  it(
    'adoption: a VM that was started by hand is taken over without a restart',
    scenario(async (s) => {
      await removeResource(s.lab, VM);
      await shell(s.lab, s.backup, `xl create /etc/xen/${VM}.cfg`);
      await s.untilAnswer();
      const { boot } = (await s.client.report()).last ?? {};
      await s.lab.addVm(VM);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup, 'it is not where it was');
      await s.untilAnswer();
      const { last } = await s.assertRebooted(); // once: by hand
      assert.equal(last?.boot, boot, 'it has been restarted');
      await assertHealthy(s, roles);
    }),
  );

  it(
    'cleanup and refresh: probed anew, nothing is restarted',
    scenario((s) =>
      undisturbed(s, async () => {
        for (const how of ['--cleanup', '--refresh']) {
          await shell(s.lab, s.primary, `crm_resource ${how} --resource ${VM}`);
          const roles = await s.untilProtected();
          await assertHealthy(s, roles);
        }
      }),
    ),
  );

  it(
    'two VMs, each protected on the node of the other',
    scenario(async (s) => {
      const other = 'vm2';
      await s.lab.vmConfig(other);
      await s.lab.addVm(other);
      const first = await untilVmProtected(s.lab, other);
      if (first.primary === s.primary)
        await shell(s.lab, s.primary, `remusctl switchover ${other}`, 120_000);
      const crossed = await s.lab.waitFor(
        'the VMs run on different nodes',
        async () => {
          const pair = await untilVmProtected(s.lab, other);
          return pair.primary === s.backup && pair;
        },
        PATIENCE_MS,
      );
      assert.equal(crossed.backup, s.primary);
      const { grant } = await s.untilProtected();
      assert.equal(grant, s.grant, 'the first VM has got another replica');
      await removeResource(s.lab, other);
      for (const node of s.lab.nodes()) {
        const names = s.lab.hypervisor(node).map(({ name }) => name);
        assert.ok(!names.some((name) => name.startsWith(other)), `${node} has ${names.join(' ')}`);
      }
      const roles = await s.untilProtected();
      assert.equal(roles.grant, s.grant, 'the first VM has got another replica');
      await s.assertUnbroken();
      await s.assertTidy(roles);
    }),
  );
});
