/** What docs/alerts.md says to type for Pacemaker's alerts, typed: into a CIB in a file, which Pacemaker then verifies. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '../../daemon/adapters/cluster-facts-parse.js';
import { CLUSTER_CHECKS } from '../../daemon/doctor/checks-cluster.js';

const AGENT = '/usr/share/pacemaker/alerts/alert_remus.sh';
const DOC = readFileSync('docs/alerts.md', 'utf8');
/** Of the document: what is indented, and a command of the cluster's. */
const TYPED = [...DOC.matchAll(/^ {4}((?:crm|cibadmin) .*)$/gm)].map(([, line = '']) => line);

describe('docs/alerts.md', function () {
  this.timeout(60_000);
  let dir: string;
  let cib: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-cib-'));
    // The tools become hacluster.
    chmodSync(dir, 0o777);
    cib = join(dir, 'cib.xml');
    const { stdout } = spawnSync('cibadmin', ['--empty'], { encoding: 'utf8' });
    writeFileSync(cib, stdout, { mode: 0o666 });
    chmodSync(cib, 0o666);
    type('crm_attribute --name stonith-enabled --update false');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  function type(line: string): void {
    const env = { ...process.env, CIB_file: cib, HOME: dir };
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8', env });
    assert.equal(status, 0, `${line}: ${stdout}${stderr}`);
  }

  async function alerts() {
    const { status, stdout, stderr } = spawnSync('crm_verify', ['-x', cib], { encoding: 'utf8' });
    assert.equal(status, 0, `${stdout}${stderr}`);
    const text = readFileSync(cib, 'utf8');
    const configuration = /<configuration>.*<\/configuration>/s.exec(text)?.[0] ?? '';
    return (await parseConfiguration(configuration)).alerts;
  }

  const ours = { id: 'remus', path: AGENT, selected: ['nodes', 'fencing'] };
  const vms = { id: 'vms', path: '/var/lib/pacemaker/alert_smtp.sh', selected: ['attributes'] };

  for (const tool of ['crm', 'cibadmin']) {
    it(`${tool}: both alerts, as Pacemaker wants them`, async () => {
      const lines = TYPED.filter((line) => line.startsWith(`${tool} `));
      assert.equal(lines.length, 2);
      for (const line of lines) type(line);
      assert.deepEqual(await alerts(), [ours, vms]);
      const names = [...readFileSync(cib, 'utf8').matchAll(/<attribute [^>]*name="([^"]*)"/g)];
      assert.deepEqual(
        names.map(([, name]) => name),
        ['remus-vm1', 'remus-vm2'],
      );
    });
  }

  it('what doctor says to type is the same, also where pcs was there before', async () => {
    const [fix = ''] = CLUSTER_CHECKS.find(({ id }) => id === 'no-alert')?.fix ?? [];
    assert.ok(TYPED.includes(fix));
    type(`pcs -f ${cib} alert create id=remus path=${AGENT}`);
    assert.deepEqual((await alerts())[0]?.selected, ['nodes', 'fencing', 'resources']);
    type(fix);
    assert.deepEqual(await alerts(), [ours]);
    type(`pcs -f ${cib} alert remove remus`);
    assert.deepEqual(await alerts(), []);
  });
});
