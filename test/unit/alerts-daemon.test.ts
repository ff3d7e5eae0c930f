/** The real remusd, told of events by the real alert agent. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../ctl/client.js';
import { DaemonStand } from '../support/daemon-stand.js';

const AGENT = join(import.meta.dirname, '../../../ocf/alert_remus.sh');

describe('alerts and remusd', function () {
  this.timeout(60_000);
  const stand = new DaemonStand();
  const path = join(stand.dir, 'run-alert.sock');
  before(async () => {
    await stand.start();
    await stand.until('the socket for alerts', () => existsSync(path));
  });
  after(() => stand.close());

  function alert(given: Readonly<Record<string, string>>): void {
    const { status } = spawnSync(AGENT, { env: { REMUS_RUNDIR: stand.run_dir, ...given } });
    assert.equal(status, 0);
  }

  it('a hint is heard, and looked at', async () => {
    alert({ CRM_alert_kind: 'fencing', CRM_alert_node: 'pm2', CRM_alert_desc: 'Operation reboot' });
    await stand.until('the line', () =>
      stand.log.includes('"msg":"told of an event in the cluster: looking"'),
    );
    assert.match(
      stand.log,
      /"claimed":\[\{"kind":"fencing","node":"pm2","desc":"Operation reboot"\}/,
    );
    assert.doesNotMatch(stand.log, /"msg":"fencing"/, 'Pacemaker knows of no new one');
  });

  it('nothing else is done there', async () => {
    for (const action of ['status', 'stop', 'failover', 'ping']) {
      const { rc, json } = await ask({ action, resource: 'vm1' }, { path });
      assert.deepEqual([rc, json], [3, undefined]);
    }
  });

  it('each state of a VM is a line', async () => {
    assert.equal((await stand.agent('start')).rc, 0);
    assert.equal((await stand.agent('promote')).rc, 0);
    assert.equal((await stand.agent('stop')).rc, 0);
    const lines = stand.log
      .split('\n')
      .filter((line) => line.includes('"msg":"state"'))
      .map((line) => JSON.parse(line) as { vm: string; words: string; sentence: string });
    assert.ok(lines.length >= 4, stand.log);
    assert.ok(lines.every(({ vm, sentence, words }) => sentence.startsWith(`${vm}: ${words}`)));
    assert.equal(lines.at(-1)?.words, 'stopped');
  });

  it('the socket goes with the daemon', async () => {
    await stand.stop();
    assert.equal(existsSync(path), false);
    assert.doesNotMatch(stand.log, /a failure was not handled/);
  });
});
