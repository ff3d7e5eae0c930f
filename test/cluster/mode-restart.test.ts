/**
 * Real Pacemaker: a VM with mode=restart. No replica is kept, and nobody calls that degraded; a dead node costs it its memory, a
 * planned move does not, whoever asks for it.
 */
import assert from 'node:assert/strict';
import { nodesInRole } from './lab/crm-status.js';
import { inventory } from './support/left-overs.js';
import { agent, remusctlVm, restartDaemon, shell } from './support/operations.js';
import { type Scenario, VM, leaveLab, readRecord, scenario } from './support/scenario.js';

const RUNS = /^running, not replicated \(mode=restart\)$/;
const READY = /^ready to start \(mode=restart\)$/;

async function setMode(s: Scenario, change: '-p mode -v restart' | '-d mode'): Promise<void> {
  await shell(s.lab, s.lab.anyNode(), `crm_resource -r ${VM} ${change}`);
}

/** It runs there alone, all say so, and all is well. */
async function assertAlone(s: Scenario, primary: string, other: string): Promise<void> {
  await s.untilWords(RUNS, primary);
  await s.untilWords(READY, other);
  const { state, held, mode, hint } = await remusctlVm(s.lab, primary, VM);
  assert.deepEqual([state, held, mode, hint], ['not-replicated', false, 'restart', undefined]);
  assert.match(await readRecord(primary), / grant=none$/);
  assert.deepEqual(
    [
      (await agent(s.lab, primary, VM, 'monitor', 10_000)).rc,
      (await agent(s.lab, other, VM, 'monitor', 11_000)).rc,
    ],
    [8, 0],
  );
  await s.untilNoFailures();
  for (const node of s.lab.nodes()) {
    const { ifbs, processes } = await inventory(s.lab, node, VM);
    assert.deepEqual([ifbs, Object.values(processes).flat()], [[], []], `${node} replicates`);
  }
}

async function alone(s: Scenario): Promise<void> {
  await setMode(s, '-p mode -v restart');
  await assertAlone(s, s.primary, s.backup);
  await s.assertUnbroken();
}

/** As for a guest whose disks both nodes have: not one step of it is lost, and none is taken twice. */
async function assertMoved(s: Scenario, from: string, to: string): Promise<void> {
  await s.untilCrm('it runs on the other node', to, (status) =>
    nodesInRole(status, VM, 'Promoted').includes(to),
  );
  await s.untilAnswer();
  await assertAlone(s, to, from);
  await s.assertUnbroken();
}

/** Back to what the next test begins with. */
async function replicated(s: Scenario): Promise<void> {
  await setMode(s, '-d mode');
  await s.assertTidy(await s.untilProtectedAnew());
}

describe('mode=restart', () => {
  after(leaveLab);

  it(
    'is taken while the VM runs, there and back; pause, resync and drill say what it means; both daemons come back to it',
    scenario(async (s) => {
      await alone(s);
      for (const word of ['pause', 'resync', 'drill']) {
        const said = await shell(s.lab, s.backup, `remusctl ${word} ${VM} 2>&1 || true`, 90_000);
        assert.match(said, /mode=restart/, word);
      }
      await restartDaemon(s.lab, s.primary);
      await restartDaemon(s.lab, s.backup);
      await assertAlone(s, s.primary, s.backup);
      await replicated(s);
      await s.assertUnbroken();
    }),
  );

  it(
    'remusctl switchover: foreseen, then the memory goes along',
    scenario(async (s) => {
      await alone(s);
      const foreseen = await shell(s.lab, s.backup, `remusctl switchover ${VM} --dry-run`, 60_000);
      assert.match(foreseen, new RegExp(s.backup));
      await assertAlone(s, s.primary, s.backup);
      const said = await shell(s.lab, s.primary, `remusctl switchover ${VM} 2>&1`, 180_000);
      assert.match(said, /moving: copying/);
      assert.match(said, new RegExp(`switched from ${s.primary} to ${s.backup}, interruption`));
      await assertMoved(s, s.primary, s.backup);
      await replicated(s);
      await s.assertUnbroken();
    }),
  );

  it(
    'standby, by Pacemaker alone: the memory goes along',
    scenario(async (s) => {
      await alone(s);
      await shell(s.lab, s.backup, `crm node standby ${s.primary}`);
      await s.untilCrm('it runs on the other node', s.backup, (status) =>
        nodesInRole(status, VM, 'Promoted').includes(s.backup),
      );
      await s.untilAnswer();
      await s.assertUnbroken();
      await shell(s.lab, s.backup, `crm node online ${s.primary}`);
      await assertMoved(s, s.primary, s.backup);
      await replicated(s);
    }),
  );

  it(
    'the replication link is cut: a move is given up and says why, the VM runs on; standby shuts the guest down and boots it there',
    scenario(async (s) => {
      await alone(s);
      await s.lab.cutReplication();
      const said = await shell(s.lab, s.primary, `remusctl switchover ${VM} 2>&1 || true`, 180_000);
      assert.match(said, /was not moved: its memory could not be copied: .*; it runs on as before/);
      await s.assertUnbroken();
      await assertAlone(s, s.primary, s.backup);
      await shell(s.lab, s.backup, `crm node standby ${s.primary}`);
      await s.untilCrm('it runs on the other node', s.backup, (status) =>
        nodesInRole(status, VM, 'Promoted').includes(s.backup),
      );
      await s.untilAnswer();
      await s.assertRebooted();
      await s.lab.healReplication();
      await shell(s.lab, s.backup, `crm node online ${s.primary}`);
      await replicated(s);
    }),
  );

  it(
    'power cut of the primary: fenced, and booted anew on the other node',
    scenario(async (s) => {
      await alone(s);
      await s.lab.kill(s.primary);
      await s.untilWords(RUNS, s.backup);
      await s.untilAnswer();
      await s.assertRebooted();
      await s.lab.boot(s.primary);
      await assertAlone(s, s.backup, s.primary);
      await replicated(s);
    }),
  );
});
