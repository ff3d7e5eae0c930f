/** Real Xen: mode=restart. A planned move takes the memory along, and the guest is paused at its last checkpoint. */
import assert from 'node:assert/strict';
import { measure } from '../../cluster/support/measures.js';
import { VM } from '../../cluster/support/observed.js';
import { loss } from '../support/loss.js';
import { leaveXenLab, xenScenario } from '../support/scenario.js';

const RUNS = /^running, not replicated \(mode=restart\)$/;
/** For the copy, the move and what a busy dom0 adds to them. */
const SWITCHOVER_S = 500;

describe('real Xen: mode=restart', function () {
  this.timeout(45 * 60_000);
  after(leaveXenLab);

  it(
    'remusctl switchover: the memory goes along, nothing is lost; replicated again afterwards',
    xenScenario(async (s) => {
      await s.lab.sh(s.primary, ['crm_resource', '-r', VM, '-p', 'mode', '-v', 'restart']);
      await s.untilWords(RUNS, s.primary);
      await s.assertUnbroken();
      await s.client.mark('move');
      const argv = ['remusctl', 'switchover', VM, '--timeout', String(SWITCHOVER_S)];
      const said = await s.lab.sh(s.primary, argv, { timeout_ms: (SWITCHOVER_S + 60) * 1000 });
      assert.match(said, new RegExp(`switched from ${s.primary} to ${s.backup}`));
      await s.untilAnswer();
      const report = await s.assertUnbroken();
      const { longest_silence, repeats } = report;
      measure('mode=restart: switchover', {
        silence_ms: longest_silence.ms,
        repeats,
        loss: loss(report),
      });
      await s.untilWords(RUNS, s.backup);
      await s.lab.sh(s.primary, ['crm_resource', '-r', VM, '-d', 'mode']);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup);
      await s.assertUnbroken();
      await s.assertTidy(roles);
    }),
  );
});
