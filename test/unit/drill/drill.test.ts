/** A drill as a whole: who is asked what, from which node it is typed, and what is said of those that do not answer. */
import assert from 'node:assert/strict';
import { parseDrill } from '../../../ctl/drill-schema.js';
import type { Drill } from '../../../ctl/drill.js';
import { PeerError } from '../../../daemon/adapters/peer-control.js';
import { systemClock } from '../../../daemon/adapters/clock.js';
import { value } from '../../../daemon/doctor/facts.js';
import { Driller, type DrillParts } from '../../../daemon/drill/drill.js';
import type { Part } from '../../../daemon/drill/proofs.js';
import { peerHandlers } from '../../../daemon/peer-requests.js';
import { PeerRefusal } from '../../../daemon/peer-calls.js';
import { type RequestParts, Requests } from '../../../daemon/requests.js';
import { doctor, evidence, RECORD, said } from './evidence.js';

const of = <T>(asked: { readonly answer: { ok: T } | { failed: string } }): T => {
  assert.ok('ok' in asked.answer);
  return asked.answer.ok;
};

const SHOWN: Readonly<Record<Part, unknown>> = {
  replica: of(evidence.replica),
  network: of(evidence.network),
  scheduler: of(evidence.scheduler),
  fencing: { devices: { ok: [{ id: 'fence-pm1', monitor: said(true, 300) }] } },
};

const statusOf = (name: string) => ({
  ...{ resource: 'vm1', generation: 7 },
  ...(name === 'pm1'
    ? { state: 'protected', words: 'protected', held: true, acked_age_ms: 140 }
    : { state: 'ready', words: 'replica: ready', held: false, acked_age_ms: null }),
});

interface Situation {
  readonly here: string;
  readonly record?: string | null;
  readonly nodes?: readonly string[];
  /** These do not know the question. */
  readonly older?: readonly string[];
  /** These do not answer. */
  readonly down?: readonly string[];
}

interface Setup {
  readonly driller: Driller;
  /** NODE METHOD PART of each question to a peer, and what was read. */
  readonly asked: string[];
}

const show = (part: Part): Promise<never> => Promise.resolve(SHOWN[part] as never);

/** The handlers of a peer's remusd. */
function peer(name: string, knows: boolean) {
  const vms = name === 'pm3' ? [] : [statusOf(name)];
  return peerHandlers(
    { name, statuses: () => vms } as never,
    {} as never,
    Promise.resolve(),
    { newest: () => Promise.resolve([]) },
    { wall: () => '' },
    undefined,
    undefined,
    ...(knows ? ([{ show }] as const) : []),
  );
}

function setup(situation: Situation): Setup {
  const { here, record = RECORD, nodes = ['pm1', 'pm2'], older = [], down = [] } = situation;
  const asked: string[] = [];
  const call = async (node: string, method: string, params: unknown): Promise<unknown> => {
    const { part = '' } = params as { part?: string };
    asked.push(`${node} ${method} ${part}`.trim());
    if (down.includes(node)) throw new PeerRefusal(`remusd does not run on ${node}`);
    const handler = peer(node, !older.includes(node))[method];
    if (handler === undefined)
      throw new PeerError('remote', 'the peer refused', `${node} does not know "${method}"`, {
        remote_code: 'unknown-method',
      });
    return JSON.parse(JSON.stringify(await handler(params, here))) as unknown;
  };
  const parts = {
    node: { name: here, statuses: () => [statusOf(here)] },
    cluster: {
      readRecord: (_: string, at: 'dc' | { node: string }) => {
        asked.push(`record ${at === 'dc' ? at : at.node}`);
        return Promise.resolve(record);
      },
      status: () => Promise.resolve({ nodes: nodes.map((name) => ({ name, online: true })) }),
    },
    calls: { call },
    clock: systemClock,
    doctor: { look: () => Promise.resolve(doctor) },
    shower: { show },
  };
  return { driller: new Driller(parts as unknown as DrillParts), asked };
}

const bad = ({ steps }: Drill): string[] =>
  steps.filter(({ verdict }) => verdict !== 'ok').map(({ id, verdict }) => `${id} ${verdict}`);

