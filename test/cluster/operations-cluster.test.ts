/** Real Pacemaker: maintenance, standby, orderly stop and start of nodes and of the whole cluster. */
import assert from 'node:assert/strict';
import { measure } from './support/measures.js';
import { assertNothingLeft, restartDaemon, shell } from './support/operations.js';
import { dataProcesses } from './support/processes.js';
import {
  PATIENCE_MS,
  type Roles,
  type Scenario,
  VM,
  leaveLab,
  scenario,
} from './support/scenario.js';

/** The VM runs on as it was: the same guest, no violation. */
async function wentOn(s: Scenario, roles: Roles, primary: string, name: string): Promise<void> {
  assert.equal(roles.primary, primary, `the VM is on ${roles.primary}`);
  await s.untilAnswer();
  const { longest_silence } = await s.assertUnbroken();
  measure(name, { silence_ms: longest_silence.ms });
  await s.assertTidy(roles);
}

function promotedOn(s: Scenario, node: string): Promise<unknown> {
  return s.untilCrm(`${VM} is promoted on ${node}`, node, (status) =>
    status.resources.some(({ role, nodes }) => role === 'Promoted' && nodes.includes(node)),
  );
}

describe('operations: the cluster', () => {
  after(leaveLab);

  it(
    'maintenance mode with both daemons restarted in it: nothing happens to the VM',
    scenario(async (s) => {
      const nodes = [s.primary, s.backup];
      const processes = await dataProcesses(s.lab, nodes, VM);
      await shell(s.lab, s.primary, 'crm configure property maintenance-mode=true');
      await s.untilCrm('maintenance mode', s.primary, (status) => status.maintenance_mode);
      for (const node of nodes) await restartDaemon(s.lab, node);
      await s.untilAnswer();
      await shell(s.lab, s.primary, 'crm configure property maintenance-mode=false');
      await s.untilCrm('managed again', s.primary, (status) => !status.maintenance_mode);
      const roles = await s.untilProtected();
      assert.equal(roles.grant, s.grant, 'another replica');
      assert.deepEqual(await dataProcesses(s.lab, nodes, VM), processes);
      await wentOn(s, roles, s.primary, 'maintenance mode');
    }),
  );

  it(
    'standby of the backup: all can see why the VM is unprotected; online: protected again',
    scenario(async (s) => {
      await shell(s.lab, s.primary, `crm node standby ${s.backup}`);
      await s.untilWords(new RegExp(`^unprotected: peer ${s.backup} is in standby`), s.primary);
      await s.lab.waitFor(
        'nothing is left on the backup',
        async () => {
          await assertNothingLeft(s.lab, VM, [s.backup]);
          return true;
        },
        PATIENCE_MS,
      );
      await s.untilAnswer();
      await shell(s.lab, s.primary, `crm node online ${s.backup}`);
      await wentOn(s, await s.untilProtectedAnew(), s.primary, 'standby of the backup');
    }),
  );

  it(
    'standby of the primary: the VM is handed over with its memory; online: protected again',
    scenario(async (s) => {
      await shell(s.lab, s.backup, `crm node standby ${s.primary}`);
      await promotedOn(s, s.backup);
      await s.untilAnswer();
      await shell(s.lab, s.backup, `crm node online ${s.primary}`);
      await wentOn(s, await s.untilProtectedAnew(), s.backup, 'standby of the primary');
    }),
  );

  it(
    'orderly stop of the backup, and start: the VM stays where it is',
    scenario(async (s) => {
      await s.lab.stop(s.backup);
      assert.deepEqual(s.lab.hypervisor(s.backup), []);
      // The other node's Pacemaker cannot be asked.
      await s.untilCrm('all can see why it is unprotected', s.primary, ({ attributes }) => {
        const words = attributes[s.primary]?.[`remus-${VM}`] ?? '';
        return words.startsWith(`unprotected: peer ${s.backup} is offline`);
      });
      await s.untilAnswer();
      await s.lab.start(s.backup);
      await wentOn(s, await s.untilProtectedAnew(), s.primary, 'orderly stop of the backup');
    }),
  );

  it(
    'orderly stop of the primary, and start: the VM is handed over with its memory',
    scenario(async (s) => {
      await s.lab.stop(s.primary);
      assert.deepEqual(s.lab.hypervisor(s.primary), []);
      await promotedOn(s, s.backup);
      await s.untilAnswer();
      await s.lab.start(s.primary);
      await wentOn(s, await s.untilProtectedAnew(), s.backup, 'orderly stop of the primary');
    }),
  );

  it(
    'orderly stop of the whole cluster, and start: the VM is shut down, and boots anew',
    scenario(async (s) => {
      await Promise.all(s.lab.nodes().map((node) => s.lab.stop(node)));
      for (const node of s.lab.nodes()) assert.deepEqual(s.lab.hypervisor(node), []);
      await Promise.all(s.lab.nodes().map((node) => s.lab.start(node)));
      await s.lab.formed();
      const roles = await s.untilProtectedAnew();
      await s.untilAnswer();
      await s.assertRebooted();
      await s.assertTidy(roles);
    }),
  );
});
