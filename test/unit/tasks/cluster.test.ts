import assert from 'node:assert/strict';
import type { Cluster, ClusterNode } from '../../../daemon/ports.js';
import { parsePause, type Pause } from '../../../daemon/core/pause-record.js';
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
  const TEXT =
    'true at=2026-11-23T12:00:00Z by=root node=pm1 until=2026-11-23T14:00:00Z why=storage work';
  const PAUSE = parsePause(TEXT);

  /** CIBs that lag by so many looks, and another node as it is. */
  function clusterOf(before: string | null, lag: number, other: Partial<ClusterNode> = {}) {
    const cibs = new Map([
      ['pm1', before],
      ['pm2', before],
    ]);
    const writes: (string | null)[] = [];
    const ended: string[] = [];
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
      readPause: (_resource: string, at: string) => {
        if (at === 'pm2' && writes.length > 0 && (left -= 1) < 0)
          cibs.set('pm2', writes.at(-1) ?? null);
        return Promise.resolve(cibs.get(at === 'dc' ? 'pm1' : at) ?? null);
      },
      writePause: (_resource: string, text: string | null) => {
        writes.push(text);
        cibs.set('pm1', text);
        return Promise.resolve();
      },
      endPause: (_resource: string, text: string) => Promise.resolve(void ended.push(text)),
    } as unknown as Cluster;
    const delays: number[] = [];
    const host = { delay: (ms: number) => Promise.resolve(void delays.push(ms)) };
    const tasks = clusterTasks(
      cluster,
      { refresh: () => Promise.resolve(), get: () => null } as unknown as PeerDirectory,
      host,
      { wall: () => '2026-11-23T13:59:30.500Z' },
    );
    const write = (pause: Pause | null) =>
      tasks['write-pause']({ task: 'write-pause', pause }, CONTEXT);
    const found = async () => (await tasks['find-peers']({ task: 'find-peers' }, CONTEXT)).paused;
    const end = (text: string) => tasks['end-pause']({ task: 'end-pause', text }, CONTEXT);
    return { write, writes, delays, found, end, ended };
  }

  it('and said to hold when every member has it in its own CIB', async () => {
    const { write, writes, delays } = clusterOf(null, 3);
    assert.deepEqual(await write(PAUSE), { changed: true });
    assert.deepEqual([writes, delays.length], [[TEXT], 3]);
  });

  it('once: it is seen that it was so before', async () => {
    const { write, writes } = clusterOf(TEXT, 0);
    assert.deepEqual(await write(PAUSE), { changed: false });
    assert.deepEqual(writes, []);
  });

  it('over another one, with what is said now: everybody must have this one', async () => {
    const { write, writes, delays } = clusterOf('true', 2);
    assert.deepEqual(await write(PAUSE), { changed: false });
    assert.deepEqual([writes, delays.length], [[TEXT], 2]);
  });

  it('what is left of it is by the clock of this node; one without an end that can be read has none', async () => {
    for (const [text, left_ms] of [
      [TEXT, 29_500],
      ['true until=2026-11-23T13:00:00Z', -3_570_500],
      ['true until=2026-99-99T13:00:00Z', null],
      ['true until=soon', null],
      ['true', null],
    ] as const) {
      const found = await clusterOf(text, 0).found();
      assert.deepEqual([found?.text, found?.left_ms], [text, left_ms]);
    }
    assert.equal(await clusterOf(null, 0).found(), null);
  });

  it('over: it is taken out by its text', async () => {
    const { end, ended } = clusterOf(TEXT, 0);
    await end(TEXT);
    assert.deepEqual(ended, [TEXT]);
  });

  it('a resume waits for nobody', async () => {
    const { write, writes, delays } = clusterOf(TEXT, 1_000);
    assert.deepEqual(await write(null), { changed: true });
    assert.deepEqual([writes, delays], [[null], []]);
  });

  it('not while a node may decide that cannot know of it: with the reason, and nothing is written', async () => {
    const { write, writes } = clusterOf(null, 0, { online: false, unclean: true });
    await assert.rejects(write(PAUSE), /pm2 is neither a member nor known to be down yet/);
    assert.deepEqual(writes, []);
  });

  it('a node that does not get it: with the reason, and nothing is taken back', async () => {
    const late = clusterOf(null, 1_000);
    await assert.rejects(late.write(PAUSE), /pm2 does not have it yet/);
    assert.deepEqual(late.writes, [TEXT]);
  });

  it('a node that is known to be down is not asked', async () => {
    const { write } = clusterOf(null, 1_000, { online: false });
    assert.deepEqual(await write(PAUSE), { changed: true });
  });
});

