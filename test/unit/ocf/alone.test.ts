/** ocf/remus without a daemon: monitor stays truthful, stop and demote still do their work. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { recordWrites } from '../../support/record-writes.js';
import { Sandbox, VM } from './sandbox.js';

const GRANTED = 'g=5 primary=pm1 grant=pm2/5/ab12cd34';
const NOT_GRANTED = 'g=5 primary=pm1 grant=none';

function attributeWritten(box: Sandbox): readonly string[] {
  return box.calls().filter((call) => call.startsWith('attrd_updater'));
}

describe('ocf/remus without remusd: monitor', () => {
  let box: Sandbox;
  beforeEach(() => (box = new Sandbox()));
  afterEach(() => box.close());

  it('says that the VM runs', async () => {
    box.domain('guest1', 3);
    const ran = await box.agent('monitor');
    assert.equal(ran.code, 191);
    assert.equal(
      ran.reason,
      'remusd is not running on pm1: guest1 runs, its replication state is unknown; type: systemctl start remusd',
    );
    assert.deepEqual(attributeWritten(box), [
      `attrd_updater --name remus-${VM} --update unknown: remusd is not running on pm1`,
    ]);
    assert.equal((await box.probe()).code, 8);
    assert.equal(attributeWritten(box).length, 1, 'a probe writes nothing');
  });

  it('takes a suspended domain for a running one: a checkpoint is being made', async () => {
    box.domain('guest1', 3, '---ss-');
    assert.equal((await box.agent('monitor')).code, 191);
  });

  it('says that the VM has ended', async () => {
    for (const state of ['---s--', '---sc-', '---sr-', '-----d']) {
      box.domain('guest1', 3, state);
      assert.equal((await box.agent('monitor')).code, 9, state);
      assert.equal((await box.probe()).code, 9, state);
    }
  });

  it('says that the replica is here', async () => {
    box.domain('guest1--incoming', 3, '--p---');
    const ran = await box.agent('monitor');
    assert.equal(ran.code, 190);
    assert.match(ran.reason, /the replica of guest1 is here/);
    assert.equal((await box.probe()).code, 0);
  });

  it('says that the resource is started, though nothing runs', async () => {
    box.register({ domain: 'guest1' });
    assert.equal((await box.agent('monitor')).code, 190);
    assert.equal((await box.probe()).code, 0);
  });

  it('says 7 only when it has looked', async () => {
    box.domain('guest10', 3);
    box.domain('other', 4);
    const ran = await box.agent('monitor');
    assert.deepEqual([ran.code, ran.reason], [7, '']);
    assert.equal((await box.probe()).code, 7);
    for (const mode of ['fail', 'rubbish']) {
      box.mode(mode);
      assert.equal((await box.agent('monitor')).code, 1, mode);
      const probe = await box.probe();
      assert.equal(probe.code, 1, mode);
      assert.match(probe.reason, /cannot tell whether guest1 runs/);
    }
  });

  it('is not hung by a hung xl', async () => {
    box.mode('hang');
    const ran = await box.agent('monitor', { OCF_RESKEY_CRM_meta_timeout: '5000' });
    assert.equal(ran.code, 1);
    assert.match(ran.reason, /xl list on pm1 did not answer within 2 s/);
    assert.ok(ran.ms < 4_500, `${ran.ms} ms`);
  });

  it('is not hung by a hung attrd: a monitor that is late costs the VM', async () => {
    box.domain('guest1', 3);
    box.hangAttrd();
    const ran = await box.agent('monitor', { OCF_RESKEY_CRM_meta_timeout: '5000' });
    assert.equal(ran.code, 191);
    assert.ok(ran.ms < 4_500, `${ran.ms} ms`);
  });

  it('says that a node without xl cannot run a VM, but never that it does not', async () => {
    box.removeProgram('xl');
    const probe = await box.probe();
    assert.equal(probe.code, 5);
    assert.match(probe.reason, /xl is not installed on pm1/);
    assert.equal((await box.agent('monitor')).code, 1);
    // Traces of ours: xl was there once.
    box.register({ domain: 'guest1' });
    assert.equal((await box.probe()).code, 1);
  });

  it('takes the domain from what was started, then from the parameters', async () => {
    box.register({ v: 1, domain: 'guest2', config: {} });
    box.domain('guest2', 3);
    assert.equal((await box.agent('monitor')).code, 191);
    rmSync(join(box.run_dir, `vms/${VM}.json`));
    assert.equal((await box.agent('monitor')).code, 7);
    rmSync(box.config);
    assert.equal((await box.agent('monitor', { OCF_RESKEY_name: 'guest2' })).code, 191);
    box.domain(VM, 4);
    assert.equal((await box.agent('monitor')).code, 191);
  });

  it('reads the name as xl does', async () => {
    writeFileSync(
      box.config,
      "#name = 'a'\nvif = ['vifname=b']\n  name='c' # d\nrename = \"e\"\nname\t= \"guest3\";\nname = 5",
    );
    box.domain('guest3', 3);
    assert.equal((await box.agent('monitor')).code, 191);
  });
});

describe('ocf/remus without remusd: start and promote', () => {
  let box: Sandbox;
  beforeEach(() => (box = new Sandbox()));
  afterEach(() => box.close());

  it('fails, and says what to start', async () => {
    for (const action of ['start', 'promote']) {
      const ran = await box.agent(action);
      assert.equal(ran.code, 1, action);
      assert.match(
        ran.reason,
        /^remusd is not running on pm1: (vm\d+) cannot (start|be promoted); type: systemctl start remusd; crm_resource -C -r \1$/,
      );
    }
    assert.ok(!box.calls().some((call) => call.startsWith('xl')));
  });

  it('a reload is no reason to recover the VM: its parameters come with a monitor', async () => {
    const ran = await box.agent('reload-agent', { OCF_RESKEY_interval: 'abc' });
    assert.deepEqual([ran.code, ran.reason], [0, '']);
    assert.match(ran.stderr, /takes the new parameters of vm\d+ when it is back/);
  });
});

describe('ocf/remus without remusd: a promotion of the replica that is held here', () => {
  let box: Sandbox;
  beforeEach(() => (box = new Sandbox()));
  afterEach(() => box.close());

  it('waits for a daemon that is on its way back: without it the VM would lose its memory', async () => {
    await box.fakeReceiver();
    const promoted = box.agent('promote');
    await sleep(1_500);
    await box.serve(() => Promise.resolve({ rc: 0 }));
    assert.equal((await promoted).code, 0);
    const left_ms = box.requests[0]?.timeout_ms ?? 0;
    assert.ok(left_ms < 30_000, `it is told what is left of its time: ${left_ms} ms`);
  });

  it('and for one that hangs', async () => {
    await box.fakeReceiver();
    const daemon = await box.fakeHungDaemon();
    const promoted = box.agent('promote', { OCF_RESKEY_CRM_meta_timeout: '10000' });
    await sleep(4_500);
    process.kill(daemon, 'SIGKILL');
    rmSync(box.socket_path);
    await box.serve(() => Promise.resolve({ rc: 0 }));
    assert.equal((await promoted).code, 0);
  });

  it('for a bounded time', async () => {
    await box.fakeReceiver();
    const ran = await box.agent('promote', { OCF_RESKEY_CRM_meta_timeout: '5000' });
    assert.equal(ran.code, 1);
    assert.match(ran.reason, /^remusd is not running on pm1: /);
    assert.ok(ran.ms > 1_000 && ran.ms < 5_000, `${ran.ms} ms`);
  });
});

describe('ocf/remus without remusd: stop and demote', () => {
  let box: Sandbox;
  beforeEach(() => {
    box = new Sandbox();
    mkdirSync(join(box.run_dir, VM));
    writeFileSync(join(box.run_dir, VM, 'sender.pid'), '1\n');
    box.register({ config: { resource: VM, domain: 'guest1' }, primary: true });
    box.domain('other', 9);
    box.link('rem9.0');
  });
  afterEach(() => box.close());

  function nothingLeft(): void {
    assert.ok(!box.hasDomain('guest1') && !box.hasDomain('guest1--incoming'));
    assert.ok(!existsSync(join(box.run_dir, VM)));
    assert.equal(box.registration(), null);
    assert.deepEqual([box.hasDomain('other'), box.hasLink('rem9.0')], [true, true]);
    assert.ok(!box.hasLink('rem3.0'));
  }

  const order = (...needles: string[]): void => {
    const calls = box.calls();
    const at = needles.map((needle) => calls.findIndex((call) => call.includes(needle)));
    assert.deepEqual(
      at,
      [...at].sort((a, b) => a - b),
      calls.join('\n'),
    );
    assert.ok(!at.includes(-1), calls.join('\n'));
  };

  it('shuts the guest down, then destroys what it leaves', async () => {
    box.domain('guest1', 3);
    box.link('rem3.0');
    box.record(NOT_GRANTED);
    const ran = await box.agent('stop');
    assert.deepEqual([ran.code, ran.reason], [0, '']);
    order(
      `crm_attribute --type crm_config --name remus-record-${VM}`,
      'xl shutdown 3',
      'xl destroy 3',
      'ip link delete rem3.0',
      `crm_attribute --promotion=${VM} --delete`,
    );
    nothingLeft();
    assert.equal((await box.agent('stop')).code, 0);
    assert.equal((await box.agent('monitor')).code, 7);
  });

  it('destroys a guest that does not shut down in time', async () => {
    box.mode('deaf');
    box.domain('guest1', 3);
    const ran = await box.agent('stop', { OCF_RESKEY_shutdown_timeout: '1' });
    assert.equal(ran.code, 0);
    assert.ok(ran.ms > 900 && ran.ms < 8_000, `${ran.ms} ms`);
    order('xl shutdown', 'xl destroy');
    nothingLeft();
  });

  it('never shuts a guest down that its replica could resurrect', async () => {
    for (const record of [GRANTED, 'damaged']) {
      box.domain('guest1', 3);
      box.record(record);
      const ran = await box.agent('demote');
      assert.equal(ran.code, 0);
      assert.match(ran.stderr, /a replica of guest1 may be promoted elsewhere/);
      assert.ok(!box.calls().some((call) => call.includes('xl shutdown')));
      assert.ok(!box.hasDomain('guest1'));
    }
  });

  it('does not ask a guest that cannot hear', async () => {
    for (const state of ['--p---', '---ss-', '---sc-']) {
      box.domain('guest1', 3, state);
      assert.equal((await box.agent('demote')).code, 0);
    }
    assert.ok(!box.calls().some((call) => call.includes('xl shutdown')));
  });

  it('ends the sender first, and then waits for xl remus', async () => {
    box.domain('guest1', 3);
    const sender = await box.fakeSender();
    const xl = await box.fakeXlRemus(sender);
    const another = await box.fakeSender('vm2');
    const ran = await box.agent('stop');
    assert.equal(ran.code, 0);
    assert.deepEqual(
      [sender, xl, another].map((pid) => Sandbox.alive(pid)),
      [false, false, true],
    );
    order('xl shutdown', 'xl destroy');
    nothingLeft();
  });

  it('ends an xl remus that does not end by itself', async () => {
    box.domain('guest1', 3);
    box.record(GRANTED);
    const xl = await box.fakeXlRemus(process.pid);
    assert.equal((await box.agent('stop')).code, 0);
    assert.equal(Sandbox.alive(xl), false);
    nothingLeft();
  });

  it('removes a replica: receiver, xl, then the domain', async () => {
    box.domain('guest1--incoming', 3, '--p---');
    const receiver = await box.fakeReceiver();
    const xl = await box.fakeXlReceive();
    const helper = await box.fakeXlReceive(['libxl-save-helper', '--restore-domain', '12', '21']);
    const ran = await box.agent('stop');
    assert.deepEqual([ran.code, ran.reason], [0, '']);
    assert.deepEqual(
      [receiver, xl, helper].map((pid) => Sandbox.alive(pid)),
      [false, false, false],
    );
    assert.ok(!box.calls().some((call) => call.includes('xl shutdown')));
    nothingLeft();
  });

  it('keeps the registration in a demote, no longer as the primary', async () => {
    box.domain('guest1', 3);
    assert.equal((await box.agent('demote')).code, 0);
    assert.deepEqual(JSON.parse(box.registration() ?? ''), {
      config: { resource: VM, domain: 'guest1' },
      primary: false,
    });
    assert.equal((await box.agent('monitor')).code, 190);
    assert.equal((await box.agent('demote')).code, 0);
  });

  it('ends an activation in a demote: xl would run the replica after the answer (P1)', async () => {
    box.domain('guest1--incoming', 3, '--p---');
    const receiver = await box.fakeReceiver();
    const xl = await box.fakeXlReceive();
    const ran = await box.agent('demote');
    assert.deepEqual([ran.code, ran.reason], [0, '']);
    assert.deepEqual([Sandbox.alive(receiver), Sandbox.alive(xl)], [false, false]);
    assert.ok(!box.hasDomain('guest1--incoming'));
    assert.match(box.registration() ?? '', /"primary":false/);
  });

  it('ends the calls of a dead daemon that would start the VM, or write its record, later (P1)', async () => {
    const calls = async (resource: string, config: string): Promise<number[]> => {
      const pids = [await box.fakeStray('xl', 'create', '-e', config)];
      for (const write of await recordWrites(resource))
        pids.push(await box.fakeStray('cibadmin', ...write));
      return pids;
    };
    const alive = (pids: readonly number[]): boolean[] => pids.map((pid) => Sandbox.alive(pid));
    for (const action of ['demote', 'stop']) {
      const strays = await calls(VM, box.config);
      const others = await calls(`${VM}2`, `${box.config}2`);
      // What such a call has made already.
      box.domain('guest1', 3, '--p---');
      const ran = await box.agent(action);
      assert.deepEqual([ran.code, ran.reason], [0, ''], action);
      assert.deepEqual(alive(strays), [false, false, false], action);
      assert.deepEqual(alive(others), [true, true, true], action);
      assert.ok(!box.hasDomain('guest1'));
    }
  });

  it('ends a daemon that hangs before it acts behind its back (P1)', async () => {
    for (const action of ['demote', 'stop']) {
      box.domain('guest1', 3);
      const daemon = await box.fakeHungDaemon();
      const ran = await box.agent(action, { OCF_RESKEY_CRM_meta_timeout: '12000' });
      assert.deepEqual([ran.code, ran.reason], [0, ''], action);
      assert.equal(Sandbox.alive(daemon), false, action);
      assert.ok(!box.hasDomain('guest1'));
      rmSync(box.socket_path);
    }
  });

  it('ends nobody who has got the number of a daemon that is gone', async () => {
    await box.fakeHungDaemon();
    const another = await box.fakeStray('another');
    writeFileSync(join(box.run_dir, 'remusd.pid'), `${another} 12345\n`);
    assert.equal((await box.agent('stop', { OCF_RESKEY_CRM_meta_timeout: '12000' })).code, 0);
    assert.equal(Sandbox.alive(another), true);
    nothingLeft();
  });

  it('does not say stopped when it could not look, or something is left', async () => {
    box.domain('guest1', 3);
    for (const [mode, reason] of [
      [
        'fail',
        /cannot tell whether guest1 runs: remusd is not running on pm1, and xl list on pm1 failed/,
      ],
      ['rubbish', /printed no list/],
      ['undead', /left behind: domain guest1/],
    ] as const) {
      box.mode(mode);
      const ran = await box.agent('stop', { OCF_RESKEY_shutdown_timeout: '0' });
      assert.equal(ran.code, 1, mode);
      assert.match(ran.reason, reason);
    }
    box.mode('normal');
    assert.equal((await box.agent('stop')).code, 0);
    nothingLeft();
  });

  it('comes to an end when xl hangs', async () => {
    box.mode('hang');
    const ran = await box.agent('stop', { OCF_RESKEY_CRM_meta_timeout: '6000' });
    assert.equal(ran.code, 1);
    assert.match(ran.reason, /did not answer/);
    assert.ok(ran.ms < 6_000, `${ran.ms} ms`);
  });

  it('stops without a configuration file, by the registration', async () => {
    rmSync(box.config);
    box.domain('guest1', 3);
    const ran = await box.agent('stop', {
      OCF_RESKEY_interval: 'x',
      OCF_RESKEY_shutdown_timeout: '1m',
    });
    assert.equal(ran.code, 0);
    nothingLeft();
  });

  it('has nothing to stop on a node without Xen', async () => {
    rmSync(join(box.run_dir, VM), { recursive: true });
    rmSync(join(box.run_dir, `vms/${VM}.json`));
    box.removeProgram('xl');
    assert.equal((await box.agent('stop')).code, 0);
    box.register({ domain: 'guest1' });
    assert.equal((await box.agent('stop')).code, 1);
  });

  it('never touches dom0', async () => {
    box.register({ domain: 'Domain-0' });
    assert.equal((await box.agent('stop')).code, 0);
    assert.ok(!box.calls().some((call) => /xl (destroy|shutdown)/.test(call)));
    assert.ok(readFileSync(box.config, 'utf8') !== '');
  });
});
