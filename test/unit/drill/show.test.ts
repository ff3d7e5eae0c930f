/** What a backup shows of itself: by a real socket of a receiver, real tools' output, and the handlers that a peer reaches. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../daemon/adapters/clock.js';
import { initialState, type Phase } from '../../../daemon/core/state.js';
import { value } from '../../../daemon/doctor/facts.js';
import { PARTS, type Part } from '../../../daemon/drill/proofs.js';
import { watchReceiver } from '../../../daemon/drill/receiver-watch.js';
import { Shower, type ShowParts } from '../../../daemon/drill/show.js';
import { PeerRefusal } from '../../../daemon/peer-calls.js';
import { peerHandlers } from '../../../daemon/peer-requests.js';
import { ControlServer } from '../../../daemon/relay/control-server.js';
import type { ReceiverState } from '../../../daemon/relay/control.js';
import { CONFIG } from '../core/rig.js';
import { Stubs } from '../adapters/stubs.js';

const recorded = (path: string): string => readFileSync(`test/fixtures/${path}`, 'utf8');
const replica = { generation: 1, session: 'ab12cd34' };

/** A receiver, as far as its socket goes. */
class Receiver {
  complete = 88;
  phase: ReceiverState['phase'] = 'ready';
  /** What was said to it. */
  readonly heard: string[] = [];
  #server: ControlServer | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** @param every_ms between checkpoints; 0: there are no more */
  async listen(path: string, every_ms: number): Promise<void> {
    this.#server = await ControlServer.listen(
      path,
      () => this.#state(),
      (line) => this.heard.push(line) > 0,
    );
    if (every_ms === 0) return;
    this.#timer = setInterval(() => {
      this.complete += 1;
      this.#server?.broadcast();
    }, every_ms);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#server?.close();
  }

  #state(): ReceiverState {
    const { complete, phase } = this;
    return {
      ...{ v: 1, role: 'receiver', type: 'state', pid: 4711, xl_pid: 4712, resource: 'vm1' },
      ...{ replica, phase, port: 7901, connected: true, silent_ms: 40 },
      ...{ complete, applied: complete, bytes_total: 1 },
    };
  }
}

const PHASE: Phase = {
  kind: 'replica',
  from: 'pm1',
  replica,
  receiver: { phase: 'ready', connected: true, complete: 80, applied: 80, unfed: false },
};

