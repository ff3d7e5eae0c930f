/**
 * Real Pacemaker: the daemon hangs or dies in the middle of a promotion, and Pacemaker moves the VM elsewhere. What it
 * had begun must not be done later: two copies would run (P1).
 */
import assert from 'node:assert/strict';
import type { Lab } from './lab/lab.js';
import {
  shell,
  startDaemon,
  startResource,
  stopDaemon,
  stopResource,
} from './support/operations.js';
import { daemonPid, pidOf, signal } from './support/processes.js';
import {
  PATIENCE_MS,
  type Scenario,
  VM,
  leaveLab,
  readRecord,
  scenario,
} from './support/scenario.js';
import { unwrapAll, wrapProgram } from './support/wrappers.js';

/** For whatever may come late to come. */
const LATER_MS = 10_000;
const SLOW_S = 25;
/** From the claim to the order to activate. */
const ORDERED_MS = 1_000;
const MARK = '/run/remus-test-slow';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The program leaves a mark and takes its time when its words match. */
async function slow(lab: Lab, node: string, program: string, words: string): Promise<void> {
  await shell(lab, node, `rm -f ${MARK}`);
  const body = `case "$*" in\n${words}) : >${MARK}; sleep ${SLOW_S} ;;\nesac`;
  await wrapProgram(lab, node, program, body);
}

async function untilSlow(lab: Lab, node: string): Promise<void> {
  await lab.waitFor(
    `${node} is in the slow step`,
    async () => (await lab.exec(node, ['test', '-e', MARK])).code === 0,
    PATIENCE_MS,
  );
}

async function runsOn(s: Scenario, node: string): Promise<void> {
  await s.lab.waitFor(
    `the VM runs on ${node}`,
    () => s.lab.hypervisor(node).some(({ name, paused }) => name === VM && !paused) || undefined,
    PATIENCE_MS,
  );
}

describe('faults: promotion', () => {
  after(leaveLab);

  it(
    'remusd stands still while xl activates the replica, and wakes up when the VM runs elsewhere',
    scenario(async (s) => {
      const { lab, primary, backup } = s;
      const daemon = await pidOf(lab, backup, 'remusd', VM);
      const xl = await pidOf(lab, backup, 'xl-receive', VM);
      try {
        await signal(lab, backup, xl, 'STOP');
        await shell(lab, primary, `remusctl switchover ${VM} >/dev/null 2>&1 &`);
        await lab.waitFor(
          `${backup} has claimed the VM`,
          async () => (await readRecord(primary)).includes(`primary=${backup}`) || undefined,
          PATIENCE_MS,
        );
        await pause(ORDERED_MS);
        await signal(lab, backup, daemon, 'STOP');
        await shell(lab, primary, `crm node standby ${backup}`);
        await runsOn(s, primary);
      } finally {
        await signal(lab, backup, xl, 'CONT');
        await signal(lab, backup, daemon, 'CONT');
      }
      await pause(LATER_MS);
      assert.deepEqual(
        lab.hypervisor(backup).map(({ name }) => name),
        [],
      );
      await shell(lab, primary, `crm node online ${backup}`);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, primary);
      await s.untilAnswer();
      await s.assertTidy(roles);
    }),
  );

  it(
    'remusd dies while xl makes the domain, and xl goes on when the VM runs elsewhere',
    scenario(async (s) => {
      const { lab, primary, backup } = s;
      await stopResource(lab, VM);
      await slow(lab, backup, 'xl', 'create*');
      try {
        await shell(lab, primary, `crm node standby ${primary}`);
        await startResource(lab, VM);
        await untilSlow(lab, backup);
        await stopDaemon(lab, backup);
        await shell(lab, primary, `crm node online ${primary}`);
        await shell(lab, primary, `crm node standby ${backup}`);
        await runsOn(s, primary);
        await pause(LATER_MS);
        assert.deepEqual(
          lab.hypervisor(backup).map(({ name }) => name),
          [],
        );
      } finally {
        await unwrapAll(lab, backup);
        if ((await daemonPid(lab, backup)) === undefined) await startDaemon(lab, backup);
        await shell(lab, primary, `crm node online ${primary}`);
        await shell(lab, primary, `crm node online ${backup}`);
      }
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, primary);
      await s.untilAnswer();
      await s.assertRebooted();
      await s.assertTidy(roles);
    }),
  );
});
