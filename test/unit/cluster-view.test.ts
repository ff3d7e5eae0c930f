/** What status says of the cluster. */
import assert from 'node:assert/strict';
import { ClusterView, type ClusterViewParts } from '../../daemon/cluster-view.js';
import type { FenceEvent } from '../../daemon/fencing.js';

const member = { online: true, unclean: false, standby: false, pending: false };
const status = (stonith_enabled: boolean) => ({
  nodes: [
    { name: 'pm1', ...member },
    { name: 'pm2', ...member },
  ],
  stonith_enabled,
});
const success: FenceEvent = { target: 'pm2', action: 'reboot', status: 'success', completed: '1' };

function viewOf(parts: object): ClusterView {
  return new ClusterView({
    self: 'pm1',
    cluster: { status: () => Promise.resolve(status(true)) },
    calls: { call: () => Promise.resolve({ vms: [] }) },
    directory: { all: () => [{ node: 'pm1' }, { node: 'pm2' }] },
    clock: { now_ms: () => 0 },
    fenceEvents: () => Promise.resolve([success]),
    ...parts,
  } as unknown as ClusterViewParts);
}

describe('cluster-view', () => {
  it('says which nodes nobody has been seen to fence', async () => {
    const { peers, fencing } = await viewOf({}).look();
    assert.deepEqual(peers, [{ node: 'pm2', online: true, reachable: true, vms: [] }]);
    assert.deepEqual(fencing, { enabled: true, unproven: ['pm1'] });
  });

  it('says nothing of the VMs of a peer that is not understood', async () => {
    const calls = { call: () => Promise.resolve({ vms: [{ resource: 7 }] }) };
    const { peers } = await viewOf({ calls }).look();
    assert.deepEqual(peers, [{ node: 'pm2', online: true, reachable: true, vms: undefined }]);
  });

  it('an attempt that failed proves nothing', async () => {
    const fenceEvents = () => Promise.resolve([{ ...success, status: 'failed' }]);
    assert.deepEqual((await viewOf({ fenceEvents }).look()).fencing?.unproven, ['pm1', 'pm2']);
  });

  it('says that fencing is off, and asks no more', async () => {
    const cluster = { status: () => Promise.resolve(status(false)) };
    const fenceEvents = () => Promise.reject(new Error('asked'));
    const { fencing } = await viewOf({ cluster, fenceEvents }).look();
    assert.equal(fencing?.enabled, false);
  });

  it('says nothing of what Pacemaker does not tell', async () => {
    const fenceEvents = () => Promise.reject(new Error('no answer'));
    assert.equal((await viewOf({ fenceEvents }).look()).fencing, null);
  });

  it('without Pacemaker: the peers of once, and why', async () => {
    const cluster = { status: () => Promise.reject(new Error('Pacemaker is not running')) };
    const { peers, fencing } = await viewOf({ cluster }).look();
    assert.deepEqual([fencing, peers.map(({ node }) => node)], [null, ['pm2']]);
    assert.match(peers[0]?.error ?? '', /Pacemaker is not running/);
  });

  it('asks for the history of fencing twice a minute, and no more often', async () => {
    let now_ms = 0;
    let asked = 0;
    const fenceEvents = () => Promise.resolve(++asked === 1 ? [] : [success]);
    const view = viewOf({ clock: { now_ms: () => now_ms }, fenceEvents });
    for (const at_ms of [0, 29_000, 31_000]) {
      now_ms = at_ms;
      await view.look();
    }
    assert.equal(asked, 2);
  });
});
