/**
 * Real Pacemaker: guests that end. Whatever ends a guest, its replica must not resurrect it: the VM boots anew, by
 * Pacemaker's order or, for a reboot, in place.
 */
import assert from 'node:assert/strict';
import { eventsSince } from './support/events.js';
import { measure } from './support/measures.js';
import { signal } from './support/processes.js';
import { type Roles, type Scenario, VM, leaveLab, scenario } from './support/scenario.js';

async function bootedAnew(s: Scenario, name: string, began_ms: number): Promise<Roles> {
  const roles = await s.untilProtectedAnew();
  measure(`${name}: protected again`, { ms: Date.now() - began_ms });
  await s.untilAnswer();
  const { longest_silence } = await s.assertRebooted();
  measure(name, { silence_ms: longest_silence.ms, moved: roles.primary !== s.primary });
  const fencing = eventsSince(s.lab, began_ms).filter(({ text }) => text.startsWith('fence_'));
  assert.deepEqual(fencing, [], 'somebody was fenced');
  await s.assertTidy(roles);
  return roles;
}

function ends(name: string, end: (s: Scenario) => Promise<void>): () => Promise<void> {
  return scenario(async (s) => {
    const began_ms = Date.now();
    await end(s);
    await bootedAnew(s, name, began_ms);
  });
}

async function killDomain(s: Scenario): Promise<void> {
  const domain = s.lab.hypervisor(s.primary).find(({ name }) => name === VM);
  assert.ok(domain, `${VM} runs on ${s.primary}`);
  await signal(s.lab, s.primary, domain.pid, 'KILL');
}

describe('faults: guests', () => {
  after(leaveLab);

  it(
    'the domain dies (kill -9 of its process): Pacemaker starts it from its configuration',
    ends('kill -9 of the domain', killDomain),
  );
  it(
    'xl destroy behind our back: the same',
    ends('xl destroy', async (s) => {
      await s.lab.sh(s.primary, ['xl', 'destroy', VM]);
    }),
  );
  it(
    'the guest crashes (on_crash=destroy): the same',
    ends('crash', (s) => s.client.say('crash')),
  );
  it(
    'the guest shuts itself down: the same, never resurrected from the replica',
    ends('poweroff', (s) => s.client.say('poweroff')),
  );
  it(
    'the guest reboots (on_reboot=restart): restarted in place, no failure for Pacemaker',
    scenario(async (s) => {
      const began_ms = Date.now();
      await s.client.say('reboot');
      const roles = await bootedAnew(s, 'reboot', began_ms);
      assert.equal(roles.primary, s.primary, 'a reboot must not move the VM');
      await s.untilCrm('no failure', s.primary, ({ failures }) => failures.length === 0);
    }),
  );
});
