/**
 * Real Xen: guests that end, and planned moves by the cluster's own commands. Whatever ends a guest, its replica must not
 * resurrect it: the VM boots anew.
 */
import assert from 'node:assert/strict';
import { measure } from '../../cluster/support/measures.js';
import { VM } from '../../cluster/support/observed.js';
import { loss } from '../support/loss.js';
import { type XenScenario, leaveXenLab, xenScenario } from '../support/scenario.js';

/** By name: what ends the guest. */
const ENDS: Readonly<Record<string, (s: XenScenario) => Promise<unknown>>> = {
  'xl destroy behind our back': (s) => s.lab.sh(s.primary, ['xl', 'destroy', VM]),
  'the guest shuts itself down': (s) => s.client.say('poweroff'),
  'the guest crashes': (s) => s.client.say('crash'),
  'the guest reboots': (s) => s.client.say('reboot'),
};

async function bootedAnew(s: XenScenario, name: string): Promise<void> {
  const began_ms = performance.now();
  const roles = await s.untilProtectedAnew();
  await s.untilAnswer();
  const { longest_silence } = await s.assertRebooted();
  measure(name, {
    silence_ms: longest_silence.ms,
    protected_again_ms: Math.round(performance.now() - began_ms),
    moved: roles.primary !== s.primary,
  });
  await s.assertTidy(roles);
}

describe('real Xen: guests', function () {
  this.timeout(30 * 60_000);
  after(leaveXenLab);

  for (const [name, end] of Object.entries(ENDS)) {
    it(
      `${name}: it boots anew, never resurrected from the replica`,
      xenScenario(async (s) => {
        await end(s);
        await bootedAnew(s, name);
      }),
    );
  }

  it(
    'crm node standby of the primary: a planned move, nothing is lost',
    xenScenario(async (s) => {
      await s.lab.sh(s.backup, ['crm', 'node', 'standby', s.primary]);
      await s.untilWords(/^unprotected: peer \S+ is in standby/, s.backup);
      await s.untilAnswer();
      const report = await s.assertUnbroken();
      const { longest_silence, repeats } = report;
      measure('crm node standby', { silence_ms: longest_silence.ms, repeats, loss: loss(report) });
      await s.lab.sh(s.backup, ['crm', 'node', 'online', s.primary]);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup);
      await s.assertUnbroken();
      await s.assertTidy(roles);
    }),
  );

  it(
    'pcs resource move: a planned move, nothing is lost, no constraint stays',
    xenScenario(async (s) => {
      const before = await s.lab.sh(s.primary, ['cibadmin', '-Q', '--scope', 'constraints']);
      const argv = ['pcs', 'resource', 'move', `${VM}-ha`, s.backup, '--promoted'];
      await s.lab.sh(s.primary, argv, { timeout_ms: s.lab.patience_ms });
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup, 'the VM has not moved');
      await s.untilAnswer();
      const report = await s.assertUnbroken();
      const { longest_silence, repeats } = report;
      measure('pcs resource move', { silence_ms: longest_silence.ms, repeats, loss: loss(report) });
      const after_move = await s.lab.sh(s.primary, ['cibadmin', '-Q', '--scope', 'constraints']);
      assert.equal(after_move, before, 'constraints are left over');
      await s.assertTidy(roles);
    }),
  );
});
