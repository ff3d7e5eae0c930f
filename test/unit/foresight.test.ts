/** What a switchover and a failover would do: asked of the machine, of the rule for promotions and of a real crm_simulate. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parseForesight } from '../../ctl/foresight-schema.js';
import { parseForeseenResync } from '../../ctl/resync-schema.js';
import { createExec } from '../../daemon/adapters/exec.js';
import { withScore } from '../../daemon/adapters/what-if.js';
import { SCORE } from '../../daemon/core/policy.js';
import { initialState, type Phase } from '../../daemon/core/state.js';
import { Foreseer, type ForesightParts } from '../../daemon/foresight.js';
import { interruptionsIn } from '../../daemon/history-view.js';
import { PeerRefusal } from '../../daemon/peer-calls.js';
import { peerHandlers } from '../../daemon/peer-requests.js';
import type { Exec } from '../../daemon/ports.js';
import { type RequestParts, Requests } from '../../daemon/requests.js';
import { CONFIG, peerNamed } from './core/rig.js';

const recorded = (path: string): string => readFileSync(`test/fixtures/${path}`, 'utf8');
const cib = (name: string): string => recorded(`pacemaker/cib/${name}.xml`);

interface Cluster {
  /** Of test/fixtures/pacemaker/cib. */
  readonly cib: string;
  readonly devices?: string;
  /** What crm_mon prints otherwise. */
  readonly live?: (text: string) => string;
  /** These tools fail. */
  readonly down?: readonly string[];
}

/** Recorded outputs, and the real scheduler. */
function tools({ cib: name, devices, live, down = [] }: Cluster): Exec {
  const real = createExec();
  const print = ([tool = '', ...rest]: readonly string[]): string => {
    if (tool === 'crm_mon') return (live ?? String)(recorded('doctor/crm_mon-lab.xml'));
    if (tool === 'cibadmin')
      return rest.includes('--scope') ? configurationOf(cib(name)) : cib(name);
    if (rest[0] === '--list') return recorded(`doctor/${devices ?? 'fence-list'}.xml`);
    return recorded('doctor/fence-history.xml').replaceAll('pm2', 'pm1');
  };
  return {
    ...real,
    run: (argv, options) => {
      if (argv[0] === 'crm_simulate' && !down.includes('crm_simulate'))
        return real.run(argv, { ...options, timeout_ms: 60_000 });
      const failed = down.includes(argv[0] ?? '');
      const rest = { argv, signal: null, timed_out: false, duration_ms: 1, stderr: '' };
      return Promise.resolve(
        failed ? { ...rest, code: 102, stdout: '' } : { ...rest, code: 0, stdout: print(argv) },
      );
    },
  };
}

function configurationOf(xml: string): string {
  return /<configuration>.*<\/configuration>/s.exec(xml)?.[0] ?? '';
}

const PROTECTED = {
  ...{ kind: 'primary', generation: 1, leaving: null, ended: null },
  protection: {
    kind: 'protected',
    run: {
      ...{ peer: peerNamed('pm2'), sender: null },
      replica: { generation: 1, session: 'aaaaaaaa' },
    },
  },
} as unknown as Phase;
const UNPROTECTED = {
  ...{ kind: 'primary', generation: 1, leaving: null, ended: null },
  protection: { kind: 'none', reason: 'peer pm2 is offline', peer: null },
} as unknown as Phase;

/** The record of the recorded CIBs. */
const RECORD = /name="remus-record-vm1" value="([^"]+)"/.exec(cib('protected'))?.[1] ?? '';
const [, GENERATION = '', SESSION = ''] = /grant=pm2\/(\d+)\/(\w+)/.exec(RECORD) ?? [];

const REPLICA: Phase = {
  kind: 'replica',
  from: 'pm1',
  replica: { generation: Number(GENERATION), session: SESSION },
  receiver: { phase: 'ready', connected: true, complete: 88, applied: 88, unfed: false },
};

/** The other node's answer to `status`. */
const STATUS = {
  ...{ resource: 'vm1', state: 'ready', words: 'replica: ready' },
  ...{ generation: 1, held: true, acked_age_ms: 140 },
};
const AGE = { vms: [STATUS] };

interface Situation extends Cluster {
  readonly name: string;
  readonly phase: Phase;
  readonly record?: string | null;
  readonly call?: ForesightParts['calls']['call'];
  readonly refuse?: boolean;
}

