/** Real Pacemaker: links that are cut. */
import assert from 'node:assert/strict';
import { eventsSince, fenced } from './support/events.js';
import { measure } from './support/measures.js';
import {
  PATIENCE_MS,
  type Scenario,
  VM,
  leaveLab,
  readRecord,
  scenario,
} from './support/scenario.js';

async function priorityDelay(s: Scenario, value: string | null): Promise<void> {
  const change = value === null ? ['--delete'] : ['--update', value];
  const name = ['--type', 'crm_config', '--name', 'priority-fencing-delay'];
  await s.lab.sh(s.lab.anyNode(), ['crm_attribute', ...name, ...change]);
}

/** Exactly one of two nodes is left, and the VM with its memory runs there. */
async function oneSurvives(s: Scenario, from_ms: number): Promise<string> {
  const nodes = [s.primary, s.backup];
  const lost = await s.lab.waitFor(
    'one node is fenced',
    () => nodes.find((node) => fenced(s.lab, node, from_ms) !== undefined),
    PATIENCE_MS,
  );
  const survivor = lost === s.primary ? s.backup : s.primary;
  await s.untilCrm(`${VM} is promoted on ${survivor}`, survivor, (status) =>
    status.resources.some((one) => one.role === 'Promoted' && one.nodes.includes(survivor)),
  );
  await s.untilAnswer();
  assert.equal(s.lab.power(survivor), 'on', 'the other one survives');
  assert.equal(fenced(s.lab, survivor, from_ms), undefined, 'only one is fenced');
  return survivor;
}

async function partedAndBack(s: Scenario, name: string, cut: () => Promise<void>): Promise<void> {
  await priorityDelay(s, '2s');
  try {
    const began_ms = Date.now();
    await cut();
    const survivor = await oneSurvives(s, began_ms);
    const { longest_silence } = await s.assertUnbroken();
    const survived = survivor === s.primary ? 'primary' : 'backup';
    measure(name, { silence_ms: longest_silence.ms, survived });
    await s.lab.healAll();
    await s.lab.boot(survivor === s.primary ? s.backup : s.primary);
    const roles = await s.untilProtectedAnew();
    assert.equal(roles.primary, survivor);
    await s.assertUnbroken();
    await s.assertTidy(roles);
  } finally {
    await priorityDelay(s, null);
  }
}

describe('faults: links', () => {
  after(leaveLab);

  it(
    'the replication link is cut: the grant is withdrawn, the VM goes on where it is, protected again after the heal',
    scenario(async (s) => {
      const began_ms = Date.now();
      await s.lab.cutReplication();
      await s.untilWords(/^unprotected: /, s.primary);
      const { longest_silence } = await s.untilAnswer();
      const { length: in_silence } = s
        .answerTimes()
        .filter((at_ms) => at_ms > Date.parse(longest_silence.to));
      measure('replication link cut', { silence_ms: longest_silence.ms, answers: in_silence });
      for (const node of [s.primary, s.backup])
        assert.match(await readRecord(node), /grant=none$/, `the CIB of ${node}`);
      // The connection is not broken, only silent: the backup must not go on telling that its replica is ready.
      await s.untilWords(/^replica: not fed, pm\d is silent$/, s.backup);
      await s.lab.healReplication();
      const healed_ms = Date.now();
      const roles = await s.untilProtectedAnew();
      measure('protected again after the heal', { ms: Date.now() - healed_ms });
      assert.equal(roles.primary, s.primary, 'the VM stays where it is');
      await s.assertUnbroken();
      await s.assertTidy(roles);
      const fencing = eventsSince(s.lab, began_ms).filter(({ text }) => text.startsWith('fence_'));
      assert.deepEqual(fencing, [], 'a lost replication link fences nobody');
    }),
  );

  it(
    'both links are cut: exactly one node survives, never two copies, and the client sees no going back',
    scenario((s) =>
      partedAndBack(s, 'both links cut', () => s.lab.cutAll([s.primary], [s.backup])),
    ),
  );

  it(
    'the cluster link alone is cut: the same, although checkpoints still flow',
    scenario((s) =>
      partedAndBack(s, 'cluster link cut', () => s.lab.partition([s.primary], [s.backup])),
    ),
  );
});
