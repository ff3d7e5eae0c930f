/** Parameters that are changed while a VM runs: none of them may stop it. */
import assert from 'node:assert/strict';
import type { Event } from '../../daemon/core/event.js';
import { OCF } from '../../daemon/core/ocf.js';
import { initialState } from '../../daemon/core/state.js';
import type { RemusNode } from '../../daemon/node.js';
import { newParameters, Superseded, withProblem } from '../../daemon/new-parameters.js';
import { type RequestParts, Requests } from '../../daemon/requests.js';
import { CONFIG } from './core/rig.js';

const NEVER = new AbortController().signal;
const GOOD = { config: CONFIG.config_path };
const BAD = { ...GOOD, interval: 'abc' };
const SAYS =
  'parameter interval="abc" must be a whole number of milliseconds from 20 to 60000; what was set before stays';

/** A VM that runs here and is well: what is answered, what the machine was asked, which rc counts as the monitor's. */
async function ask(
  action: string,
  params: Readonly<Record<string, string>>,
  { probe = false, alone = false } = {},
) {
  const events: Event[] = [];
  const monitored: number[] = [];
  const toldAlone: boolean[] = [];
  const request = (make: (op: { id: number; deadline_ms: number }) => Event) => {
    const event = make({ id: 1, deadline_ms: 1 });
    events.push(event);
    const rc = event.type === 'op-monitor' ? OCF.RUNNING_PROMOTED : OCF.SUCCESS;
    return Promise.resolve({ rc, reason: null });
  };
  const state = { ...initialState('pm1', 'vm1'), config: CONFIG };
  const vm = { driver: { state, request }, checkStillOurs: () => true };
  const node = {
    ...{ name: 'pm1', known: () => vm, vm: () => vm, scoreKnown: () => Promise.resolve() },
    monitored: (_vm: string, rc: number, told = false) => {
      monitored.push(rc);
      toldAlone.push(told);
    },
  };
  const parts = { node: node as unknown as RemusNode, recovered: Promise.resolve() };
  const { handle } = new Requests(parts as unknown as RequestParts);
  const asked = {
    ...{ action, resource: 'vm1', timeout_ms: 9_000, probe, check_level: 0 },
    ...(alone ? { alone } : {}),
  };
  const answer = await handle({ ...asked, params, options: {} }, () => undefined, NEVER);
  return { ...answer, events, monitored, toldAlone };
}

describe('parameters that are changed while the VM runs', () => {
  it('a reload with a wrong one succeeds, changes nothing, and says so', async () => {
    const { rc, reason, events } = await ask('reload-agent', BAD);
    assert.deepEqual([rc, reason, events], [OCF.SUCCESS, SAYS, []]);
  });

  it('a reload takes what it can without a configuration file that cannot be read', async () => {
    const params = { config: '/nowhere/vm1.cfg', interval: '300' };
    const { rc, reason, events } = await ask('reload-agent', params);
    assert.equal(rc, OCF.SUCCESS);
    assert.match(reason ?? '', /nowhere.*; what was set before stays$/);
    assert.deepEqual(events, [
      { type: 'op-reload', op: { id: 1, deadline_ms: 1 }, config: { ...CONFIG, interval_ms: 300 } },
    ]);
  });

  it('each monitor says what is wrong, and a probe does not', async () => {
    const { rc, reason, events, monitored } = await ask('monitor', BAD);
    assert.deepEqual([rc, reason], [OCF.DEGRADED_PROMOTED, SAYS]);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['op-monitor'],
    );
    assert.deepEqual(monitored, [OCF.DEGRADED_PROMOTED], 'it is not cleared from the history');
    assert.equal((await ask('monitor', BAD, { probe: true })).rc, OCF.RUNNING_PROMOTED);
  });

  it('a monitor that says that the agent was alone passes it on', async () => {
    assert.deepEqual((await ask('monitor', GOOD, { alone: true })).toldAlone, [true]);
    assert.deepEqual((await ask('monitor', GOOD)).toldAlone, [false]);
  });

  it('what says more stays: a reason of the VM, an error', () => {
    for (const rc of [OCF.DEGRADED_PROMOTED, OCF.ERR_GENERIC, OCF.NOT_RUNNING])
      assert.deepEqual(withProblem({ rc, reason: 'x' }, SAYS), { rc, reason: 'x' });
    assert.equal(withProblem({ rc: OCF.SUCCESS }, SAYS).rc, OCF.DEGRADED);
    assert.deepEqual(withProblem({ rc: OCF.SUCCESS }, null), { rc: OCF.SUCCESS });
  });

  it('a monitor brings what no reload has brought, for remusd was down', async () => {
    const { rc, events } = await ask('monitor', { ...GOOD, interval: '300' });
    assert.equal(rc, OCF.RUNNING_PROMOTED);
    const [, reload] = events;
    assert.ok(reload?.type === 'op-reload');
    assert.deepEqual(reload.config, { ...CONFIG, interval_ms: 300 });
  });

  it('netbuf can be changed, and takes nothing that is neither on nor off', async () => {
    assert.equal(newParameters(CONFIG, { ...GOOD, netbuf: 'off' }).config?.netbuf, 'off');
    assert.equal(newParameters(CONFIG, { ...GOOD, netbuf: 'on' }).config, null);
    const { rc, reason } = await ask('monitor', { ...GOOD, netbuf: 'no' });
    assert.equal(rc, OCF.DEGRADED_PROMOTED);
    assert.equal(reason, 'parameter netbuf="no" must be on or off; what was set before stays');
  });

  it('nothing is brought that is in force already, that is wrong, or that cannot change', () => {
    const taken = (raw: Readonly<Record<string, string>>) => newParameters(CONFIG, raw).config;
    assert.equal(taken(GOOD), null);
    assert.equal(taken(BAD), null);
    assert.equal(taken({}), null);
    assert.equal(taken({ config: '/etc/xen/other.cfg', name: 'other' }), null);
    assert.equal(newParameters(null, { ...GOOD, interval: '300' }).config, null, 'not started');
  });

  it('a start with a wrong one is an error of this node: "not configured" would stop the VM elsewhere', async () => {
    assert.equal((await ask('start', BAD)).rc, OCF.ERR_ARGS);
    assert.equal((await ask('validate-all', BAD)).rc, OCF.ERR_CONFIGURED);
  });

  it('a monitor that was begun before a reload brings nothing new for a minute; whatever else it brings is taken', () => {
    let now_ms = 0;
    const superseded = new Superseded({ now_ms: () => now_ms });
    const after = { ...CONFIG, interval_ms: 500 };
    superseded.reloaded('vm1', null, CONFIG);
    superseded.reloaded('vm1', CONFIG, { ...CONFIG });
    assert.equal(superseded.has('vm1', CONFIG), false);
    superseded.reloaded('vm1', CONFIG, after);
    assert.equal(superseded.has('vm1', { ...CONFIG }), true);
    assert.equal(superseded.has('vm2', CONFIG), false);
    assert.equal(superseded.has('vm1', { ...CONFIG, netbuf: 'off' }), false);
    now_ms = 60_000;
    assert.equal(superseded.has('vm1', CONFIG), false);
  });
});