describe('a drill', () => {
  it('typed on the primary: the backup is asked, and shows itself', async () => {
    const { driller, asked } = setup({ here: 'pm1' });
    const told: string[] = [];
    const found = await driller.drill('vm1', (text) => told.push(text));
    assert.deepEqual([found.verdict, bad(found)], ['works', []]);
    assert.deepEqual(parseDrill(JSON.parse(JSON.stringify(found))), found);
    assert.deepEqual(asked.sort(), [
      'pm2 drill fencing',
      'pm2 drill network',
      'pm2 drill replica',
      'pm2 drill scheduler',
      'pm2 status',
      'record dc',
      'record pm2',
    ]);
    assert.ok(told.some((text) => text.startsWith('pm2 has shown its receiver, its replica')));
    assert.ok(told.every((text) => /\(\d+ ms\)$/.test(text)));
  });

  it('typed on the backup, and on a node that has nothing to do with it', async () => {
    const backup = setup({ here: 'pm2' });
    assert.equal((await backup.driller.drill('vm1', () => undefined)).verdict, 'works');
    assert.deepEqual(backup.asked.sort(), ['pm1 status', 'record dc', 'record pm2']);
    const third = setup({ here: 'pm3', nodes: ['pm1', 'pm2', 'pm3'] });
    const found = await third.driller.drill('vm1', () => undefined);
    assert.deepEqual([found.verdict, found.node, found.to], ['works', 'pm3', 'pm2']);
    assert.ok(third.asked.includes('pm1 status') && third.asked.includes('pm2 drill replica'));
  });

  it('every node that is left may have the fence device', async () => {
    const { driller, asked } = setup({ here: 'pm1', nodes: ['pm1', 'pm2', 'pm3'] });
    await driller.drill('vm1', () => undefined);
    assert.deepEqual(asked.filter((words) => words.endsWith('fencing')).sort(), [
      'pm2 drill fencing',
      'pm3 drill fencing',
    ]);
  });

  it('a backup of a former release: not provable, and what to install', async () => {
    const told: string[] = [];
    const { driller } = setup({ here: 'pm1', older: ['pm2'] });
    const found = await driller.drill('vm1', (text) => told.push(text));
    assert.equal(found.verdict, 'unknown');
    assert.ok(bad(found).every((words) => words.endsWith('unknown')));
    const step = found.steps.find(({ id }) => id === 'receiver');
    assert.match(
      step?.what ?? '',
      /former release, which knows no drill; install the same release/,
    );
    assert.ok(
      told.some((text) => /^no answer after \d+ ms: remusd on pm2 is of a former/.test(text)),
    );
  });

  it('a backup whose remusd is down fails; a primary whose remusd is down is not known', async () => {
    const down = await setup({ here: 'pm1', down: ['pm2'] }).driller.drill('vm1', () => undefined);
    assert.equal(down.verdict, 'fails');
    assert.ok(bad(down).includes('remusd fails'));
    const { driller } = setup({ here: 'pm2', down: ['pm1'] });
    const found = await driller.drill('vm1', () => undefined);
    assert.deepEqual(
      [found.verdict, bad(found)],
      ['unknown', ['protection unknown', 'output unknown']],
    );
  });

  it('without a grant the node that awaits a replica is asked, if there is one', async () => {
    const ungranted = 'g=5 primary=pm1 grant=none';
    const { driller } = setup({ here: 'pm1', record: ungranted });
    const found = await driller.drill('vm1', () => undefined);
    assert.deepEqual([found.to, found.verdict], ['pm2', 'fails']);
    assert.deepEqual(bad(found), ['grant fails', 'rule fails']);
    const other = setup({ here: 'pm2', record: ungranted.replace('pm1', 'pm2') });
    assert.equal((await other.driller.drill('vm1', () => undefined)).to, 'pm1');
    assert.notEqual(value(doctor.cluster.live), null);
  });

  it('of a VM that nothing is known of, there is none', async () => {
    for (const [record, words] of [
      [null, /^Error: no record says where vm1 runs; "remusctl status"/],
      ['g=5 primary=- grant=none', /no record says where/],
      ['rubbish', /is not understood \("rubbish"\); type: remusctl history vm1/],
    ] as const)
      await assert.rejects(
        setup({ here: 'pm1', record }).driller.drill('vm1', () => undefined),
        words,
      );
  });
});

describe('a drill, over the control socket', () => {
  const request = { action: 'drill', resource: 'vm1', probe: false, check_level: 0 };
  const asked = (more: Partial<RequestParts>, told: string[] = []) => {
    const parts = { node: { name: 'pm1' }, recovered: Promise.resolve(), ...more };
    const { handle } = new Requests(parts as unknown as RequestParts);
    const progress = (text: string): unknown => told.push(text);
    const never = new AbortController().signal;
    return handle({ ...request, params: {}, options: {} }, progress, never);
  };

  it('tells how far it is, and answers what it has found', async () => {
    const told: string[] = [];
    const { driller } = setup({ here: 'pm1' });
    const { rc, json } = await asked({ driller }, told);
    assert.equal(rc, 0);
    assert.equal(parseDrill(json)?.verdict, 'works');
    assert.ok(told.length >= 7);
  });

  it('is a failure with a reason when nobody knows the VM, and unknown without a driller', async () => {
    const { driller } = setup({ here: 'pm1', record: null });
    const { rc, reason } = await asked({ driller });
    assert.equal(rc, 1);
    assert.match(reason ?? '', /^no record says where vm1 runs/);
    assert.deepEqual(await asked({}), { rc: 3 });
  });
});