function foreseer(situation: Situation): Foreseer {
  const { name, phase, record = RECORD, call } = situation;
  const on_no_replica = situation.refuse === true ? ('refuse' as const) : ('start' as const);
  const state = { ...initialState(name, 'vm1'), phase, config: { ...CONFIG, on_no_replica } };
  const vm = Object.freeze({ driver: { state: Object.freeze(state) } });
  const status = {
    ...{ resource: 'vm1', peer: name === 'pm1' ? 'pm2' : 'pm1', generation: 1 },
    checkpoint: name === 'pm1' ? { acked: 89, complete: null } : { acked: null, complete: 88 },
    acked_age_ms: name === 'pm1' ? 140 : null,
  };
  const parts = {
    node: {
      ...{ name, statuses: () => [status] },
      known: (resource: string) => (resource === 'vm1' ? vm : null),
    },
    cluster: { readRecord: () => Promise.resolve(record) },
    calls: { call: call ?? (() => Promise.resolve(AGE)) },
    exec: tools(situation),
    clock: { now_ms: () => 1_000 },
  };
  return new Foreseer(parts as unknown as ForesightParts);
}

const here = (more: Partial<Situation> = {}): Foreseer =>
  foreseer({ name: 'pm1', phase: PROTECTED, cib: 'protected', ...more });
const backup = (more: Partial<Situation> = {}): Foreseer =>
  foreseer({ name: 'pm2', phase: REPLICA, cib: 'protected', ...more });

const MAINTENANCE = (text: string): string =>
  text.replace('maintenance-mode="false"', 'maintenance-mode="true"');