describe('what a backup shows to a drill', () => {
  let dir = '';
  let path = '';
  let receiver: Receiver;
  let stubs: Stubs;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-drill-'));
    mkdirSync(join(dir, 'vm1'));
    path = join(dir, 'vm1', 'receiver.sock');
    receiver = new Receiver();
    stubs = new Stubs();
  });
  afterEach(async () => {
    await receiver.close();
    stubs.remove();
    rmSync(dir, { recursive: true });
  });

  const patience = { first_ms: 150, more_ms: 150 };
  const watch = (more: Partial<typeof patience> = {}) =>
    watchReceiver(path, systemClock, { ...patience, ...more });

  function shower(phase: Phase = PHASE): Shower {
    const state = { ...initialState('pm2', 'vm1'), phase, config: CONFIG };
    const vm = { driver: { state } };
    const xl = {
      list: () =>
        Promise.resolve([
          { name: 'Domain-0', domid: 0, paused: false },
          { name: 'vm1--incoming', domid: 3, paused: true },
          { name: 'vm10', domid: 4, paused: false },
        ]),
    };
    const parts = {
      node: { name: 'pm2', known: (name: string) => (name === 'vm1' ? vm : null) },
      rooms: { run: dir, state: dir, lib: dir },
      ...{ exec: stubs.exec, xl, clock: systemClock },
    };
    return new Shower(parts as unknown as ShowParts);
  }

  it('a receiver that is fed: two checkpoints more, and nothing is said to it', async () => {
    await receiver.listen(path, 20);
    const seen = await watch({ more_ms: 5_000 });
    assert.ok(seen.complete >= seen.complete_first + 2);
    assert.ok(seen.watched_ms < 4_000);
    assert.deepEqual([seen.pid, seen.phase, seen.replica], [4711, 'ready', replica]);
    assert.deepEqual(receiver.heard, []);
  });

  it('a receiver that stands still is watched to the end', async () => {
    await receiver.listen(path, 0);
    const { complete_first, complete, watched_ms } = await watch();
    assert.deepEqual([complete_first, complete], [88, 88]);
    assert.ok(watched_ms >= 140);
  });

  it('one that is not ready has nothing to wait for', async () => {
    receiver.phase = 'first-copy';
    await receiver.listen(path, 0);
    const began = performance.now();
    assert.equal((await watch({ more_ms: 60_000 })).phase, 'first-copy');
    assert.ok(performance.now() - began < 10_000);
  });

  it('one that is stopped takes the line and says nothing; one that is gone takes none', async () => {
    const silent = createServer();
    await new Promise<void>((listening) => silent.listen(path, listening));
    await assert.rejects(watch(), /^Error: it does not answer on .* within 150 ms$/);
    await new Promise((closed) => silent.close(closed));
    await assert.rejects(watch(), /does not answer/);
  });

  it('one that goes away meanwhile', async () => {
    await receiver.listen(path, 0);
    const watching = watch({ more_ms: 20_000 });
    setTimeout(() => {
      void receiver.close().then(() => rmSync(path, { force: true }));
    }, 50);
    await assert.rejects(watching, /the receiver was killed/);
  });

  it('its replica: what the machine has, the receiver says, and the hypervisor shows', async () => {
    await receiver.listen(path, 20);
    const asked = shower();
    const [one, other] = await Promise.all([
      asked.show('replica', 'vm1', 'pm1'),
      asked.show('replica', 'vm1', 'pm1'),
    ]);
    assert.deepEqual(one.receiver.answer, other.receiver.answer, 'both look at the same');
    assert.deepEqual(PARTS.replica.parse(JSON.parse(JSON.stringify(one))), one);
    assert.deepEqual(one.held, { replica, receiver: PHASE.receiver });
    assert.deepEqual(value(one.domains.answer), [
      { name: 'vm1--incoming', domid: 3, paused: true },
    ]);
    assert.deepEqual(value(one.processes.answer), [], 'it was this test itself');
    const { interval_ms, replication_timeout_ms, on_no_replica, domain } = one;
    assert.deepEqual(
      [interval_ms, replication_timeout_ms, on_no_replica, domain],
      [200, 5_000, 'start', 'vm1'],
    );
  });

  it('a VM that has no replica here, or is not known', async () => {
    const phase: Phase = { kind: 'idle', reason: 'paused', problem: false, differs: null };
    const { held, receiver: seen } = await shower(phase).show('replica', 'vm1', 'pm1');
    assert.deepEqual([held, seen.answer], [null, { failed: 'pm2 holds no replica of vm1' }]);
    await assert.rejects(shower().show('replica', 'vm9', 'pm1'), PeerRefusal);
  });

  it('its bridges', async () => {
    stubs.prints('ip', recorded('doctor/ip-link.json'));
    assert.deepEqual(await shower().show('network', 'vm1', 'pm1'), {
      bridges: [{ name: 'xenbr0', up: true, uplinks: [{ name: 'eth2', link: true }] }],
    });
  });

  it('its fence devices, by their monitors and by nothing that switches', async () => {
    const list = join(stubs.dir, 'list.xml');
    stubs.file('list.xml', recorded('doctor/fence-list.xml'));
    stubs.program('stonith_admin', `case $1 in --list) cat ${list} ;; --query) exit 0 ;; esac`);
    const found = await shower().show('fencing', 'vm1', 'pm2');
    const [device] = value(found.devices) ?? [];
    assert.deepEqual([device?.id, device?.monitor.answer], ['fence2', { ok: true }]);
    assert.deepEqual(stubs.calls(), [
      'stonith_admin --list pm2 --timeout 5 --output-as=xml',
      'stonith_admin --query fence2 --timeout 15',
    ]);
    stubs.program(
      'stonith_admin',
      `case $1 in --list) cat ${list} ;; *) echo 'no power switch' >&2; exit 1 ;; esac`,
    );
    const broken = value((await shower().show('fencing', 'vm1', 'pm2')).devices)?.[0];
    assert.match(JSON.stringify(broken?.monitor.answer), /failed: no power switch/);
    stubs.prints('stonith_admin', '', 102, 'not connected');
    assert.ok('failed' in (await shower().show('fencing', 'vm1', 'pm2')).devices);
  });

  it("what Pacemaker's scheduler would do, asked of a real crm_simulate", async () => {
    stubs.prints('cibadmin', recorded('pacemaker/cib/protected.xml'));
    const plan = await shower().show('scheduler', 'vm1', 'pm1');
    assert.deepEqual(plan, { kind: 'node', node: 'pm2' });
    assert.deepEqual(
      stubs.calls().map((line) => line.trim()),
      ['cibadmin --query'],
    );
  }).timeout(120_000);

  it('a peer asks for one part at a time, in words that are checked', async () => {
    const asked: unknown[] = [];
    const show = (...words: unknown[]) => (asked.push(words), Promise.resolve('shown' as never));
    const handlers = peerHandlers(
      { name: 'pm2' } as never,
      {} as never,
      Promise.resolve(),
      { newest: () => Promise.resolve([]) },
      { wall: () => '' },
      undefined,
      undefined,
      { show },
    );
    const ask = async (params: unknown) => handlers['drill']?.(params, 'pm1');
    for (const part of Object.keys(PARTS) as Part[])
      assert.equal(await ask({ resource: 'vm1', part, from: 'pm1' }), 'shown');
    assert.deepEqual(asked[0], ['replica', 'vm1', 'pm1']);
    for (const wrong of [
      { resource: 'vm1', part: 'reboot', from: 'pm1' },
      { resource: 'vm1', part: 'fencing', from: '--reboot' },
      { resource: '../vm1', part: 'fencing', from: 'pm1' },
    ])
      await assert.rejects(ask(wrong), PeerRefusal);
  });
});
