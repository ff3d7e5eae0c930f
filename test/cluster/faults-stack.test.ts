/**
 * Real Pacemaker: its controller dies and is started anew. On any node but the DC that may be a reason to fence it. The DC itself
 * is replaced by another one, which deletes what that node has published: that must come back before it costs the VM its
 * promotion; and what the new controller remembers of the past must not stay.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventsSince, fenced } from './support/events.js';
import { shell, startResource, stopResource } from './support/operations.js';
import { pidOf, signal } from './support/processes.js';
import {
  PATIENCE_MS,
  type Roles,
  type Scenario,
  VM,
  leaveLab,
  scenario,
} from './support/scenario.js';

const CONTROLLER = 'pacemaker-controld';
const SCORE = `crm_attribute --promotion=${VM} --lifetime reboot --query --quiet`;
/** By then Pacemaker has fenced the node, or will not: the new controller may be quicker than the DC. */
const FENCED_MS = 10_000;
const RUNNING_SCORE = '1000';

const TRIES = 3;

/** Pacemaker has fenced the node of the dead controller before the new one had joined: then a test is not about what it says. */
class FencedFirst extends Error {}

/** Which of the two is quicker is a matter of milliseconds: again, in a lab of its own. */
function unlessFenced(body: (s: Scenario) => Promise<void>): () => Promise<void> {
  const once = scenario(body);
  const attempt = async (left: number): Promise<void> => {
    try {
      await once();
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if (!(cause instanceof FencedFirst) || left === 0) throw error;
      await attempt(left - 1);
    }
  };
  return () => attempt(TRIES - 1);
}

async function killController(s: Scenario, node: string): Promise<void> {
  const pid = (await s.lab.sh(node, ['pidof', CONTROLLER])).trim();
  const began_ms = Date.now();
  await s.lab.sh(node, ['kill', '-KILL', pid]);
  const outcome = await s.lab.waitFor(
    `${node} has another ${CONTROLLER}, and is online`,
    async () => {
      if (fenced(s.lab, node, began_ms) !== undefined) return 'fenced';
      const now = (await s.lab.sh(node, ['pidof', CONTROLLER])).trim();
      const { nodes } = await s.lab.crmMon(node);
      const joined = now !== pid && nodes.every((one) => one.online && !one.pending);
      return joined ? 'joined' : undefined;
    },
    PATIENCE_MS,
  );
  if (outcome === 'fenced') throw new FencedFirst(`${node} was fenced for its dead ${CONTROLLER}`);
}

/** Protected, and the primary is the DC, or is not. */
async function withDc(s: Scenario, side: 'primary' | 'backup'): Promise<Roles> {
  const roles = await s.untilProtected();
  const { dc } = await s.lab.crmMon(roles.primary);
  if (dc === roles[side]) return roles;
  await shell(s.lab, roles.primary, `remusctl switchover ${VM}`, 180_000);
  return s.untilProtectedAnew();
}

async function scoreIsBack(s: Scenario, primary: string): Promise<void> {
  await s.lab.waitFor(
    'the CIB has the promotion score again',
    async () => (await shell(s.lab, primary, SCORE)).trim() === RUNNING_SCORE,
    PATIENCE_MS,
  );
}

async function stayed(s: Scenario, primary: string, began_ms: number): Promise<void> {
  const roles = await s.untilProtected();
  const fencing = eventsSince(s.lab, began_ms).filter(({ text }) => text.startsWith('fence_'));
  if (fencing.length > 0) throw new FencedFirst(fencing.map(({ text }) => text).join('; '));
  assert.equal(roles.primary, primary, 'the VM has moved');
  await s.untilAnswer();
  await s.assertUnbroken();
  await s.assertTidy(roles);
}

describe("faults: Pacemaker's controller", function () {
  this.timeout(TRIES * 200_000);
  after(leaveLab);

  it(
    'dies on the DC, where the VM runs unprotected: the VM is not started anew',
    unlessFenced(async (s) => {
      const { primary } = await withDc(s, 'primary');
      const began_ms = Date.now();
      await shell(s.lab, primary, `remusctl pause ${VM}`);
      await killController(s, primary);
      await scoreIsBack(s, primary);
      await shell(s.lab, primary, `remusctl resume ${VM}`, 180_000);
      await stayed(s, primary, began_ms);
    }),
  );

  it(
    'dies on the DC, where the VM runs protected: the VM does not move',
    unlessFenced(async (s) => {
      const { primary } = await withDc(s, 'primary');
      const began_ms = Date.now();
      await killController(s, primary);
      await scoreIsBack(s, primary);
      await stayed(s, primary, began_ms);
    }),
  );

  it(
    'dies where the VM runs, and that is not the DC: whether the node is fenced for it or not, the memory is kept',
    scenario(async (s) => {
      const { primary } = await withDc(s, 'backup');
      const pid = (await s.lab.sh(primary, ['pidof', CONTROLLER])).trim();
      await s.lab.sh(primary, ['kill', '-KILL', pid]);
      await sleep(FENCED_MS);
      if (s.lab.power(primary) === 'off') await s.lab.boot(primary);
      const roles = await s.untilProtected();
      await s.untilAnswer();
      await s.assertUnbroken();
      await s.assertTidy(roles);
    }),
  );

  it(
    'dies on the DC, and puts a former "degraded" back: it goes again',
    unlessFenced(async (s) => {
      const { primary } = await withDc(s, 'primary');
      const began_ms = Date.now();
      await signal(s.lab, primary, await pidOf(s.lab, primary, 'tc', VM), 'KILL');
      await s.untilWords(/^unprotected/, primary);
      await s.assertTidy(await s.untilProtected());
      await killController(s, primary);
      await stayed(s, primary, began_ms);
      await killController(s, (await s.lab.crmMon(primary)).dc ?? primary); // the DC now: most likely the other
      await stayed(s, primary, began_ms);
    }),
  );

  it(
    'dies on the DC, and the other puts back a former "degraded" of a VM that is stopped: it goes again',
    unlessFenced(async (s) => {
      const { primary, backup } = await withDc(s, 'backup');
      await signal(s.lab, primary, await pidOf(s.lab, primary, 'tc', VM), 'KILL');
      await s.untilWords(/^unprotected/, primary);
      await s.assertTidy(await s.untilProtected());
      await stopResource(s.lab, VM);
      await killController(s, backup);
      await s.untilCrm('it is back', primary, ({ failures }) =>
        failures.some(({ node, exit_code }) => node === primary && exit_code === 191),
      );
      await s.untilCrm('it is gone', primary, ({ failures }) =>
        failures.every(({ exit_code }) => exit_code !== 191),
      );
      await startResource(s.lab, VM);
      await s.untilProtected();
    }),
  );
});