describe('a switchover, foreseen', function () {
  this.timeout(120_000);

  it('would be done: what it would set is asked of the real scheduler', async () => {
    const found = await here().switchoverHere('vm1', null);
    assert.deepEqual(parseForesight({ ...found, interruptions_ms: [1] })?.verdict, 'done');
    const { verdict, reason, from, to, promoted_on, obstacles, unknown } = found;
    assert.deepEqual([verdict, reason, from, to], ['done', undefined, 'pm1', 'pm2']);
    assert.deepEqual([promoted_on, obstacles, unknown], ['pm2', [], []]);
    assert.deepEqual([found.checkpoint, found.checkpoint_age_ms, found.memory], [89, 140, 'kept']);
  });

  it('would be refused, in the words of the command itself', async () => {
    for (const [phase, to, words] of [
      [UNPROTECTED, null, /^vm1 is not protected \(unprotected: peer pm2 is offline\): .* wait/],
      [PROTECTED, 'pm3', /^the replica of vm1 is on pm2, not on pm3$/],
      [{ kind: 'guest-ended', how: 'crash' } as Phase, null, /^vm1 does not run on pm1$/],
    ] as const) {
      const { verdict, reason, promoted_on } = await here({ phase }).switchoverHere('vm1', to);
      assert.deepEqual([verdict, promoted_on], ['refused', null]);
      assert.match(reason ?? '', words);
    }
    const down = here({ call: () => Promise.reject(new Error('pm2 does not answer')) });
    const { verdict, reason } = await down.switchoverHere('vm1', null);
    assert.equal(verdict, 'refused');
    assert.match(
      reason ?? '',
      /^pm2 could not promote its replica of vm1 now: pm2 does not answer; nothing has been/,
    );
    const unknown = await here({ record: null }).switchover('vm9', null);
    assert.equal(unknown['verdict'], 'refused');
    assert.match(String(unknown['reason']), /^vm9 is not started on pm1; "remusctl status"/);
  });

  it('would not succeed: Pacemaker keeps it, and why', async () => {
    const kept = here({ cib: 'maintenance', live: MAINTENANCE });
    const found = await kept.switchoverHere('vm1', null);
    assert.equal(found.verdict, 'fails');
    assert.equal(
      found.reason,
      'Pacemaker would have vm1 on pm1, not on pm2: the cluster is in maintenance mode',
    );
    assert.match(found.obstacles[0]?.fix ?? '', /maintenance-mode --update false/);
  });

  it('is not known without the scheduler, and says what else is not', async () => {
    const found = await here({ down: ['crm_simulate', 'crm_mon'] }).switchoverHere('vm1', null);
    assert.equal(found.verdict, 'unknown');
    assert.match(found.reason ?? '', /^Pacemaker's scheduler could not be asked: .*crm_simulate/);
    assert.match(found.unknown.join(), /^maintenance, standby and failures: /);
  });

  it('typed on the backup: the node that runs the VM is asked, by a method that moves nothing', async () => {
    const asked: unknown[] = [];
    const answer = { action: 'switchover', verdict: 'done', more: 1 };
    const call = (...words: unknown[]): Promise<unknown> => {
      asked.push(words.slice(0, 3));
      return Promise.resolve(answer);
    };
    assert.deepEqual(await backup({ call }).switchover('vm1', 'pm2'), answer);
    assert.deepEqual(asked, [['pm1', 'foresee', { resource: 'vm1', to: 'pm2' }]]);
    const rubbish = backup({ call: () => Promise.resolve({ moved: true }) });
    await assert.rejects(rubbish.switchover('vm1', null), /pm1 answered something else/);
  });

  it('answers a peer', async () => {
    const found = { verdict: 'done' };
    const asked: unknown[] = [];
    const handlers = peerHandlers(
      { name: 'pm1' } as never,
      {} as never,
      Promise.resolve(),
      { newest: () => Promise.resolve([]) },
      { wall: () => '' },
      undefined,
      {
        switchoverHere: (...words) => (asked.push(words), Promise.resolve(found as never)),
        resyncHere: (...words) => (asked.push(words), found as never),
      },
    );
    assert.deepEqual(await handlers['foresee']?.({ resource: 'vm1', to: null }, 'pm2'), found);
    assert.deepEqual(await handlers['foresee-resync']?.({ resource: 'vm1' }, 'pm2'), found);
    assert.deepEqual(asked, [['vm1', null], ['vm1']]);
    await assert.rejects(
      async () => handlers['foresee']?.({ resource: 'vm1' }, 'pm2'),
      PeerRefusal,
    );
  });
});

describe('a resync, foreseen', () => {
  it('would be done: which replica would be given up; the state is as it was', () => {
    const found = here().resyncHere('vm1');
    const done = { resource: 'vm1', node: 'pm1', verdict: 'done' };
    assert.deepEqual(found, { ...done, to: 'pm2', is_protected: true });
    assert.notEqual(parseForeseenResync(found), null);
    const alone = here({ phase: UNPROTECTED }).resyncHere('vm1');
    assert.deepEqual(alone, { ...done, to: null, is_protected: false });
  });

  it('would be refused, in the words of the command itself', async () => {
    const protection = { kind: 'none', reason: 'paused by the operator', tag: 0 };
    const paused = { ...UNPROTECTED, protection } as unknown as Phase;
    for (const [phase, words] of [
      [paused, /paused by the operator.*type: remusctl resume vm1$/],
      [{ kind: 'guest-ended', how: 'crash' } as Phase, /^vm1 does not run on pm1; type: remusctl/],
    ] as const) {
      const { verdict, reason } = here({ phase }).resyncHere('vm1');
      assert.equal(verdict, 'refused');
      assert.match(reason ?? '', words);
    }
    const unknown = await here({ record: null }).resync('vm9');
    assert.match(String(unknown['reason']), /^vm9 is not started on pm1; "remusctl status"/);
  });

  it('typed on the backup: the node that runs the VM is asked, by a method that changes nothing', async () => {
    const asked: unknown[] = [];
    const answer = { resource: 'vm1', verdict: 'done', more: 1 };
    const call = (...words: unknown[]): Promise<unknown> => {
      asked.push(words.slice(0, 3));
      return Promise.resolve(answer);
    };
    assert.deepEqual(await backup({ call }).resync('vm1'), answer);
    assert.deepEqual(asked, [['pm1', 'foresee-resync', { resource: 'vm1' }]]);
    const rubbish = backup({ call: () => Promise.resolve({ moved: true }) });
    await assert.rejects(rubbish.resync('vm1'), /pm1 answered something else/);
  });
});

describe('a failover, foreseen', function () {
  this.timeout(120_000);

  it('would be done: who is fenced, by what, and from where the VM goes on', async () => {
    const found = await backup().failover('vm1');
    assert.notEqual(parseForesight(found), null);
    assert.deepEqual([found.verdict, found.reason], ['done', undefined]);
    assert.deepEqual([found.from, found.to, found.promoted_on], ['pm1', 'pm2', 'pm2']);
    assert.deepEqual(
      [found.memory, found.checkpoint, found.checkpoint_age_ms],
      ['checkpoint', 88, 140],
    );
    assert.equal(found.generation, Number(GENERATION));
    assert.deepEqual(found.fencing?.devices, ['fence2']);
    assert.equal(found.fencing.last?.status, 'success');
    assert.deepEqual(found.fencing.also_runs, []);
    assert.deepEqual(found.unknown, []);
  });

  it('what else runs on the node is named', async () => {
    const live = (text: string): string =>
      text.replace(
        '<resource id="fence1"',
        '<resource id="ip1" resource_agent="ocf:heartbeat:IPaddr2" role="Started" failed="false" managed="true"><node name="pm1"/></resource><resource id="fence1"',
      );
    const { fencing } = await backup({ live }).failover('vm1');
    assert.deepEqual(fencing?.also_runs, ['ip1']);
  });

  it('without a usable replica: the memory is lost; with on_no_replica=refuse nothing would be won', async () => {
    const phase: Phase = { kind: 'idle', reason: 'paused', problem: false, differs: null };
    const lost = await backup({ phase }).failover('vm1');
    assert.deepEqual(
      [lost.verdict, lost.memory, lost.lost_because],
      ['done', 'lost', 'no replica here'],
    );
    const refused = await backup({ phase, refuse: true }).failover('vm1');
    assert.equal(refused.verdict, 'fails');
    assert.match(refused.reason ?? '', /^no replica here, and with on_no_replica=refuse vm1 /);
  });

  it('would be refused, in the words of the command itself', async () => {
    const own = await here().failover('vm1');
    assert.equal(own.verdict, 'refused');
    assert.match(own.reason ?? '', /^vm1 is on pm1 itself, .*type it on the other node$/);
    const phase = { kind: 'preparing-replica', from: 'pm1' } as unknown as Phase;
    assert.equal(
      (await backup({ phase }).failover('vm1')).reason,
      'pm2 is just preparing the replica of vm1; look again with: remusctl status vm1',
    );
    const nobody = await backup({ record: null }).failover('vm1');
    assert.match(nobody.reason ?? '', /^no record says where vm1 runs; see "crm_mon -1A"$/);
  });

  it('would not succeed without a device, or with fencing off', async () => {
    const none = await backup({ devices: 'fence-list-none' }).failover('vm1');
    assert.equal(none.verdict, 'fails');
    assert.match(none.reason ?? '', /^no fence device on pm2 can fence pm1; type: remusctl doctor/);
    const live = (text: string): string =>
      text.replace('stonith-enabled="true"', 'stonith-enabled="false"');
    const off = await backup({ live }).failover('vm1');
    assert.match(off.reason ?? '', /^fencing is off, so pm1 cannot be fenced/);
  });

  it('a primary that cannot be asked is why one fails over: only the age is not known', async () => {
    const call = (): Promise<never> => Promise.reject(new Error('pm1: no answer within 2 s'));
    const found = await backup({ call }).failover('vm1');
    assert.deepEqual([found.verdict, found.checkpoint_age_ms], ['done', null]);
    assert.deepEqual(found.unknown, ['how old that checkpoint is: pm1: no answer within 2 s']);
  });
});

describe('the CIB as it would be', () => {
  it('has another score on that node only', () => {
    const before = cib('protected');
    const supposed = { kind: 'score', node: 'pm1', score: SCORE.leaving } as const;
    const after = withScore(before, 'vm1', supposed);
    assert.equal(
      after,
      before.replace('name="master-vm1" value="1000"', 'name="master-vm1" value="5"'),
    );
    assert.throws(() => withScore(before, 'vm2', supposed), { message: 'no promotion score' });
    assert.throws(() => withScore(before, 'vm1', { ...supposed, node: 'pm9' }));
  });

  it('the last interruptions come from the history', () => {
    const entry = (text: string, interruption_ms?: unknown) => ({
      ...{ at: '', node: 'pm1', text, data: { interruption_ms } },
    });
    const all = [7, 'x', 1, 2, 3, 4, 5].map((ms) => entry('switched over', ms));
    assert.deepEqual(interruptionsIn({ entries: [...all, entry('granted', 9)] }), [1, 2, 3, 4, 5]);
    assert.deepEqual(interruptionsIn({ entries: [] }), []);
  });
});

describe('what is foreseen, over the control socket', () => {
  const NEVER = new AbortController().signal;
  const asked = (action: string, more: Partial<RequestParts>) => {
    const line = { at: 't', text: 'switched over', interruption_ms: 300 };
    const parts = {
      node: { name: 'pm1' },
      cluster: { status: () => Promise.reject(new Error('no cluster')) },
      directory: { all: () => [{ node: 'pm1' }] },
      history: { newest: () => Promise.resolve([line]) },
      recovered: Promise.resolve(),
      ...more,
    } as unknown as RequestParts;
    const request = { action, resource: 'vm1', timeout_ms: 9_000, probe: false, check_level: 0 };
    const handle = new Requests(parts).handle;
    return handle({ ...request, params: {}, options: { to: 'pm2' } }, () => undefined, NEVER);
  };

  it('has the interruptions of the history with it', async () => {
    const words: unknown[] = [];
    const foreseer = {
      switchover: (...all: unknown[]) => (words.push(all), Promise.resolve({ verdict: 'done' })),
      failover: () => Promise.resolve({ verdict: 'refused' }),
    } as unknown as Foreseer;
    const { rc, json } = await asked('foresee-switchover', { foreseer });
    assert.deepEqual([rc, json], [0, { verdict: 'done', interruptions_ms: [300] }]);
    assert.deepEqual(words, [['vm1', 'pm2']]);
    const over = await asked('foresee-failover', { foreseer });
    assert.deepEqual(over, { rc: 0, json: { verdict: 'refused' } });
  });

  it('is nothing without anybody who foresees', async () => {
    assert.deepEqual(await asked('foresee-switchover', {}), { rc: 3 });
    assert.deepEqual(await asked('foresee-failover', {}), { rc: 3 });
  });
});