describe('tasks/cluster: the record of a primary', () => {
  const CONTEXT = { resource: 'vm1', node: 'pm1', config: null };
  const withdrawn = { node: 'pm2', replica: { generation: 5, session: 'ab12cd34' } };
  const MINE = { generation: 5, primary: 'pm1', grant: null, withdrawn };
  const TEXT = 'g=5 primary=pm1 withdrawn=pm2/5/ab12cd34 grant=none';

  /** @param changes what somebody else writes between our look and our write. */
  function tasksOver(
    before: string | null,
    changes: (string | null)[] = [],
    promoted: readonly string[] = ['pm1', 'pm2'],
  ) {
    const cib = { record: before, scores: [] as number[] };
    const cluster = {
      readRecord: (_resource: string, at: unknown) => {
        assert.deepEqual(at, { node: 'pm1' });
        return Promise.resolve(cib.record);
      },
      swapRecord: (_resource: string, was: string | null, value: string) => {
        const change = changes.shift();
        if (change !== undefined) cib.record = change;
        if (cib.record !== was) return Promise.resolve(false);
        cib.record = value;
        return Promise.resolve(true);
      },
      promotedOn: () => Promise.resolve(promoted),
      hasPromotionScore: () => Promise.resolve(true),
      setPromotionScore: (_resource: string, _node: string, score: number) =>
        Promise.resolve(void cib.scores.push(score)),
    } as unknown as Cluster;
    const tasks = clusterTasks(
      cluster,
      {} as unknown as PeerDirectory,
      {
        delay: () => Promise.resolve(),
      },
      { wall: () => '' },
    );
    const withdraw = () =>
      tasks.withdraw({ task: 'withdraw', record: MINE, node: 'pm2', score: 10 }, CONTEXT);
    const claim = (expected: string | null) =>
      tasks['write-record']({ task: 'write-record', record: MINE, before: expected }, CONTEXT);
    return { cib, withdraw, claim };
  }

  for (const before of [
    null,
    '',
    'rubbish',
    'g=5 primary=pm1 grant=pm2/5/ab12cd34',
    'g=4 primary=pm2 grant=pm1/4/ab12cd34',
  ]) {
    it(`is written over ${before ?? 'nothing'}`, async () => {
      const { cib, withdraw } = tasksOver(before);
      await withdraw();
      assert.deepEqual(cib, { record: TEXT, scores: [10] });
    });
  }

  for (const later of [
    'g=6 primary=pm2 grant=pm2/5/ab12cd34',
    'g=5 primary=pm2 grant=none',
    'g=6 primary=pm2 in the words of a later release',
  ]) {
    it(`is not written over ${later}`, async () => {
      const { cib, withdraw } = tasksOver(later);
      await assert.rejects(
        withdraw(),
        /by the record in the CIB pm2 was promoted since, and by Pacemaker it runs pm1 and pm2/,
      );
      assert.deepEqual(cib, { record: later, scores: [] });
    });
  }

  it('is written over another promotion that is over: a node came back with a newer CIB', async () => {
    const record = 'g=6 primary=pm2 grant=none';
    const { cib, withdraw } = tasksOver(record, [], ['pm1']);
    await withdraw();
    assert.equal(cib.record, TEXT);
    for (const promoted of [['pm2'], []]) {
      const other = tasksOver(record, [], promoted);
      await assert.rejects(other.withdraw(), /pm2 was promoted since/);
    }
  });

  it('is judged anew when somebody else has been quicker', async () => {
    const { cib, withdraw } = tasksOver('g=5 primary=pm1 grant=none', ['rubbish', null]);
    await withdraw();
    assert.equal(cib.record, TEXT);
    const promoted = tasksOver('g=5 primary=pm1 grant=none', ['g=6 primary=pm2 grant=none']);
    await assert.rejects(promoted.withdraw(), /pm2 was promoted since/);
    const again = tasksOver('g=5 primary=pm1 grant=none', ['a', 'b', 'c', 'd']);
    await assert.rejects(again.withdraw(), /changes the record in the CIB all the time/);
  });

  it('a promotion claims only what it has read', async () => {
    const { cib, claim } = tasksOver('g=4 primary=pm2 grant=pm1/4/ab12cd34', [
      'g=4 primary=pm2 withdrawn=pm1/4/ab12cd34 grant=none',
    ]);
    await assert.rejects(claim('g=4 primary=pm2 grant=pm1/4/ab12cd34'), /has just been changed/);
    await claim(cib.record);
    assert.equal(cib.record, TEXT);
  });
});
