/** Real Pacemaker: --dry-run says beforehand what then happens, and changes nothing. */
import assert from 'node:assert/strict';
import { parseForesight } from '../../ctl/foresight-schema.js';
import type { Foresight } from '../../ctl/foresight.js';
import { askJson, constraints, shell } from './support/operations.js';
import { leaveLab, readRecord, type Scenario, scenario, VM } from './support/scenario.js';

interface Said {
  readonly code: number | null;
  readonly found: Foresight;
}

function dryRun(s: Scenario, node: string, action: Foresight['action']): Promise<Said> {
  return askJson(s.lab, node, [action, VM, '--dry-run'], parseForesight);
}

/** What must be as it was: the record, the scores and what everybody sees, constraints. */
async function everything(s: Scenario): Promise<readonly string[]> {
  const attributes = `cibadmin -Q --xpath "//transient_attributes//nvpair" | grep -E "master-|remus-" | sort`;
  const seen = await shell(s.lab, s.primary, attributes);
  const fenced = await shell(s.lab, s.primary, 'stonith_admin --history "*" --verbose');
  return [seen, fenced, await readRecord(s.primary), await constraints(s.lab)];
}

describe('operations: dry runs', () => {
  after(leaveLab);

  it(
    'of a switchover and a failover, on both nodes: what would happen, and nothing does; then it does',
    scenario(async (s) => {
      const before = await everything(s);
      for (const node of [s.primary, s.backup]) {
        const { code, found } = await dryRun(s, node, 'switchover');
        assert.equal(code, 0, JSON.stringify(found));
        const { verdict, from, to, promoted_on, obstacles, unknown } = found;
        assert.deepEqual([verdict, from, to, promoted_on], ['done', s.primary, s.backup, s.backup]);
        assert.deepEqual([obstacles, unknown], [[], []]);
        assert.ok((found.checkpoint ?? 0) > 0 && (found.checkpoint_age_ms ?? -1) >= 0);
      }
      const over = await dryRun(s, s.backup, 'failover');
      assert.equal(over.code, 0, JSON.stringify(over.found));
      assert.deepEqual([over.found.promoted_on, over.found.memory], [s.backup, 'checkpoint']);
      assert.equal(over.found.fencing?.devices?.length, 1);
      const own = await dryRun(s, s.primary, 'failover');
      assert.deepEqual([own.code, own.found.verdict], [3, 'refused']);
      assert.deepEqual(await everything(s), before, 'something was changed');
      const real = await s.lab.exec(s.primary, ['remusctl', 'failover', VM, '--force']);
      assert.ok(real.stderr.includes(own.found.reason ?? '?'), `it says: ${real.stderr}`);
      await shell(s.lab, s.backup, `remusctl switchover ${VM}`, 120_000);
      const roles = await s.untilProtectedAnew();
      assert.equal(roles.primary, s.backup);
      const again = await dryRun(s, s.primary, 'switchover');
      assert.equal(again.found.interruptions_ms.length, 1, 'the history has the switchover');
      await s.assertUnbroken();
    }),
  );

  it(
    'in maintenance mode, and of a VM that is paused: no, and why',
    scenario(async (s) => {
      await shell(s.lab, s.primary, 'crm configure property maintenance-mode=true');
      await s.untilCrm('maintenance mode', s.primary, (status) => status.maintenance_mode);
      const kept = await dryRun(s, s.backup, 'switchover');
      assert.deepEqual([kept.code, kept.found.verdict], [3, 'fails']);
      assert.match(kept.found.reason ?? '', /the cluster is in maintenance mode/);
      await shell(s.lab, s.primary, kept.found.obstacles[0]?.fix ?? 'false');
      await s.untilCrm('managed again', s.primary, (status) => !status.maintenance_mode);
      await shell(s.lab, s.primary, `remusctl pause ${VM}`, 120_000);
      const paused = await dryRun(s, s.primary, 'switchover');
      assert.deepEqual([paused.code, paused.found.verdict], [3, 'refused']);
      const real = await s.lab.exec(s.primary, ['remusctl', 'switchover', VM]);
      assert.equal(real.code, 3);
      assert.ok(real.stderr.includes(paused.found.reason ?? '?'), `it says: ${real.stderr}`);
      await shell(s.lab, s.primary, `remusctl resume ${VM}`, 180_000);
      await s.untilProtectedAnew();
      await s.assertUnbroken();
    }),
  );
});
