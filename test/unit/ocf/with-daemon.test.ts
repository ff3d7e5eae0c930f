/** ocf/remus with a daemon that answers, hangs, dies, or talks rubbish. */
import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { Sandbox, VM } from './sandbox.js';

describe('ocf/remus with remusd', () => {
  let box: Sandbox;
  beforeEach(() => (box = new Sandbox()));
  afterEach(() => box.close());

  it('asks with everything the daemon needs', async () => {
    await box.serve(() => Promise.resolve({ rc: 8 }));
    const ran = await box.agent('monitor', { OCF_RESKEY_interval: '100' });
    assert.deepEqual([ran.code, ran.stderr], [8, '']);
    const [{ timeout_ms = 0, ...request } = {}] = box.requests;
    assert.ok(timeout_ms > 20_000 && timeout_ms <= 30_000, 'what is left of it, in whole seconds');
    assert.deepEqual(request, {
      action: 'monitor',
      resource: VM,
      probe: false,
      check_level: 0,
      params: {
        config: box.config,
        interval: '100',
        shutdown_timeout: '60',
        replication_timeout: '5',
        compression: 'auto',
        mode: 'remus',
        netbuf: 'on',
        on_no_replica: 'start',
        allow_unfenced: 'false',
        unsafe_disks: 'false',
      },
      options: {},
    });
    assert.equal((await box.probe()).code, 8);
    assert.equal(box.requests[1]?.probe, true);
  });

  it('says that it was alone, until the daemon has heard of it', async () => {
    box.register({ domain: 'guest1' });
    assert.equal((await box.agent('monitor')).code, 190);
    let rc = 300; // no answer that an agent takes
    await box.serve(() => Promise.resolve({ rc }));
    assert.equal((await box.agent('monitor', { REMUS_AGENT_PATIENCE: '1' })).code, 190);
    const unheard = box.requests.length;
    rc = 0;
    await box.probe();
    await box.agent('monitor');
    await box.agent('monitor');
    const said = box.requests.map(({ alone }) => alone);
    assert.deepEqual(said.slice(0, unheard), Array(unheard).fill(true));
    assert.deepEqual(said.slice(unheard), [undefined, true, undefined]);
  });

  it('passes the code, the reason and the progress on', async () => {
    await box.serve((request, progress) => {
      progress('step one');
      progress('step two');
      return Promise.resolve({
        rc: request.action === 'promote' ? 1 : 191,
        reason: `no: "${request.action}" = 5%s\\n`,
      });
    });
    const promote = await box.agent('promote');
    assert.deepEqual([promote.code, promote.reason], [1, 'no: "promote" = 5%s\\n']);
    assert.match(promote.stderr, /^step one\nstep two\nocf-exit-reason:/);
    assert.equal((await box.agent('monitor')).code, 191);
  });

  it('knows one resource of an anonymous clone, not its instances', async () => {
    await box.serve(() => Promise.resolve({ rc: 0 }));
    await box.agent('start', { OCF_RESOURCE_INSTANCE: `${VM}:1` });
    assert.equal(box.requests[0]?.resource, VM);
  });

  it('asks reload-agent for both names of the action', async () => {
    await box.serve(() => Promise.resolve({ rc: 0 }));
    assert.equal((await box.agent('reload')).code, 0);
    assert.equal((await box.agent('reload-agent')).code, 0);
    assert.deepEqual(
      box.requests.map(({ action }) => action),
      ['reload-agent', 'reload-agent'],
    );
  });

  it('waits for a daemon that is at work, as long as it shows that it lives', async () => {
    await box.serve(async () => {
      await sleep(5_000);
      return { rc: 0 };
    });
    // 10 s: more than 4 s of silence would be a hung daemon.
    const ran = await box.agent('promote', { OCF_RESKEY_CRM_meta_timeout: '10000' });
    assert.deepEqual([ran.code, ran.reason], [0, '']);
  });

  it('waits for a daemon that is on its way back', async () => {
    const running = box.agent('promote', { REMUS_AGENT_PATIENCE: '5' });
    await sleep(1_000);
    await box.serve(() => Promise.resolve({ rc: 0 }));
    assert.equal((await running).code, 0);
  });

  it('makes the deep checks only when asked, and by the daemon', async () => {
    await box.serve(() => Promise.resolve({ rc: 6, reason: 'no fencing' }));
    assert.equal((await box.agent('validate-all')).code, 0);
    const deep = await box.agent('validate-all', { OCF_CHECK_LEVEL: '10' });
    assert.deepEqual([deep.code, deep.reason], [6, 'no fencing']);
    assert.deepEqual(
      box.requests.map(({ check_level }) => check_level),
      [10],
    );
  });

  it('stops a VM whose parameters are broken and whose configuration file is gone', async () => {
    await box.serve(() => Promise.resolve({ rc: 0 }));
    rmSync(box.config);
    assert.equal(
      (await box.agent('stop', { OCF_RESKEY_interval: 'rubbish\nparam.config=/x' })).code,
      0,
    );
    assert.equal(box.requests[0]?.params['interval'], undefined);
  });
});

describe('ocf/remus with a broken remusd', () => {
  let box: Sandbox;
  let server: Server;
  const sockets = new Set<Socket>();

  /** Something listens on the socket, and does this with each connection. */
  async function pretend(how: (socket: Socket) => void): Promise<void> {
    server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).resume();
      how(socket);
    });
    await new Promise<void>((resolve) => void server.listen(box.socket_path, resolve));
  }

  beforeEach(() => (box = new Sandbox()));
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    server.close();
    await box.close();
  });

  it('is not hung by a hung daemon', async () => {
    await pretend(() => undefined);
    box.domain('guest1', 3);
    const ran = await box.agent('monitor', { OCF_RESKEY_CRM_meta_timeout: '5000' });
    assert.equal(ran.code, 191);
    assert.match(
      ran.reason,
      /^remusd on pm1 does not answer: guest1 runs.*systemctl restart remusd$/,
    );
    assert.ok(ran.ms < 4_000, `${ran.ms} ms`);
    const start = await box.agent('start', { OCF_RESKEY_CRM_meta_timeout: '5000' });
    assert.equal(start.code, 1);
    assert.match(start.reason, /does not answer.*systemctl restart remusd/);
  });

  const answers: Readonly<Record<string, string>> = {
    'no answer at all': '',
    'half an answer': 'rc=8\nreason=fine\n',
    'half a line': 'rc=8\nreason=fi',
    'no code': 'reason=fine\nend\n',
    'a code that is none': 'rc=eight\nend\n',
    'a code out of range': 'rc=999\nend\n',
    rubbish: '\u0000\u0001\u0002<html>\nrc=0\n`id`$(id)\n',
    'end in the middle': 'end\nrc=0\n',
  };
  for (const [name, answer] of Object.entries(answers)) {
    it(`does not believe ${name}`, async () => {
      await pretend((socket) => socket.end(answer));
      box.domain('guest1', 3);
      const ran = await box.agent('monitor');
      assert.equal(ran.code, 191);
      assert.match(ran.reason, /^remusd on pm1 ended before it had answered: guest1 runs/);
    });
  }

  it('finds a file in the place of the socket', async () => {
    await pretend(() => undefined);
    server.close();
    rmSync(box.socket_path, { force: true });
    writeFileSync(box.socket_path, 'x');
    const ran = await box.agent('start');
    assert.deepEqual([ran.code, ran.reason.split(':')[0]], [1, 'remusd is not running on pm1']);
  });
});
