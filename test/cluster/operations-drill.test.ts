/** Real Pacemaker: a drill proves that a failover would work and changes nothing; what is broken it names, and what it says to type helps. */
import assert from 'node:assert/strict';
import { parseDrill } from '../../ctl/drill-schema.js';
import { DRILL_STEPS, type Drill, type DrillStep } from '../../ctl/drill.js';
import { askJson, constraints, shell } from './support/operations.js';
import { dataProcesses, pidOf, signal } from './support/processes.js';
import { leaveLab, readRecord, type Scenario, scenario, VM } from './support/scenario.js';

interface Said {
  readonly code: number | null;
  readonly found: Drill;
}

function drill(s: Scenario, node: string): Promise<Said> {
  return askJson(s.lab, node, ['drill', VM], parseDrill, 90_000);
}

function stepOf({ found }: Said, id: string): DrillStep {
  const step = found.steps.find((one) => one.id === id);
  assert.ok(step, JSON.stringify(found));
  return step;
}

const bad = ({ found }: Said): readonly DrillStep[] =>
  found.steps.filter(({ verdict }) => verdict !== 'ok');

/** As the step says: on its node, or on any. */
async function type(s: Scenario, { fix, on }: DrillStep): Promise<void> {
  await shell(s.lab, on ?? s.primary, fix ?? 'false');
}

/** What must be as it was: the configuration's number, the record, scores and words, the history of fencing, the replica. */
async function everything(s: Scenario): Promise<readonly string[]> {
  const attributes = `cibadmin -Q --xpath "//transient_attributes//nvpair" | grep -E "master-|remus-" | sort`;
  const epochs = `cibadmin -Q | grep -o -m1 -E ' (admin_epoch|epoch)="[0-9]+"'`;
  const domains = [s.primary, s.backup].flatMap((node) =>
    s.lab.hypervisor(node).map(({ name, domid, paused }) => [node, name, domid, paused].join(' ')),
  );
  return [
    await shell(s.lab, s.primary, epochs),
    await shell(s.lab, s.primary, attributes),
    await shell(s.lab, s.primary, 'stonith_admin --history "*" --verbose'),
    await readRecord(s.primary),
    await constraints(s.lab),
    JSON.stringify(await dataProcesses(s.lab, [s.primary, s.backup], VM)),
    ...domains.sort(),
  ];
}

describe('operations: drills', () => {
  after(leaveLab);

  it(
    'of a protected VM, on both nodes: everything is proven, and nothing is changed; then a failover does work',
    scenario(async (s) => {
      const before = await everything(s);
      for (const node of [s.primary, s.backup]) {
        const said = await drill(s, node);
        assert.deepEqual(bad(said), []);
        assert.deepEqual([said.code, said.found.verdict], [0, 'works']);
        const { from, to, steps, checkpoint, unproven } = said.found;
        assert.deepEqual([from, to], [s.primary, s.backup]);
        assert.deepEqual(
          steps.map(({ id }) => id),
          Object.keys(DRILL_STEPS),
        );
        assert.ok((checkpoint ?? 0) > 0 && unproven.length > 0);
      }
      assert.deepEqual(await everything(s), before, 'something was changed');
      await s.assertUnbroken();
      await s.lab.fenceBoot(true);
      await shell(s.lab, s.backup, `remusctl failover ${VM} --force`, 120_000);
      await s.untilAnswer();
      await s.assertUnbroken();
      await s.untilProtectedAnew();
      await s.lab.fenceBoot(false);
    }),
  );

  it(
    'a receiver that is stopped: which, where, and what it says to type',
    scenario(async (s) => {
      const pid = await pidOf(s.lab, s.backup, 'receiver', VM);
      await signal(s.lab, s.backup, pid, 'STOP');
      const said = await drill(s, s.primary);
      assert.deepEqual([said.code, said.found.verdict], [3, 'fails']);
      const step = stepOf(said, 'receiver');
      assert.deepEqual([step.verdict, step.on], ['fails', s.backup]);
      assert.equal(step.fix, `kill -CONT ${pid}`);
      await signal(s.lab, s.backup, pid, 'CONT');
      // The primary may have given it up by then, and makes another one.
      await s.lab.waitFor(
        'a drill proves everything again',
        async () => {
          const again = await drill(s, s.primary);
          if (again.code !== 0) throw new Error(JSON.stringify(bad(again)));
          return true;
        },
        s.lab.patience_ms,
      );
      await s.assertUnbroken();
    }),
  );

  it(
    'fencing off, a bridge that is down, maintenance: each is named, and put right by what it says',
    scenario(async (s) => {
      await shell(s.lab, s.primary, 'crm_attribute --name stonith-enabled --update false');
      await shell(s.lab, s.backup, 'ip link set xenbr0 down');
      const said = await drill(s, s.backup);
      assert.deepEqual([said.code, said.found.verdict], [3, 'fails']);
      for (const id of ['fencing', 'network']) {
        const step = stepOf(said, id);
        assert.equal(step.verdict, 'fails', step.what);
        await type(s, step);
      }
      await shell(s.lab, s.primary, 'crm configure property maintenance-mode=true');
      await s.untilCrm('maintenance mode', s.primary, (status) => status.maintenance_mode);
      const kept = stepOf(await drill(s, s.primary), 'scheduler');
      assert.equal(kept.verdict, 'fails');
      assert.match(kept.what, /the cluster is in maintenance mode/);
      await type(s, kept);
      await s.untilCrm('managed again', s.primary, (status) => !status.maintenance_mode);
      const well = await drill(s, s.backup);
      assert.deepEqual([well.code, bad(well)], [0, []]);
      await s.assertUnbroken();
    }),
  );

  it(
    'of a VM that is paused: no replica is granted, and what ends that',
    scenario(async (s) => {
      await shell(s.lab, s.primary, `remusctl pause ${VM}`, 120_000);
      const said = await drill(s, s.backup);
      assert.deepEqual([said.code, said.found.verdict], [3, 'fails']);
      assert.match(stepOf(said, 'grant').what, /the CIB grants no replica/);
      const step = stepOf(said, 'protection');
      assert.equal(step.fix, `remusctl resume ${VM}`);
      await type(s, step);
      await s.untilProtectedAnew();
      const well = await drill(s, s.primary);
      assert.deepEqual([well.code, bad(well)], [0, []]);
      await s.assertUnbroken();
    }),
  );
});
