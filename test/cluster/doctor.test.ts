/** Real Pacemaker: remusctl doctor finds nothing in a healthy cluster, and what is spoilt; what it says to type puts it right. */
import assert from 'node:assert/strict';
import { parseReport } from '../../ctl/doctor-schema.js';
import type { Finding } from '../../ctl/doctor.js';
import { askJson, shell, startDaemon, stopDaemon } from './support/operations.js';
import { type Scenario, VM, labWith, leaveLab, scenario } from './support/scenario.js';

async function doctor(s: Scenario, node: string, ...args: string[]) {
  const { code, found } = await askJson(s.lab, node, ['doctor', ...args], parseReport);
  return { code, ...found };
}

/** All that is to be said of this lab when it is well: its fence devices have never been tried. */
const UNTRIED = { code: 4, findings: ['fencing-untested', 'fencing-untested'] };

const ids = (findings: readonly Finding[]): string[] => findings.map(({ id }) => id);

/** The nodes have no ssh: a copy is carried out by the lab, everything else by the node's shell, as printed. */
async function type(s: Scenario, node: string, command: string): Promise<void> {
  const [, from, to, path] = /^scp (\S+) (\w+):(\S+)$/.exec(command) ?? [];
  if (from === undefined || to === undefined || path === undefined) {
    await shell(s.lab, node, command);
    return;
  }
  const text = await shell(s.lab, node, `cat ${from}`);
  await s.lab.sh(to, ['sh', '-c', `cat >${path}`], { stdin: text });
}

describe('doctor', () => {
  before(() => labWith({ priorityFencingDelay: '2s' }));
  after(leaveLab);

  it(
    'finds nothing but untried fencing in a healthy cluster, from either node; without its remusd it says that, and what it could not see',
    scenario(async (s) => {
      for (const node of [s.primary, s.backup]) {
        const { code, findings, unchecked, nodes, vms } = await doctor(s, node);
        assert.deepEqual({ code, findings: ids(findings) }, UNTRIED);
        assert.deepEqual(unchecked, []);
        assert.deepEqual([[...nodes].sort(), vms], [s.lab.nodes(), [VM]]);
      }
      await stopDaemon(s.lab, s.backup);
      const alone = await doctor(s, s.backup);
      assert.deepEqual(
        [alone.code, ids(alone.findings)],
        [5, ['remusd-down', ...UNTRIED.findings]],
      );
      assert.equal(alone.unchecked.length, 1);
      assert.match(alone.unchecked[0] ?? '', new RegExp(`^${s.primary}: `));
      const other = await doctor(s, s.primary);
      assert.deepEqual(ids(other.findings), ['peer-unreachable', ...UNTRIED.findings]);
      await startDaemon(s.lab, s.backup);
      assert.equal((await doctor(s, s.backup)).code, UNTRIED.code);
    }),
  );

  it(
    'fencing off, a configuration that differs, a left-over ifb: found, and put right by what it says',
    scenario(async (s) => {
      const { backup } = s;
      await shell(s.lab, backup, 'crm_attribute --name stonith-enabled --update false');
      await shell(s.lab, backup, `sed -i 's/^memory = .*/memory = 17/' /etc/xen/${VM}.cfg`);
      await shell(s.lab, backup, 'ip link add rem99.0 type ifb');
      const found = await doctor(s, s.primary);
      assert.deepEqual(
        [found.code, ids(found.findings)],
        [5, ['fencing-off', 'config-differs', 'left-ifb']],
      );
      const seen_there = await doctor(s, backup);
      assert.deepEqual(seen_there.findings, found.findings, 'the same from the other node');
      for (const { fix, on } of found.findings.filter(({ id }) => !UNTRIED.findings.includes(id))) {
        for (const command of fix) await type(s, on ?? s.primary, command);
      }
      const { code, findings } = await doctor(s, s.primary);
      assert.deepEqual({ code, findings: ids(findings) }, UNTRIED);
      const roles = await s.untilProtected();
      assert.equal(roles.grant, s.grant, 'another replica');
      await s.assertUnbroken();
    }),
  );
});
