/** Where a pause or resume is carried out: on the node that runs the VM, wherever it is typed. */
import assert from 'node:assert/strict';
import type { Event } from '../../daemon/core/event.js';
import { initialState, type Phase } from '../../daemon/core/state.js';
import type { Answer } from '../../daemon/driver.js';
import type { RemusNode } from '../../daemon/node.js';
import { PeerError } from '../../daemon/adapters/peer-frames.js';
import { type PeerCalls, PeerRefusal } from '../../daemon/peer-calls.js';
import { peerHandlers } from '../../daemon/peer-requests.js';
import { type RequestParts, Requests } from '../../daemon/requests.js';

const IDLE: Phase = {
  ...{ kind: 'idle', reason: 'paused by the operator', problem: false, differs: null },
};
const NOBODY = { by: null, why: null, until: null };
const OP = { id: 1, deadline_ms: 1 };
const DONE: Answer = { rc: 0, reason: null, data: { node: 'pm1', changed: true, words: 'x' } };
/** Of the node under test: a second and a half past noon. */
const CLOCK = { wall: () => '2026-11-23T12:00:01.500Z' };
const NEVER = new AbortController().signal;

/** A node with vm1 in some phase. What its machine is asked and told is kept. */
function nodeWith(phase: Phase, answer: Answer = DONE) {
  const events: Event[] = [];
  const driver = {
    state: { ...initialState('pm2', 'vm1'), phase },
    post: (event: Event) => void events.push(event),
    request: (make: (op: { id: number; deadline_ms: number }) => Event) => {
      events.push(make({ id: 1, deadline_ms: 1 }));
      return Promise.resolve(answer);
    },
  };
  const vm = { driver, checkStillOurs: () => true };
  const known = (resource: string) => (resource === 'vm1' ? vm : null);
  return { events, node: { name: 'pm2', known, vm: () => vm } as unknown as RemusNode };
}

function typed(node: RemusNode, record: string | null, call: PeerCalls['call']) {
  const parts = {
    node,
    cluster: { readRecord: () => Promise.resolve(record) },
    calls: { call },
    clock: CLOCK,
    recovered: Promise.resolve(),
  } as unknown as RequestParts;
  const requests = new Requests(parts);
  return (action: string, resource = 'vm1', options: Readonly<Record<string, string>> = {}) =>
    requests.handle(
      ...([
        {
          action,
          resource,
          timeout_ms: 9_000,
          probe: false,
          check_level: 0,
          params: {},
          options,
        },
        () => undefined,
        NEVER,
      ] as const),
    );
}

const nobody: PeerCalls['call'] = () => Promise.reject(new Error('nobody was to be asked'));

