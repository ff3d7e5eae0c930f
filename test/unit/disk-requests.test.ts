/** A disk that may be ahead of the memory: what is refused because of it, and what never is. */
import assert from 'node:assert/strict';
import type { Event } from '../../daemon/core/event.js';
import { OCF } from '../../daemon/core/ocf.js';
import { initialState, type State } from '../../daemon/core/state.js';
import type { RemusNode } from '../../daemon/node.js';
import { type RequestParts, Requests } from '../../daemon/requests.js';
import { fallbackConfig, type Loaded } from '../../daemon/vm-config.js';

const NEVER = new AbortController().signal;
const CONFIG = fallbackConfig('vm1', { config: '/etc/xen/vm1.cfg', name: 'guest1' });

interface Scene {
  readonly ahead?: readonly string[];
  readonly unsafe_disks?: boolean;
  /** The domains of this node. */
  readonly domains?: readonly string[];
  /** Where Pacemaker has the VM promoted; null: it does not say. */
  readonly promoted?: readonly string[] | null;
  /** What the machine knows of the VM; null: it has just been asked for the first time. */
  readonly config?: State['config'];
}

/** Asks in that scene; with the answer, what the machine was asked. */
async function ask(action: string, scene: Scene, check_level = 0) {
  const { ahead = ['xvda'], unsafe_disks = false, domains = [], promoted = [] } = scene;
  const events: string[] = [];
  const request = (make: (op: { id: number; deadline_ms: number }) => Event) => {
    events.push(make({ id: 1, deadline_ms: 1 }).type);
    return Promise.resolve({ rc: 0, reason: null });
  };
  const state = { ...initialState('pm1', 'vm1'), config: scene.config ?? null };
  const vm = { driver: { state, request }, checkStillOurs: () => true };
  const node = { name: 'pm1', known: () => vm, vm: () => vm, monitored: () => undefined };
  const loaded = {
    params: { unsafe_disks, allow_unfenced: false },
    xl: { type: 'pvh' },
    config: CONFIG,
    ...(ahead.length === 0 ? {} : { ahead }),
  } as unknown as Loaded;
  const parts = {
    node: node as unknown as RemusNode,
    recovered: Promise.resolve(),
    load: () => Promise.resolve(loaded),
    xl: { list: () => Promise.resolve(domains.map((name) => ({ name }))) },
    cluster: {
      status: () => Promise.resolve({ stonith_enabled: true }),
      promotedOn: () =>
        promoted === null ? Promise.reject(new Error('no crm_mon')) : Promise.resolve(promoted),
    },
  } as unknown as RequestParts;
  const asked = { action, resource: 'vm1', timeout_ms: 9_000, probe: false, check_level };
  const { handle } = new Requests(parts);
  const answer = await handle({ ...asked, params: {}, options: {} }, () => undefined, NEVER);
  return { ...answer, events };
}

const DONE = { rc: OCF.SUCCESS };

describe('a disk that may be ahead of the memory', () => {
  it('a start of a VM that runs nowhere is refused, and the machine is not asked', async () => {
    const { rc, reason, events } = await ask('start', {});
    assert.deepEqual([rc, events], [OCF.ERR_ARGS, []]);
    assert.match(reason ?? '', /^disk xvda would be ahead .* -p mode -v restart$/);
  });

  it('is started with unsafe_disks, and without such a disk', async () => {
    for (const scene of [{ unsafe_disks: true }, { ahead: [] }]) {
      assert.deepEqual(await ask('start', scene), { ...DONE, events: ['op-start'] });
    }
  });

  it('a start where the VM runs already is not refused: here, or promoted on the other node', async () => {
    for (const scene of [{ domains: ['Domain-0', 'guest1'] }, { promoted: ['pm2'] }]) {
      assert.deepEqual(await ask('start', scene), { ...DONE, events: ['op-start'] });
    }
    const others = { domains: ['Domain-0', 'guest2', 'guest1--incoming'] };
    assert.equal((await ask('start', others)).rc, OCF.ERR_ARGS);
  });

  it('a start fails, and is no hard error, while nobody says whether it runs', async () => {
    const { rc, events } = await ask('start', { promoted: null });
    assert.deepEqual([rc, events], [OCF.ERR_GENERIC, []]);
  });

  it('without such a disk nobody is asked whether it runs', async () => {
    assert.deepEqual((await ask('start', { ahead: [], promoted: null })).events, ['op-start']);
  });

  for (const action of ['stop', 'demote', 'promote', 'monitor', 'reload-agent'] as const) {
    it(`${action} is never refused, whether the VM is known or not`, async () => {
      const event = action === 'reload-agent' ? 'op-reload' : `op-${action}`;
      for (const config of [CONFIG, null]) {
        assert.deepEqual(await ask(action, { config }), { ...DONE, events: [event] });
      }
    });
  }

  it('validate-all says it beforehand, on any level, also while the VM runs', async () => {
    for (const level of [0, 10, 20]) {
      const { rc, reason } = await ask('validate-all', { promoted: ['pm2'] }, level);
      assert.equal(rc, OCF.ERR_ARGS);
      assert.match(reason ?? '', /mode -v restart/);
      assert.equal((await ask('validate-all', { unsafe_disks: true }, level)).rc, OCF.SUCCESS);
    }
  });
});
