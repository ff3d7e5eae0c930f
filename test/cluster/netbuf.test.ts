/**
 * Real Pacemaker: a VM with netbuf=off. It is protected and moves with its memory, and everybody says that its output is not
 * held. Whether the client then sees it go back in time is a matter of luck: nothing here asks for it, nor against it.
 */
import assert from 'node:assert/strict';
import { parseReport } from '../../ctl/doctor-schema.js';
import { parseDrill } from '../../ctl/drill-schema.js';
import { fenced } from './support/events.js';
import { inventory } from './support/left-overs.js';
import { askJson, remusctlVm, restartDaemon, shell } from './support/operations.js';
import { PATIENCE_MS, type Scenario, VM, leaveLab, scenario } from './support/scenario.js';

const UNHELD = /^protected, output not held \(netbuf=off\)$/;

/** Changes the parameter, and waits until remusd has it on both nodes: it is for the next replica. */
async function setNetbuf(s: Scenario, change: string, value: 'on' | 'off'): Promise<void> {
  await shell(s.lab, s.primary, `crm_resource -r ${VM} ${change}`);
  for (const node of s.lab.nodes())
    await s.lab.waitFor(
      `${node} has netbuf=${value}`,
      async () => {
        const registered = await shell(s.lab, node, `cat /run/pacemaker-remus/vms/${VM}.json`);
        return registered.includes(`"netbuf":"${value}"`);
      },
      PATIENCE_MS,
    );
}

/** What the parameter's manual says to type. */
async function replicateAnew(s: Scenario, node: string): Promise<void> {
  await shell(s.lab, node, `remusctl pause ${VM} && remusctl resume ${VM}`, 120_000);
}

/** The VM is protected on this node, and all say how; nothing that could hold is there. */
async function isUnheld(s: Scenario, primary: string): Promise<void> {
  await s.untilWords(UNHELD, primary);
  const screen = await shell(s.lab, primary, `remusctl status ${VM}`);
  assert.match(screen, /OUTPUT IS NOT HELD \(netbuf=off\)/);
  const { state, held, netbuf_off } = await remusctlVm(s.lab, primary, VM);
  assert.deepEqual([state, held, netbuf_off], ['protected', false, true]);
  for (const node of s.lab.nodes()) {
    const { ifbs, processes } = await inventory(s.lab, node, VM);
    assert.deepEqual([ifbs, processes['tc'] ?? []], [[], []], `${node} holds something`);
    const rules = await shell(s.lab, node, 'tc qdisc show; ip -o link');
    assert.doesNotMatch(rules, /plug|ingress|\brem\d/, `${node} has rules or interfaces`);
  }
}

/** The guest has not booted anew: memory is what replication is for, with and without held output. */
async function stillTheSame(s: Scenario): Promise<void> {
  const { last } = await s.untilAnswer();
  assert.equal(last?.boot, s.boot, 'the guest has booted anew');
}

describe('netbuf=off', () => {
  after(leaveLab);

  it(
    'is for the next replica; then nothing is held, and crm_mon, status, doctor and drill say so; on again, all is held',
    scenario(async (s) => {
      await setNetbuf(s, '-p netbuf -v off', 'off');
      const roles = await s.untilProtected();
      assert.equal(roles.grant, s.grant, 'a changed parameter makes no new replica');
      await s.assertTidy(roles);
      await replicateAnew(s, s.primary);
      await isUnheld(s, s.primary);
      const doctor = await askJson(s.lab, s.backup, ['doctor', VM], parseReport);
      assert.ok(doctor.found.findings.some(({ id }) => id === 'netbuf-off'));
      const drill = await askJson(s.lab, s.backup, ['drill', VM], parseDrill, 90_000);
      assert.deepEqual(
        drill.found.steps.filter(({ verdict }) => verdict !== 'ok').map(({ id }) => id),
        ['output'],
      );
      await restartDaemon(s.lab, s.primary);
      await isUnheld(s, s.primary);
      // Everything that was let go came from the guest that still runs: nothing has gone back so far.
      await s.assertUnbroken();
      await setNetbuf(s, '-d netbuf', 'on');
      await isUnheld(s, s.primary);
      await replicateAnew(s, s.primary);
      await s.assertTidy(await s.untilProtectedAnew());
      await s.assertUnbroken();
    }),
  );

  it(
    'a switchover, and a power cut after it: the VM goes on with its memory each time',
    scenario(async (s) => {
      await setNetbuf(s, '-p netbuf -v off', 'off');
      await replicateAnew(s, s.primary);
      await isUnheld(s, s.primary);
      await shell(s.lab, s.primary, `remusctl switchover ${VM}`, 120_000);
      await isUnheld(s, s.backup);
      await stillTheSame(s);
      await s.lab.kill(s.backup);
      await s.untilWords(new RegExp(`^unprotected: peer ${s.backup} is offline$`), s.primary);
      await stillTheSame(s);
      await s.lab.boot(s.backup);
      await isUnheld(s, s.primary);
      await setNetbuf(s, '-d netbuf', 'on');
      await replicateAnew(s, s.primary);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.primary);
      await stillTheSame(s);
      await s.assertTidy(roles);
    }),
  );

  it(
    'the backup is lost: the VM goes on at once, for there is nothing that waits for the fencing',
    scenario(async (s) => {
      await setNetbuf(s, '-p netbuf -v off', 'off');
      await replicateAnew(s, s.primary);
      await isUnheld(s, s.primary);
      await s.lab.fenceDelay(15);
      const began_ms = Date.now();
      await s.lab.kill(s.backup);
      await s.untilWords(/^unprotected, output not held \(netbuf=off\): /, s.primary);
      await s.untilAnswer();
      assert.equal(fenced(s.lab, s.backup, began_ms), undefined, 'an answer before its end');
      await s.lab.fenceOk();
      await s.untilWords(new RegExp(`^unprotected: peer ${s.backup} is offline$`), s.primary);
      await s.assertUnbroken();
      await s.lab.boot(s.backup);
      await isUnheld(s, s.primary);
      await setNetbuf(s, '-d netbuf', 'on');
      await replicateAnew(s, s.primary);
      await s.assertTidy(await s.untilProtectedAnew());
      await s.assertUnbroken();
    }),
  );
});
