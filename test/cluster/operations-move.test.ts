/** Real Pacemaker: the operator moves a VM. Nothing is lost, nothing goes back, no constraint stays behind. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { measure } from './support/measures.js';
import {
  constraints,
  remusctlVm,
  shell,
  startDaemon,
  stopDaemon,
  whenLogged,
} from './support/operations.js';
import { type Roles, type Scenario, VM, leaveLab, scenario } from './support/scenario.js';

interface Way {
  readonly name: string;
  readonly move: (s: Scenario) => Promise<string>;
  /** Pacemaker's own ways make a constraint, and what takes it away again. */
  readonly clear?: string;
}

const WAYS: readonly Way[] = [
  {
    name: 'remusctl switchover on the primary',
    move: (s) => shell(s.lab, s.primary, `remusctl switchover ${VM}`, 120_000),
  },
  {
    name: 'remusctl switchover on the backup',
    move: (s) => shell(s.lab, s.backup, `remusctl switchover ${VM}`, 120_000),
  },
  {
    name: 'crm_resource --move --promoted',
    move: (s) =>
      shell(s.lab, s.primary, `crm_resource --move --promoted -r ${VM}-ha -N ${s.backup}`),
    clear: `crm_resource --clear -r ${VM}-ha`,
  },
];

/** The roles are swapped, the guest went on. */
async function moved(s: Scenario, name: string): Promise<Roles> {
  const roles = await s.untilProtectedAnew();
  assert.equal(roles.primary, s.backup, 'the VM has not moved');
  await s.untilAnswer();
  const { longest_silence, repeats } = await s.assertUnbroken();
  measure(`moved by ${name}`, { silence_ms: longest_silence.ms, repeats });
  await s.assertTidy(roles);
  return roles;
}

describe('operations: moving a VM', () => {
  after(leaveLab);

  for (const { name, move, clear } of WAYS) {
    it(
      `${name}, and nothing is lost`,
      scenario(async (s) => {
        const before = await constraints(s.lab);
        await move(s);
        const roles = await moved(s, name);
        if (clear !== undefined) await shell(s.lab, s.primary, clear);
        assert.equal(await constraints(s.lab), before, 'constraints are left over');
        const still = await s.untilProtected();
        assert.deepEqual(still, roles, 'it has moved back, or has a new replica');
      }),
    );
  }

  it(
    'pcs resource move',
    scenario(async (s) => {
      const before = await constraints(s.lab);
      await shell(s.lab, s.primary, `pcs resource move ${VM}-ha ${s.backup} --promoted`, 120_000);
      await moved(s, 'pcs resource move');
      assert.equal(await constraints(s.lab), before, 'constraints are left over');
    }),
  );

  it(
    "the backup's remusd is down: remusctl refuses, a move of Pacemaker's waits for it, and nothing is lost",
    scenario(async (s) => {
      await stopDaemon(s.lab, s.backup);
      for (const words of [
        ['switchover', VM],
        ['switchover', VM, '--dry-run'],
      ]) {
        const refused = await s.lab.exec(s.primary, ['remusctl', ...words]);
        assert.equal(refused.code, 3, refused.stdout);
        assert.match(refused.stderr + refused.stdout, /could not promote its replica.*remusd/s);
      }
      await s.untilProtected();
      const waits = await whenLogged(s.lab, s.primary, 'the handover waits', 'sleep 8');
      await shell(s.lab, s.primary, `crm_resource --move --promoted -r ${VM}-ha -N ${s.backup}`);
      await waits();
      await startDaemon(s.lab, s.backup);
      await moved(s, 'crm_resource --move, remusd on the backup away for 8 s');
      await shell(s.lab, s.primary, `crm_resource --clear -r ${VM}-ha`);
    }),
  );

  it(
    "the backup's remusd goes down when the VM is being handed over: the promote waits for it",
    scenario(async (s) => {
      const begun = await whenLogged(s.lab, s.primary, 'handing over', 'true');
      const away = async (): Promise<void> => {
        await begun();
        await stopDaemon(s.lab, s.backup);
        await sleep(8_000);
        await startDaemon(s.lab, s.backup);
      };
      const move = shell(s.lab, s.primary, `remusctl switchover ${VM}`, 120_000);
      await Promise.all([away(), move]);
      await moved(s, 'remusctl switchover, remusd on the backup away for 8 s');
    }),
  );

  it(
    'there and back again: remusctl tells how long each move was not to be heard',
    scenario(async (s) => {
      for (const [from, to] of [
        [s.primary, s.backup],
        [s.backup, s.primary],
      ] as const) {
        const line = await shell(s.lab, s.primary, `remusctl switchover ${VM} --to ${to}`, 120_000);
        const said = /switched from (\S+) to (\S+), interruption ([\d.]+) (ms|s)\b/.exec(line);
        assert.ok(said, `remusctl says: ${line}`);
        assert.deepEqual([said[1], said[2]], [from, to]);
        const roles = await s.untilProtected();
        assert.equal(roles.primary, to);
        const { last_switchover } = await remusctlVm(s.lab, to, VM);
        measure('switchover', { ...last_switchover });
      }
      await s.assertUnbroken();
    }),
  );

  it(
    'to where it is, to nowhere, or of an unknown VM: refused with a reason, nothing happens',
    scenario(async (s) => {
      for (const words of [`${VM} --to ${s.primary}`, `${VM} --to pm9`, 'vm9']) {
        const result = await s.lab.exec(s.primary, ['remusctl', 'switchover', ...words.split(' ')]);
        assert.notEqual(result.code, 0, `switchover ${words} says: ${result.stdout}`);
        assert.match(result.stderr, /\w+ \w+/);
      }
      const { primary, grant } = await s.untilProtected();
      assert.deepEqual([primary, grant], [s.primary, s.grant]);
      await s.assertUnbroken();
    }),
  );
});
