/** What is made of a hint: a look at what Pacemaker says itself, and not more often than now and then. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { ControlRequest } from '../../daemon/adapters/control-protocol.js';
import type { LogFields, Logger } from '../../daemon/adapters/log.js';
import { ClusterNews } from '../../daemon/cluster-news.js';
import type { FenceEvent } from '../../daemon/fencing.js';
import type { Clock, ClusterNode, ClusterStatus } from '../../daemon/ports.js';

const member = {
  ...{ online: true, unclean: false, standby: false, pending: false },
  ...{ maintenance: false, is_dc: false },
};

describe('news of the cluster', () => {
  let timers: { ms: number; fn: () => void; gone: boolean }[];
  let lines: [string, LogFields | undefined][];
  let looks: number;
  let nodes: ClusterNode[] | null;
  let events: FenceEvent[];
  let news: ClusterNews;

  const clock: Clock = {
    now_ms: () => 0,
    wall: () => '',
    after: (ms, fn) => {
      const timer = { ms, fn, gone: false };
      timers.push(timer);
      return { cancel: () => (timer.gone = true) };
    },
  };
  const note = (message: string, fields?: LogFields): void => void lines.push([message, fields]);
  const log: Logger = {
    ...{ debug: () => undefined, info: note, warn: note, error: note },
    with: () => log,
  };
  const settled = async (): Promise<void> => {
    for (let n = 0; n < 5; n += 1) await turn();
  };
  /** The timers of so many milliseconds end. */
  const pass = async (ms: number): Promise<void> => {
    const due = timers.filter((timer) => timer.ms === ms && !timer.gone);
    timers = timers.filter((timer) => timer.ms !== ms);
    for (const { fn } of due) fn();
    await settled();
  };
  const tell = (options: Readonly<Record<string, string>>, action = 'cluster-event') => {
    const request: ControlRequest = { action, probe: false, check_level: 0, params: {}, options };
    return news.handle(request);
  };
  const fencing = { kind: 'fencing', node: 'pm2', desc: 'Operation reboot of pm2', rc: '0' };

  beforeEach(async () => {
    timers = [];
    lines = [];
    looks = 0;
    nodes = [
      { name: 'pm1', ...member },
      { name: 'pm2', ...member },
    ];
    events = [{ target: 'pm1', action: 'reboot', status: 'success', completed: '1' }];
    news = new ClusterNews({
      clock,
      log,
      cluster: {
        status: () =>
          nodes === null
            ? Promise.reject(new Error('it does not answer'))
            : Promise.resolve({ nodes } as unknown as ClusterStatus),
      },
      fenceEvents: () => Promise.resolve(events),
      look: () => {
        looks += 1;
        return Promise.resolve();
      },
    });
    await news.begin();
  });

  it('what is there at the start is none', () => assert.deepEqual(lines, []));

  it('a hint makes it look at once, and once more when the cluster has come to rest', async () => {
    assert.deepEqual(await tell(fencing), { rc: 0 });
    await settled();
    assert.equal(looks, 1);
    assert.deepEqual(lines, [
      ['told of an event in the cluster: looking', { claimed: [fencing], hints: 1 }],
    ]);
    await pass(1_000);
    await pass(2_000);
    assert.equal(looks, 2);
    await pass(1_000);
    await pass(2_000);
    assert.equal(looks, 2, 'and that is all');
    assert.equal(lines.length, 1);
  });

  it('a flood of hints is a look a second, and a line each', async () => {
    for (let n = 0; n < 1_000; n += 1) await tell({ kind: 'node', node: `pm${n}` });
    await settled();
    assert.deepEqual([looks, lines.length], [1, 1]);
    await pass(1_000);
    assert.deepEqual([looks, lines.length], [2, 2]);
    assert.deepEqual(lines[1]?.[1], {
      claimed: [996, 997, 998, 999].map((n) => ({ kind: 'node', node: `pm${n}` })),
      hints: 999,
    });
  });

  it('a lie is no news', async () => {
    await tell({ kind: 'fencing', node: 'pm2', desc: 'fenced, I swear', rc: '0' });
    await tell({ kind: 'node', node: 'pm2', desc: 'lost' });
    await settled();
    await pass(1_000);
    assert.ok(lines.every(([message]) => message.startsWith('told of')));
  });

  it("a hint has Pacemaker's own word logged: who is gone, who was fenced, who is back", async () => {
    nodes = [
      { name: 'pm1', ...member },
      { name: 'pm2', ...member, online: false, unclean: true },
    ];
    await tell({ kind: 'node', node: 'pm2', desc: 'lost' });
    await settled();
    nodes = [
      { name: 'pm1', ...member },
      { name: 'pm2', ...member, online: false },
      { name: 'pm3', ...member, pending: true },
    ];
    events = [{ target: 'pm2', action: 'reboot', status: 'success', completed: '2' }, ...events];
    await pass(1_000);
    await pass(2_000);
    const said = lines.filter(([message]) => !message.startsWith('told of'));
    assert.deepEqual(said, [
      [
        'a node of the cluster has changed',
        { about: 'pm2', was: 'online', now: 'lost, not known to be down' },
      ],
      [
        'a node of the cluster has changed',
        { about: 'pm2', was: 'lost, not known to be down', now: 'down' },
      ],
      ['a node of the cluster has changed', { about: 'pm3', was: 'unknown', now: 'joining' }],
      ['fencing', { about: 'pm2', action: 'reboot', status: 'success', completed: '2' }],
    ]);
  });

  it('a Pacemaker that does not answer is no news either, and is asked the next time', async () => {
    nodes = null;
    await tell(fencing);
    await settled();
    nodes = [{ name: 'pm1', ...member }];
    await pass(1_000);
    await pass(2_000);
    assert.deepEqual(lines.at(-1), [
      'a node of the cluster has changed',
      { about: 'pm2', was: 'online', now: 'removed' },
    ]);
  });

  it('anything else is refused, and a flood of it is one line a minute', async () => {
    for (let n = 0; n < 100; n += 1) {
      assert.equal((await tell({}, 'stop')).rc, 3);
      assert.equal((await tell({ kind: 'resource' })).rc, 2);
      assert.equal((await tell({ kind: 'node', rc: 'x' })).rc, 2);
    }
    await settled();
    assert.equal(looks, 0);
    assert.equal(lines.length, 1);
    await pass(60_000);
    assert.deepEqual(lines[1], [
      'the socket for alerts is misused',
      { times: 299, what: 'refused', reason: 'a cluster-event has kind=node or kind=fencing' },
    ]);
  });

  it('control characters of a liar reach no terminal', async () => {
    await tell({ kind: 'node', node: 'pm2', desc: '\u001b[2Jx\u0085y' });
    await settled();
    const claimed = [{ kind: 'node', node: 'pm2', desc: '[2Jx y' }];
    assert.deepEqual(lines[0]?.[1]?.['claimed'], claimed);
  });

  it('nothing more after the end', async () => {
    news.close();
    await tell(fencing);
    await settled();
    assert.deepEqual([looks, lines], [0, []]);
  });
});
