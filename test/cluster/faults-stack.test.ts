/**
 * Real Pacemaker: its controller dies and is started anew. The DC deletes what that node has published, which must come back
 * before it costs the VM its promotion; and what the new controller remembers of the past must not stay.
 */
import assert from 'node:assert/strict';
import { eventsSince } from './support/events.js';
import { shell } from './support/operations.js';
import { pidOf, signal } from './support/processes.js';
import { PATIENCE_MS, type Scenario, VM, leaveLab, scenario } from './support/scenario.js';

const CONTROLLER = 'pacemaker-controld';
const SCORE = `crm_attribute --promotion=${VM} --lifetime reboot --query --quiet`;
const RUNNING_SCORE = '1000';

async function killController(s: Scenario, node: string): Promise<void> {
  const pid = (await s.lab.sh(node, ['pidof', CONTROLLER])).trim();
  await s.lab.sh(node, ['kill', '-KILL', pid]);
  await s.lab.waitFor(
    `${node} has another ${CONTROLLER}, and is online`,
    async () => {
      const now = (await s.lab.sh(node, ['pidof', CONTROLLER])).trim();
      const { nodes } = await s.lab.crmMon(node);
      return now !== pid && nodes.every((one) => one.online && !one.pending);
    },
    PATIENCE_MS,
  );
}

async function scoreIsBack(s: Scenario): Promise<void> {
  await s.lab.waitFor(
    'the CIB has the promotion score again',
    async () => (await shell(s.lab, s.primary, SCORE)).trim() === RUNNING_SCORE,
    PATIENCE_MS,
  );
}

async function stayed(s: Scenario, began_ms: number): Promise<void> {
  const roles = await s.untilProtected();
  assert.equal(roles.primary, s.primary, 'the VM has moved');
  await s.untilAnswer();
  await s.assertUnbroken();
  const fencing = eventsSince(s.lab, began_ms).filter(({ text }) => text.startsWith('fence_'));
  assert.deepEqual(fencing, [], 'somebody was fenced');
  await s.assertTidy(roles);
}

describe("faults: Pacemaker's controller", () => {
  after(leaveLab);

  it(
    'dies where the VM runs unprotected: the VM is not started anew',
    scenario(async (s) => {
      const began_ms = Date.now();
      await shell(s.lab, s.primary, `remusctl pause ${VM}`);
      await killController(s, s.primary);
      await scoreIsBack(s);
      await shell(s.lab, s.primary, `remusctl resume ${VM}`, 180_000);
      await stayed(s, began_ms);
    }),
  );

  it(
    'dies where the VM runs protected: the VM does not move',
    scenario(async (s) => {
      const began_ms = Date.now();
      await killController(s, s.primary);
      await scoreIsBack(s);
      await stayed(s, began_ms);
    }),
  );

  it(
    'dies, and puts a former "degraded" back: it goes again',
    scenario(async (s) => {
      const began_ms = Date.now();
      await signal(s.lab, s.primary, await pidOf(s.lab, s.primary, 'tc', VM), 'KILL');
      await s.assertTidy(await s.untilProtectedAnew());
      await killController(s, s.primary);
      await stayed(s, began_ms);
      await killController(s, s.backup);
      await stayed(s, began_ms);
    }),
  );
});
