import assert from 'node:assert/strict';
import type { Cluster, ClusterNode } from '../../../daemon/ports.js';
import type { PeerDirectory } from '../../../daemon/peers.js';
import { absence, clusterTasks } from '../../../daemon/tasks/cluster.js';

const NODE: ClusterNode = {
  name: 'pm2',
  online: true,
  unclean: false,
  standby: false,
  maintenance: false,
  pending: false,
  is_dc: false,
};

describe('tasks/cluster: why a node cannot hold a replica', () => {
  const cases: readonly [string, Partial<ClusterNode>][] = [
    ['offline', { online: false }],
    ['in standby', { standby: true }],
    // As crm_mon shows a node that has just booted.
    ['joining the cluster', { standby: true, pending: true }],
  ];
  for (const [words, node] of cases) {
    it(words, () => assert.equal(absence({ ...NODE, ...node }), words));
  }
});

describe('tasks/cluster: a pause is written down', () => {
  const CONTEXT = { resource: 'vm1', node: 'pm1', config: null };

  /** CIBs that lag by so many looks, and another node as it is. */
  function clusterOf(before: boolean, lag: number, other: Partial<ClusterNode> = {}) {
    const cibs = new Map([
      ['pm1', before],
      ['pm2', before],
    ]);
    const writes: boolean[] = [];
    let left = lag;
    const cluster = {
      status: () =>
        Promise.resolve({
          dc: 'pm1',
          nodes: [
            { ...NODE, name: 'pm1' },
            { ...NODE, ...other },
          ],
        }),
      isPaused: (_resource: string, at: string) => {
        if (at === 'pm2' && writes.length > 0 && (left -= 1) < 0)
          cibs.set('pm2', writes.at(-1) === true);
        return Promise.resolve(cibs.get(at === 'dc' ? 'pm1' : at) === true);
      },
      setPaused: (_resource: string, paused: boolean) => {
        writes.push(paused);
        cibs.set('pm1', paused);
        return Promise.resolve();
      },
    } as unknown as Cluster;
    const delays: number[] = [];
    const host = { delay: (ms: number) => Promise.resolve(void delays.push(ms)) };
    const tasks = clusterTasks(
      cluster,
      { refresh: () => Promise.resolve() } as unknown as PeerDirectory,
      host,
    );
    const write = (paused: boolean) =>
      tasks['write-pause']({ task: 'write-pause', paused }, CONTEXT);
    return { write, writes, delays };
  }

  it('and said to hold when every member has it in its own CIB', async () => {
    const { write, writes, delays } = clusterOf(false, 3);
    assert.deepEqual(await write(true), { changed: true });
    assert.deepEqual([writes, delays.length], [[true], 3]);
  });

  it('once: it is seen that it was so before', async () => {
    const { write, writes } = clusterOf(true, 0);
    assert.deepEqual(await write(true), { changed: false });
    assert.deepEqual(writes, []);
  });

  it('a resume waits for nobody', async () => {
    const { write, writes, delays } = clusterOf(true, 1_000);
    assert.deepEqual(await write(false), { changed: true });
    assert.deepEqual([writes, delays], [[false], []]);
  });

  it('not while a node may decide that cannot know of it: with the reason, and nothing is written', async () => {
    const { write, writes } = clusterOf(false, 0, { online: false, unclean: true });
    await assert.rejects(write(true), /pm2 is neither a member nor known to be down yet/);
    assert.deepEqual(writes, []);
  });

  it('a node that does not get it: with the reason, and nothing is taken back', async () => {
    const late = clusterOf(false, 1_000);
    await assert.rejects(late.write(true), /pm2 does not have it yet/);
    assert.deepEqual(late.writes, [true]);
  });

  it('a node that is known to be down is not asked', async () => {
    const { write } = clusterOf(false, 1_000, { online: false });
    assert.deepEqual(await write(true), { changed: true });
  });
});
