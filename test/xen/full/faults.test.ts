/**
 * Real Xen: each of our processes and of xl's killed, on each side; the replication link cut. Nothing may activate a
 * replica, nothing may stop the guest; output flows again, protection comes back by itself.
 */
import assert from 'node:assert/strict';
import { measure } from '../../cluster/support/measures.js';
import { VM } from '../../cluster/support/observed.js';
import { REPLICATION, dataProcesses, pidOf, signal } from '../../cluster/support/processes.js';
import { loss } from '../support/loss.js';
import { type XenScenario, leaveXenLab, xenScenario } from '../support/scenario.js';

async function mainPid(s: XenScenario, node: string): Promise<number> {
  const argv = ['systemctl', 'show', '-p', 'MainPID', '--value', 'remusd'];
  return Number(await s.lab.sh(node, argv));
}

/** The VM stayed where it was, the same guest, protected by a new replica. */
async function protectedAnew(s: XenScenario, name: string): Promise<void> {
  const began_ms = performance.now();
  const roles = await s.untilProtectedAnew();
  const protected_ms = Math.round(performance.now() - began_ms);
  assert.equal(roles.primary, s.primary, 'the VM has moved');
  await s.untilAnswer();
  const { longest_silence } = await s.assertUnbroken();
  measure(name, { silence_ms: longest_silence.ms, protected_again_ms: protected_ms });
  await s.assertTidy(roles);
}

describe('real Xen: faults', function () {
  this.timeout(30 * 60_000);
  after(leaveXenLab);

  for (const { side, process } of REPLICATION) {
    const name = `kill -9 of ${process} on the ${side}`;
    it(
      `${name}: the VM goes on, protected anew`,
      xenScenario(async (s) => {
        const pid = await pidOf(s.lab, s[side], process, VM);
        await signal(s.lab, s[side], pid, 'KILL');
        await protectedAnew(s, name);
      }),
    );
  }

  for (const side of ['primary', 'backup'] as const) {
    const name = `kill -9 of remusd on the ${side}`;
    it(
      `${name}: replication goes on untouched`,
      xenScenario(async (s) => {
        const before = await dataProcesses(s.lab, [s.primary, s.backup], VM);
        const pid = await mainPid(s, s[side]);
        await signal(s.lab, s[side], pid, 'KILL');
        await s.lab.waitFor(
          'remusd is back and answers',
          async () => {
            const { code, stdout } = await s.lab.exec(s[side], ['remusctl', 'status']);
            return code === 0 && stdout.includes(VM) && (await mainPid(s, s[side])) !== pid;
          },
          s.lab.patience_ms,
        );
        const roles = await s.untilProtected();
        assert.equal(roles.grant, s.grant, 'the replica was made anew');
        assert.deepEqual(await dataProcesses(s.lab, [s.primary, s.backup], VM), before);
        const { longest_silence } = await s.assertUnbroken();
        measure(name, { silence_ms: longest_silence.ms });
        await s.assertTidy(roles);
      }),
    );
  }

  it(
    'the replication link is cut: the VM goes on unprotected and says so; protected anew when it is healed',
    xenScenario(async (s) => {
      await s.lab.cutReplication();
      await s.untilWords(/^unprotected: /, s.primary);
      const { longest_silence } = await s.untilAnswer();
      await s.lab.healReplication();
      measure('replication link cut', { silence_ms: longest_silence.ms });
      await protectedAnew(s, 'replication link cut and healed');
    }),
  );

  it(
    'the primary hangs: it is fenced, the replica takes over with its memory',
    xenScenario(async (s) => {
      await s.lab.freeze(s.primary);
      await s.untilAnswer();
      const report = await s.assertUnbroken();
      const { longest_silence } = report;
      measure('the primary hangs', { silence_ms: longest_silence.ms, loss: loss(report) });
      await s.lab.boot(s.primary);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup);
      await s.assertUnbroken();
      await s.assertTidy(roles);
    }),
  );

  it(
    'power cut of the backup: the VM goes on, says that it is unprotected, and is protected again after boot',
    xenScenario(async (s) => {
      await s.lab.kill(s.backup);
      await s.untilWords(new RegExp(`^unprotected: peer ${s.backup} is offline$`), s.primary);
      const { longest_silence } = await s.untilAnswer();
      measure('power cut of the backup', { silence_ms: longest_silence.ms });
      await s.lab.boot(s.backup);
      await protectedAnew(s, 'power cut of the backup, after boot');
    }),
  );
});