describe('pause and resume, typed', () => {
  it('on the backup of a paused VM, which holds no replica: the record says whom to ask', async () => {
    const asked: unknown[] = [];
    const { node, events } = nodeWith(IDLE);
    const type = typed(node, 'g=3 primary=pm1 grant=none', (...words) => {
      asked.push(words);
      return Promise.resolve(DONE.data);
    });
    assert.deepEqual(await type('resume'), { rc: 0, json: DONE.data });
    assert.deepEqual(asked, [['pm1', 'resume', { resource: 'vm1', timeout_ms: 9_000 }, 12_000]]);
    assert.deepEqual(events, []);
  });

  it('on a node that has nothing of the VM: the record says whom to ask', async () => {
    const { node } = nodeWith(IDLE);
    const asked: unknown[] = [];
    const type = typed(node, 'g=3 primary=pm1 grant=none', (...words) => {
      asked.push(words);
      return Promise.resolve(DONE.data);
    });
    for (const action of ['resume', 'switchover']) await type(action, 'vm9');
    assert.deepEqual(asked, [
      ['pm1', 'resume', { resource: 'vm9', timeout_ms: 9_000 }, 12_000],
      ['pm1', 'switchover', { resource: 'vm9', timeout_ms: 9_000, to: null }, 12_000],
    ]);
  });

  it('on the primary: done there', async () => {
    const { node, events } = nodeWith({ kind: 'stopping' } as Phase);
    const type = typed(node, null, nobody);
    assert.deepEqual(await type('pause'), { rc: 0, json: DONE.data });
    assert.deepEqual(events, [
      { type: 'op-pause', op: OP, pause: { ...NOBODY, node: 'pm2', at: '2026-11-23T12:00:01Z' } },
    ]);
  });

  it('on the primary, with who, why and for how long: the end is by its clock, and never too early', async () => {
    const { node, events } = nodeWith({ kind: 'stopping' } as Phase);
    const said = { by: 'alice', why: 'storage work' };
    const type = typed(node, null, nobody);
    assert.equal((await type('pause-for', 'vm1', { ...said, for_s: '90' })).rc, 0);
    const at = '2026-11-23T12:00:01Z';
    assert.deepEqual(events, [
      {
        ...{ type: 'op-pause', op: OP },
        pause: { ...said, node: 'pm2', at, until: '2026-11-23T12:01:32Z' },
      },
    ]);
  });

  it('on the backup, with who and why: passed on; for some time: by another name', async () => {
    const { node } = nodeWith(IDLE);
    const asked: unknown[] = [];
    const type = typed(node, 'g=3 primary=pm1 grant=none', (...words) => {
      asked.push(words.slice(1, 3));
      return Promise.resolve(DONE.data);
    });
    const order = { resource: 'vm1', timeout_ms: 9_000 };
    await type('pause', 'vm1', { by: 'alice' });
    await type('pause-for', 'vm1', { by: 'alice', why: 'storage work', for_s: '90' });
    assert.deepEqual(asked, [
      ['pause', { ...order, by: 'alice' }],
      ['pause-for', { ...order, by: 'alice', why: 'storage work', for_s: 90 }],
    ]);
  });

  it('with what cannot be: wrong usage, and nothing is asked of anybody', async () => {
    const { node, events } = nodeWith({ kind: 'stopping' } as Phase);
    const type = typed(node, null, nobody);
    for (const [action, options, why] of [
      ['pause-for', {}, /from 1 to \d+ seconds; type: remusctl pause VM --for 30m/],
      ['pause-for', { for_s: '0' }, /seconds/],
      ['pause-for', { for_s: '-5' }, /seconds/],
      ['pause-for', { for_s: '1.5' }, /seconds/],
      ['pause-for', { for_s: '31622401' }, /seconds/],
      ['pause', { why: 'x'.repeat(201) }, /201 bytes, and at most 200/],
      ['pause', { why: 'a\u001b[2J' }, /control characters/],
      ['pause', { by: 'a\u202eb' }, /who asks/],
    ] as const) {
      const { rc, reason } = await type(action, 'vm1', options);
      assert.equal(rc, 2);
      assert.match(reason ?? '', why);
    }
    assert.deepEqual(events, []);
  });

  it('of a VM that runs nowhere, or that nobody knows: refused, with what to type', async () => {
    const { node } = nodeWith(IDLE);
    const nowhere = await typed(node, 'g=3 primary=pm2 grant=none', nobody)('pause');
    assert.equal(nowhere.rc, 3);
    assert.match(nowhere.reason ?? '', /vm1 does not run anywhere.*crm_mon/);
    const unknown = await typed(node, null, nobody)('pause', 'vm9');
    assert.equal(unknown.rc, 3);
    assert.match(unknown.reason ?? '', /vm9 is not started on pm2; "remusctl status"/);
  });

  it('refused where it runs: 3, as if it had been typed there; failed there: 1', async () => {
    const { node } = nodeWith(IDLE);
    const type = (remote_code: string) => {
      const error = new PeerError('remote', 'the peer refused', 'pm1: not now', { remote_code });
      return typed(node, 'g=3 primary=pm1 grant=none', () => Promise.reject(error))('pause');
    };
    assert.deepEqual(await type('refused'), { rc: 3, reason: 'pm1: not now' });
    assert.deepEqual(await type('failed'), { rc: 1, reason: 'pm1: not now' });
  });

  it('to a peer of a former release: its own words', async () => {
    const { node } = nodeWith(IDLE);
    const call = () => Promise.reject(new Error('pm1: this remusd (0.0.9) does not know "pause"'));
    const { rc, reason } = await typed(node, 'g=3 primary=pm1 grant=none', call)('pause');
    assert.deepEqual([rc, reason], [1, 'pm1: this remusd (0.0.9) does not know "pause"']);
  });
});

