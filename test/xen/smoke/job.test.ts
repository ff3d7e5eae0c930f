/** Real Xen: the main job. Protection, what the screens say, a switchover, a power cut. */
import assert from 'node:assert/strict';
import type { Status } from '../../../ctl/status.js';
import { measure } from '../../cluster/support/measures.js';
import { type Roles, VM, untilProtected } from '../../cluster/support/observed.js';
import { loss } from '../support/loss.js';
import { left_s } from '../../support/time-left.js';
import { leaveXenLab, xenLab, xenScenario } from '../support/scenario.js';
import { XenLab } from '../support/xen-lab.js';

async function assertScreens(
  lab: XenLab,
  node: string,
  { primary, backup }: Pick<Roles, 'primary' | 'backup'>,
): Promise<void> {
  const screen = await lab.sh(node, ['crm_mon', '-1A']);
  assert.match(screen, new RegExp(`Promoted: \\[ ${primary} \\]`));
  assert.match(screen, new RegExp(`remus-${VM}\\s*: protected`));
  assert.match(screen, new RegExp(`remus-${VM}\\s*: replica: ready`));
  const { vms } = JSON.parse(await lab.sh(node, ['remusctl', 'status', '--json'])) as Status;
  const vm = vms.find(({ resource }) => resource === VM);
  assert.equal(vm?.role, node === primary ? 'primary' : 'backup');
  assert.equal(vm.peer, node === primary ? backup : primary);
  if (node === primary) assert.equal(vm.held, true);
}

describe(`real Xen: the main job`, function () {
  this.timeout(45 * 60_000);
  before(async function () {
    const why = await XenLab.lacks();
    if (why === null) return;
    console.log(why);
    this.skip();
  });
  after(leaveXenLab);

  // Each test is quicker than the first, which makes the lab.
  let began_ms: number | undefined;
  let first_s = 0;
  beforeEach(function () {
    began_ms ??= performance.now();
    const left = left_s('REMUS_SUITE_ENDS');
    if (left > first_s) return;
    console.log(`left out: the first test took ${first_s} s, and ${Math.floor(left)} s are left`);
    this.skip();
  });
  afterEach(() => {
    if (first_s === 0) first_s = Math.ceil((performance.now() - (began_ms ?? 0)) / 1000);
  });

  it('a VM that is added is protected, and every screen says so', async () => {
    const lab = await xenLab();
    const { primary, backup } = await untilProtected(lab, 'the VM is protected');
    for (const node of lab.nodes()) {
      // A dom0 that is busy with the first checkpoints may keep remusctl waiting for longer than it waits.
      const screen = await lab.waitFor(
        `every screen of ${node} says that the VM is protected`,
        async () => {
          await assertScreens(lab, node, { primary, backup });
          return lab.sh(node, ['remusctl', 'status']);
        },
        lab.patience_ms,
      );
      console.log(screen);
    }
  });

  it(
    'remusctl switchover: the guest goes on where it was, nothing is lost',
    xenScenario(async (s) => {
      const argv = ['remusctl', 'switchover', VM, '--timeout', String(s.lab.patience_ms / 1000)];
      const line = await s.lab.sh(s.primary, argv, { timeout_ms: 2 * s.lab.patience_ms });
      console.log(line.trim());
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup, 'the VM has not moved');
      await s.untilAnswer();
      const report = await s.assertUnbroken();
      const { longest_silence, repeats } = report;
      measure('switchover by remusctl', {
        silence_ms: longest_silence.ms,
        repeats,
        loss: loss(report),
      });
      await s.assertTidy(roles);
    }),
  );

  // The last one: the host stays dead. full/return.test.ts goes on from here.
  it(
    'power cut of the primary: the replica takes over with its memory, and all can see that it is alone',
    xenScenario(async (s) => {
      await s.lab.kill(s.primary);
      await s.untilAnswer();
      const report = await s.assertUnbroken();
      const { longest_silence, repeats } = report;
      measure('power cut of the primary', {
        silence_ms: longest_silence.ms,
        repeats,
        loss: loss(report),
      });
      await s.untilWords(new RegExp(`^unprotected: peer ${s.primary} is offline$`), s.backup);
      await s.assertUnbroken();
    }),
  );
});
