import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { silentLog, type Logger } from '../../daemon/adapters/log.js';
import type { TaskName } from '../../daemon/core/effect.js';
import type { VmConfig } from '../../daemon/core/state.js';
import { type DriverHooks, VmDriver } from '../../daemon/driver.js';
import { Heartbeat } from '../../daemon/heartbeat.js';
import type { Clock } from '../../daemon/ports.js';
import { deadlineOf } from '../../daemon/tasks/deadlines.js';
import { laneOf } from '../../daemon/tasks/lanes.js';
import type { Executors } from '../../daemon/tasks/table.js';
import { Underway } from '../../daemon/tasks/underway.js';

/** Time that passes when the test says so. */
class HandClock implements Clock {
  #now_ms = 0;
  readonly #timers = new Set<{ readonly at_ms: number; readonly fn: () => void }>();

  now_ms(): number {
    return this.#now_ms;
  }

  wall(): string {
    return '';
  }

  after(ms: number, fn: () => void): { cancel(): void } {
    const timer = { at_ms: this.#now_ms + ms, fn };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  async pass(ms: number): Promise<void> {
    const end_ms = this.#now_ms + ms;
    await turn();
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.at_ms - b.at_ms);
      if (next === undefined || next.at_ms > end_ms) break;
      this.#timers.delete(next);
      this.#now_ms = next.at_ms;
      next.fn();
      await turn();
    }
    this.#now_ms = end_ms;
  }
}

const never = new Promise<never>(() => undefined);

describe('heartbeat', () => {
  const WATCHDOG_MS = 6_000;
  let clock: HandClock;
  let heartbeat: Heartbeat;
  let beats: number[];
  let said: string[];

  beforeEach(() => {
    clock = new HandClock();
    beats = [];
    said = [];
    const log: Logger = {
      ...silentLog,
      info: (message) => said.push(message),
      error: (_message, fields) => said.push(String(fields?.['wrong'])),
    };
    const beat = (): void => void beats.push(clock.now_ms());
    heartbeat = new Heartbeat({ clock, log, watchdog_ms: WATCHDOG_MS, beat });
  });
  afterEach(() => heartbeat.close());

  it('beats several times within what systemd waits for, while nothing is wrong', async () => {
    heartbeat.add('one', () => []);
    heartbeat.add('two', () => Promise.resolve([]));
    heartbeat.start();
    await clock.pass(WATCHDOG_MS);
    assert.deepEqual(beats, [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000]);
    assert.deepEqual(said, []);
  });

  it('stops when one part is not well, says once why, and beats again when it is', async () => {
    let wrong: string[] = [];
    heartbeat.add('VMs', () => wrong);
    heartbeat.start();
    await clock.pass(1_500);
    wrong = ['vm1: its machine completes no turn'];
    await clock.pass(10_000);
    assert.deepEqual(beats, [0, 1_000]);
    assert.deepEqual(said, ['VMs: vm1: its machine completes no turn']);
    wrong = [];
    await clock.pass(1_000);
    assert.deepEqual(beats, [0, 1_000, 12_000]);
    assert.deepEqual(said.slice(1), ['the daemon is well again']);
  });

  it('stops when a part does not answer, throws or rejects', async () => {
    const looks = {
      silent: () => never,
      throws: () => {
        throw new Error('broken');
      },
      rejects: () => Promise.reject(new Error('remusd is not running here')),
    };
    for (const [part, look] of Object.entries(looks)) heartbeat.add(part, look);
    heartbeat.start();
    await clock.pass(20_000);
    assert.deepEqual(beats, []);
    assert.deepEqual(said, [
      'silent: no answer within 1000 ms; throws: broken; rejects: remusd is not running here',
    ]);
  });

  it('leaves more than a quarter of the watchdog for a part that answers at the last moment', async () => {
    heartbeat.add('slow', () => new Promise((resolve) => clock.after(999, () => resolve([]))));
    heartbeat.start();
    await clock.pass(20_000);
    const gaps = beats.map((at, i) => at - (beats[i - 1] ?? 0));
    assert.ok(Math.max(...gaps) < (WATCHDOG_MS * 3) / 4, `gaps: ${gaps.join(' ')}`);
  });

  it('does nothing any more when closed', async () => {
    heartbeat.add('one', () => []);
    heartbeat.start();
    await clock.pass(10);
    heartbeat.close();
    await clock.pass(10_000);
    assert.deepEqual(beats, [0]);
  });
});

