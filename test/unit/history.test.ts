/** The history of a VM: put together from the nodes, bounded, and honest about what it lacks. */
import assert from 'node:assert/strict';
import { type VmHistory } from '../../ctl/history.js';
import type { ControlRequest } from '../../daemon/adapters/control-protocol.js';
import { historyAnswer, type HistoryParts, ownHistory } from '../../daemon/history-view.js';

type Line = Record<string, unknown>;

function lines(...texts: readonly string[]): Line[] {
  return texts.map((text, n) => ({ at: `2026-11-23T04:00:0${n}.000Z`, text, peer: 'pmX' }));
}

function store(all: Line[]): HistoryParts['history'] {
  return { newest: (_resource, count) => Promise.resolve(all.slice(-count)) };
}

function parts(own: Line[], peer: (params: unknown) => Promise<unknown>, online = true) {
  const asked: unknown[] = [];
  const made: HistoryParts = {
    node: 'pm1',
    history: store(own),
    calls: {
      call: (node, method, params) => {
        asked.push([node, method, params]);
        return peer(params);
      },
    },
    others: () => Promise.resolve([{ name: 'pm2', online }]),
  };
  return { made, asked };
}

function request(options: Record<string, string> = {}): ControlRequest {
  return { action: 'history', resource: 'vm1', probe: false, check_level: 0, params: {}, options };
}

async function answered(made: HistoryParts, options: Record<string, string> = {}) {
  const { rc, reason, json } = await historyAnswer(made, request(options), 'vm1');
  return { rc, reason, found: json as VmHistory };
}

describe('the history of a VM', () => {
  it("is both nodes', in the order of their clocks, and not more than was asked for", async () => {
    const [a, b, c, d] = lines('one', 'two', 'three', 'four');
    const theirs = store([b, d] as Line[]);
    const { made, asked } = parts([a, c] as Line[], () =>
      ownHistory({ node: 'pm2', history: theirs }, 'vm1', 50),
    );
    const { rc, found } = await answered(made);
    assert.equal(rc, 0);
    assert.deepEqual(
      found.entries.map(({ node, text }) => `${node} ${text}`),
      ['pm1 one', 'pm2 two', 'pm1 three', 'pm2 four'],
    );
    assert.deepEqual(found.entries[0]?.data, { peer: 'pmX' });
    assert.deepEqual(found.missing, []);
    assert.deepEqual(asked, [['pm2', 'history', { resource: 'vm1', limit: 50 }]]);
    const newest = await answered(made, { limit: '2' });
    assert.deepEqual(
      newest.found.entries.map(({ text }) => text),
      ['three', 'four'],
    );
  });

  it('names the node that could not be asked, with the reason', async () => {
    const old = parts(lines('one'), () =>
      Promise.reject(new Error('pm2: this remusd (0.1.0) does not know "history"')),
    );
    const { found } = await answered(old.made);
    assert.deepEqual(found.missing, [
      { node: 'pm2', why: 'pm2: this remusd (0.1.0) does not know "history"' },
    ]);
    const off = parts(lines('one'), () => Promise.reject(new Error('not asked')), false);
    assert.deepEqual((await answered(off.made)).found.missing, [
      { node: 'pm2', why: 'it is offline' },
    ]);
    assert.deepEqual(off.asked, []);
    const rubbish = parts(lines('one'), () => Promise.resolve({ entries: 7 }));
    assert.match(
      (await answered(rubbish.made)).found.missing[0]?.why ?? '',
      /^it answered something else than a history; install the same release/,
    );
  });

  it('an answer to a peer fits into a frame: the newest, and it says so', async () => {
    const many = Array.from({ length: 1000 }, (_, n) => ({
      at: new Date(1_800_000_000_000 + n).toISOString(),
      text: `${n} ${'x'.repeat(500)}`,
    }));
    const own = await ownHistory({ node: 'pm2', history: store(many) }, 'vm1', 1000);
    assert.ok(own.cut && own.entries.length > 50);
    assert.ok(Buffer.byteLength(JSON.stringify(own)) < 60 * 1024);
    assert.match(own.entries.at(-1)?.text ?? '', /^999 /);
    const { made } = parts(lines('one'), () => Promise.resolve(own));
    assert.match((await answered(made, { limit: '1000' })).found.missing[0]?.why ?? '', /older/);
  });

  it('of a VM that nobody knows, and a limit that is none: a reason', async () => {
    const { made } = parts([], () => Promise.resolve({ entries: [], cut: false }));
    const { rc, reason } = await answered(made);
    assert.equal(rc, 1);
    assert.match(reason ?? '', /nothing is written down of a VM "vm1" on pm1; "remusctl status"/);
    for (const limit of ['0', 'x', '1001', '1.5', '']) {
      assert.equal((await answered(made, { limit })).rc, 2, limit);
    }
  });

  it('lines that are no entries are left out', async () => {
    const odd = [{ at: 7, text: 'x' }, { text: 'y' }, ...lines('one')];
    const { made } = parts(odd, () => Promise.resolve({ entries: [], cut: false }));
    assert.deepEqual(
      (await answered(made)).found.entries.map(({ text }) => text),
      ['one'],
    );
  });
});
