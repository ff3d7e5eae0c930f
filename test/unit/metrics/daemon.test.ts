/** The real remusd, asked as Prometheus and node_exporter do. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DaemonStand, freePort } from '../../support/daemon-stand.js';
import { check, parse, type Parsed } from './parse.js';

describe('metrics of remusd', function () {
  this.timeout(60_000);
  const stand = new DaemonStand();
  let port = 0;
  let file = '';

  before(async () => {
    port = await freePort();
    file = join(stand.dir, 'remus.prom');
    await stand.start(['--metrics-listen', String(port), '--metrics-textfile', file]);
  });
  after(() => stand.close());

  async function scrape(): Promise<Parsed> {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    check(text);
    return parse(text);
  }

  it('tells of itself, of the peer and of fencing', async () => {
    const seen = await scrape();
    assert.equal(seen.value('remus_build_info', { node: 'pm1' }), 1);
    assert.equal(seen.value('remus_peer_online', { node: 'pm1', peer: 'pm2' }), 1);
    assert.equal(seen.value('remus_peer_reachable', { node: 'pm1', peer: 'pm2' }), 0);
    assert.equal(seen.value('remus_fencing_enabled', { node: 'pm1' }), 1);
    // The history has pm2 only.
    assert.equal(seen.value('remus_fencing_unproven_nodes', { node: 'pm1' }), 1);
    assert.ok((seen.value('remus_daemon_memory_bytes', { node: 'pm1' }) ?? 0) > 10e6);
  });

  it('tells of a VM in each of its roles, and nothing when it has gone', async () => {
    const vm = { node: 'pm1', vm: 'vm1' };
    assert.equal((await scrape()).value('remus_vm_well', vm), null);
    assert.equal((await stand.agent('start')).rc, 0);
    assert.equal((await scrape()).value('remus_vm_replica_ready', vm), 0);
    assert.deepEqual(await stand.agent('promote'), { rc: 0 });
    const primary = await scrape();
    assert.equal(primary.value('remus_vm_protected', vm), 0);
    assert.equal(primary.value('remus_vm_replica_ready', vm), null);
    assert.equal(primary.value('remus_vm_generation', vm), 1);
    assert.equal(primary.value('remus_vm_starts_total', vm), 1);
    assert.equal(primary.value('remus_vm_grants_total', vm), 0);
    const longer = await scrape();
    const name = 'remus_vm_unprotected_seconds_total';
    assert.ok((longer.value(name, vm) ?? 0) > (primary.value(name, vm) ?? 0));
    assert.equal((await stand.agent('stop')).rc, 0);
    assert.equal((await scrape()).value('remus_vm_well', vm), null);
  });

  it('answers nothing else, and has no other address', async () => {
    const status = async (path: string, method = 'GET'): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}${path}`, { method })).status;
    assert.equal(await status('/'), 404);
    assert.equal(await status('/metrics', 'POST'), 405);
    assert.equal(await status('/metrics', 'HEAD'), 200);
    await assert.rejects(fetch(`http://127.0.0.2:${port}/metrics`));
  });

  it('writes the file that node_exporter reads, and takes it away at its end', async () => {
    await stand.until('the file', () => existsSync(file));
    assert.equal(statSync(file).mode & 0o777, 0o644);
    const text = readFileSync(file, 'utf8');
    check(text);
    assert.equal(parse(text).value('remus_build_info', { node: 'pm1' }), 1);
    await stand.stop();
    assert.equal(existsSync(file), false);
    assert.doesNotMatch(stand.log, /a failure was not handled/);
  });
});