describe('work under way', () => {
  it('is overdue only while it lasts longer than it may', async () => {
    const clock = new HandClock();
    const underway = new Underway(clock);
    let end: (value: string) => void = () => undefined;
    const work = underway.run(
      'create',
      100,
      () => new Promise<string>((resolve) => (end = resolve)),
    );
    await clock.pass(100);
    assert.deepEqual(underway.overdue(), []);
    await clock.pass(1);
    assert.deepEqual(underway.overdue(), ['create has not ended within 100 ms']);
    end('done');
    assert.equal(await work, 'done');
    assert.deepEqual(underway.overdue(), []);
  });

  it('is over when it fails', async () => {
    const clock = new HandClock();
    const underway = new Underway(clock);
    await assert.rejects(underway.run('look', 100, () => Promise.reject(new Error('no xl'))));
    await clock.pass(1_000);
    assert.deepEqual(underway.overdue(), []);
  });
});

const CONFIG: VmConfig = {
  resource: 'vm1',
  domain: 'vm1',
  config_path: '/etc/xen/vm1.cfg',
  mode: 'remus',
  interval_ms: 200,
  shutdown_timeout_ms: 60_000,
  replication_timeout_ms: 600_000,
  compression: 'auto',
  netbuf: 'on',
  on_no_replica: 'start',
  on_poweroff: 'destroy',
  on_reboot: 'restart',
  on_crash: 'restart',
};

describe('deadlines of tasks', () => {
  it('are longer than the deadlines inside them', () => {
    const env = { REMUS_XL_CREATE_TIMEOUT_MS: '900000', REMUS_CLUSTER_TIMEOUT_MS: '300000' };
    assert.ok(deadlineOf('activate', CONFIG, {}) > 90_000);
    assert.ok(deadlineOf('create', CONFIG, env) > 900_000);
    assert.ok(deadlineOf('grant', CONFIG, env) > 600_000);
    assert.ok(deadlineOf('finish-sender', CONFIG, {}) > 600_000);
    assert.ok(deadlineOf('finish-sender', null, {}) > 0);
  });

  it('are the long ones for all that changes domains', () => {
    const names: TaskName[] = ['clean', 'create', 'activate', 'destroy-guest', 'look', 'grant'];
    for (const name of names) {
      const long = deadlineOf(name, CONFIG, {}) >= deadlineOf('create', CONFIG, {});
      assert.equal(long, laneOf(name) === 'hypervisor', name);
    }
  });
});

describe('pulse of a driver', () => {
  const hooks: DriverHooks = {
    note: () => undefined,
    publishWords: () => undefined,
    publishScore: () => undefined,
    reportFailure: () => undefined,
    turned: () => undefined,
  };
  // Every task hangs.
  const executors = new Proxy({}, { get: () => () => never }) as Executors;
  let clock: HandClock;
  let driver: VmDriver;
  beforeEach(() => {
    clock = new HandClock();
    driver = new VmDriver('pm1', 'vm1', executors, clock, hooks);
  });
  afterEach(() => driver.dispose());

  it('changes nothing', () => {
    const before = driver.state;
    assert.deepEqual(driver.pulse(), []);
    assert.deepEqual(driver.state, before);
  });

  it('tells a task that is stuck past its deadline', async () => {
    void driver.request((op) => ({ type: 'op-start', op, config: CONFIG }), 60_000);
    await clock.pass(60_000);
    assert.deepEqual(driver.pulse(), []);
    await clock.pass(20 * 60_000);
    assert.match(driver.pulse().join(), /^\S+ has not ended within \d+ ms/);
  });

  it('tells a machine that completes no turn', () => {
    driver.post = () => undefined;
    assert.deepEqual(driver.pulse(), ['its machine completes no turn']);
  });

  it('tells a machine that fails in each turn', () => {
    clock.now_ms = () => {
      throw new Error('impossible');
    };
    assert.deepEqual(driver.pulse(), ['its machine fails: impossible']);
  });
});
