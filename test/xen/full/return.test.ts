/** Real Xen: a dead host comes back; a VM is stopped and started. */
import assert from 'node:assert/strict';
import { measure } from '../../cluster/support/measures.js';
import { VM, untilProtected } from '../../cluster/support/observed.js';
import {
  assertNothingLeft,
  startResource,
  stopResource,
} from '../../cluster/support/operations.js';
import { leaveXenLab, xenLab, xenScenario } from '../support/scenario.js';

describe('real Xen: return', function () {
  this.timeout(45 * 60_000);
  after(leaveXenLab);

  it(
    'the dead primary comes back: the VM stays where it is, protected again',
    xenScenario(async (s) => {
      await s.lab.kill(s.primary);
      await s.untilWords(new RegExp(`^unprotected: peer ${s.primary} is offline$`), s.backup);
      const began_ms = performance.now();
      await s.lab.boot(s.primary);
      const roles = await s.untilProtectedAnew();
      const ms = Math.round(performance.now() - began_ms);
      measure('protected again after power-on', { ms });
      assert.equal(roles.primary, s.backup, 'a host that comes back must not move the VM');
      await s.assertUnbroken();
      await s.assertTidy(roles);
    }),
  );

  it('a stop leaves nothing behind, on either host; a start begins anew', async () => {
    const lab = await xenLab();
    await stopResource(lab, VM);
    await assertNothingLeft(lab, VM);
    await startResource(lab, VM);
    await untilProtected(lab, 'the VM is protected again');
  });
});