describe('resync, typed and asked by a peer', () => {
  it('on the primary: done there, for who asks; from the backup: passed on', async () => {
    const here = nodeWith({ kind: 'stopping' } as Phase);
    const type = typed(here.node, null, nobody);
    assert.equal((await type('resync', 'vm1', { by: 'alice' })).rc, 0);
    assert.equal((await type('resync', 'vm1', { by: 'a\nb' })).rc, 2);
    const asker = { by: 'alice', node: 'pm2' };
    assert.deepEqual(here.events, [{ type: 'op-resync', op: OP, asker }]);
    const asked: unknown[] = [];
    const there = typed(nodeWith(IDLE).node, 'g=3 primary=pm1 grant=none', (...words) => {
      asked.push(words);
      return Promise.resolve(DONE.data);
    });
    await there('resync', 'vm1', { by: 'alice' });
    const order = { resource: 'vm1', timeout_ms: 9_000, by: 'alice' };
    assert.deepEqual(asked, [['pm1', 'resync', order, 12_000]]);
  });

  it('for a peer, by its name', async () => {
    const { node, events } = nodeWith(IDLE);
    const calls = { call: nobody } as unknown as PeerCalls;
    const history = { newest: () => Promise.resolve([]) };
    const handlers = peerHandlers(node, calls, Promise.resolve(), history, CLOCK);
    const order = { resource: 'vm1', timeout_ms: 9_000, by: 'alice' };
    assert.deepEqual(await handlers['resync']?.(order, 'pm1'), DONE.data);
    assert.deepEqual(events, [{ type: 'op-resync', op: OP, asker: { by: 'alice', node: 'pm1' } }]);
  });
});

describe('pause and resume, asked by a peer', () => {
  const history = { newest: () => Promise.resolve([]) };
  const handlers = (node: RemusNode) =>
    peerHandlers(node, { call: nobody } as unknown as PeerCalls, Promise.resolve(), history, CLOCK);
  const order = { resource: 'vm1', timeout_ms: 9_000 };

  it('done, or refused with the reason', async () => {
    const { node, events } = nodeWith(IDLE);
    assert.deepEqual(await handlers(node)['pause']?.(order, 'pm1'), DONE.data);
    const at = '2026-11-23T12:00:01Z';
    // By its certificate it is pm1 that asks. One of a former release does not say who types.
    const former = { ...NOBODY, node: 'pm1', at };
    assert.deepEqual(events, [{ type: 'op-pause', op: OP, pause: former }]);
    const timed = { ...order, by: 'alice', why: 'storage work', for_s: 60 };
    await handlers(node)['pause-for']?.(timed, 'pm1');
    const { by, why } = timed;
    const until = '2026-11-23T12:01:02Z';
    assert.deepEqual(events[1], {
      ...{ type: 'op-pause', op: OP, pause: { by, why, node: 'pm1', at, until } },
    });
    for (const wrong of [{ ...timed, for_s: 0 }, { ...timed, why: 'a\nb' }, order])
      await assert.rejects(
        handlers(node)['pause-for']?.(wrong, 'pm1') ?? Promise.resolve(),
        (error) =>
          error instanceof PeerRefusal &&
          /pause-for: .+ is missing or not valid/.test(error.sentence),
      );
    const refusing = nodeWith(IDLE, { rc: 3, reason: 'vm1 does not run on pm2' });
    await assert.rejects(
      handlers(refusing.node)['resume']?.(order, 'pm1') ?? Promise.resolve(),
      (error) => error instanceof PeerRefusal && error.sentence === 'vm1 does not run on pm2',
    );
    const failing = nodeWith(IDLE, { rc: 1, reason: 'it took too long' });
    await assert.rejects(handlers(failing.node)['resume']?.(order, 'pm1') ?? Promise.resolve(), {
      code: 'failed',
      sentence: 'it took too long',
    });
  });

  it('a primary of a former release drops without a word about a pause', async () => {
    const { node, events } = nodeWith(IDLE);
    const replica = { generation: 1, session: 'aaaa0009' };
    await handlers(node)['drop']?.({ resource: 'vm1', replica }, 'pm1');
    await handlers(node)['drop']?.({ resource: 'vm1', replica, paused: true, later: 1 }, 'pm1');
    await handlers(node)['paused']?.({ resource: 'vm1', generation: 2, paused: true }, 'pm1');
    assert.deepEqual(events, [
      { type: 'peer-drop', replica, paused: false },
      { type: 'peer-drop', replica, paused: true },
      { type: 'peer-paused', from: 'pm1', generation: 2, paused: true },
    ]);
  });
});
