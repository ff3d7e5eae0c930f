/** remusd's control socket against its own client, and against everything else that may connect. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import fc from 'fast-check';

import { ask, ClientError } from '../../../ctl/client.js';
import {
  BadRequest,
  formatRequest,
  parseRequest,
  type ControlRequest,
} from '../../../daemon/adapters/control-protocol.js';
import {
  serveControlSocket,
  type ControlHandler,
  type ControlSocket,
  type ControlSocketOptions,
} from '../../../daemon/adapters/control-socket.js';

let dir: string;
let path: string;
let server: ControlSocket | undefined;
let problems: string[];

async function serve(
  handler: ControlHandler,
  more: Partial<ControlSocketOptions> = {},
): Promise<void> {
  problems = [];
  server = await serveControlSocket({
    path,
    handler,
    problem: (message) => problems.push(message),
    heartbeat_ms: 50,
    request_timeout_ms: 300,
    ...more,
  });
}

const ok: ControlHandler = () => Promise.resolve({ rc: 0 });

/** Send bytes, and collect what comes back until the connection ends. */
async function raw(bytes: string | Buffer, half = false): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.on('error', () => undefined);
  socket.on('end', () => socket.destroy());
  if (half) socket.end(bytes);
  else socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

/** Wait up to 2 s. */
async function until(what: () => boolean): Promise<void> {
  for (let n = 0; n < 100 && !what(); n++) await sleep(20);
}

async function stillAnswers(): Promise<void> {
  assert.equal((await ask({ action: 'status' }, { path })).rc, 0);
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'remus-sock-'));
  path = join(dir, 'remusd.sock');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(dir, { recursive: true, force: true });
});

describe('control socket', () => {
  it('carries a request, its progress and its answer', async () => {
    const seen: ControlRequest[] = [];
    await serve((request, progress) => {
      seen.push(request);
      progress('one\ntwo');
      return Promise.resolve({ rc: 3, reason: 'no\nway', json: { list: [1, 'ü', null] } });
    });
    const words: string[] = [];
    const answer = await ask(
      { action: 'switchover', resource: 'vm1', to: 'pm2', 'param.config': '/etc/xen/a=b.cfg' },
      { path, progress: (text) => words.push(text) },
    );
    assert.deepEqual(answer, { rc: 3, reason: 'no way', json: { list: [1, 'ü', null] } });
    assert.deepEqual(words, ['one two']);
    assert.deepEqual(seen, [
      {
        action: 'switchover',
        resource: 'vm1',
        probe: false,
        check_level: 0,
        params: { config: '/etc/xen/a=b.cfg' },
        options: { to: 'pm2' },
      },
    ]);
  });

  it('is only for root', async () => {
    await serve(ok);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('answers a client that has closed its half, as socat does, and one that sends byte by byte', async () => {
    await serve(async () => {
      await sleep(20);
      return { rc: 8 };
    });
    assert.equal(await raw('remus 1\naction=monitor\n\n', true), 'rc=8\nend\n');
    const socket = connect(path);
    for (const byte of 'remus 1\naction=monitor\n\n') {
      socket.write(byte);
      await sleep(1);
    }
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.equal(answer.toString(), 'rc=8\nend\n');
    socket.destroy();
  });

  it('shows that it lives while it works, and turns failures into answers', async () => {
    await serve(async ({ action }) => {
      await sleep(180);
      throw new Error(`cannot ${action}: type something`);
    });
    const answer = await raw('remus 1\naction=start\n\n');
    assert.match(answer, /^(progress=\n){3,5}rc=1\nreason=cannot start: type something\nend\n$/);
    assert.deepEqual(problems, ['control request failed']);
  });

  it('does nothing for a client that has given up while the daemon hung', async () => {
    const begun: string[] = [];
    await serve(({ action }) => {
      begun.push(action);
      return Promise.resolve({ rc: 0 });
    });
    // What a process of its own has asked for, and left, by the time that we come to read it.
    const script = `const s = require('net').connect(process.argv[1], () => s.write('remus 1\\naction=' + process.argv[2] + '\\n\\n', () => process.exit()));`;
    for (const action of ['start', 'stop', 'promote', 'demote', 'monitor'])
      spawnSync(process.execPath, ['-e', script, path, action]);
    await until(() => begun.length > 0);
    await stillAnswers();
    assert.deepEqual(begun, ['monitor', 'status']);
    assert.equal(problems.length, 4);
  });

  it("answers before Pacemaker's patience ends", async () => {
    await serve(() => new Promise(() => undefined));
    const answer = await raw('remus 1\naction=start\ntimeout_ms=500\n\n');
    assert.match(answer, /rc=1\nreason=start was not done within its timeout of 500 ms/);
  });

  it('tells the handler when the client has gone', async () => {
    let gone = false;
    await serve(async (_request, _progress, abandoned) => {
      await once(abandoned, 'abort');
      gone = true;
      return { rc: 0 };
    });
    const socket = connect(path);
    socket.write('remus 1\naction=events\n\n');
    await sleep(60);
    assert.equal(gone, false);
    socket.destroy();
    await until(() => gone);
    assert.equal(gone, true);
  });

  it("takes a dead daemon's place, and not a living one's", async () => {
    await serve(ok);
    await assert.rejects(serveControlSocket({ path, handler: ok }), /another remusd listens/);
    await stillAnswers();
    await server?.close();
    const dead = createServer().listen(path);
    await once(dead, 'listening');
    // A listener that goes without removing its file, as by kill -9.
    const kept = join(dir, 'kept');
    renameSync(path, kept);
    dead.close();
    renameSync(kept, path);
    await serve(ok);
    await stillAnswers();
    await server?.close();
    writeFileSync(path, 'x');
    await assert.rejects(serveControlSocket({ path, handler: ok }), /is in the way/);
    server = undefined;
  });
});

describe('control socket under rubbish', () => {
  const bad: Readonly<Record<string, [string, RegExp]>> = {
    'no version': ['action=status\n\n', /the first line is not "remus 1"/],
    'another version': [
      'remus 2\naction=status\n\n',
      /version 1 of the protocol, the request is of version 2/,
    ],
    'no action': ['remus 1\nresource=vm1\n\n', /action is missing or not valid/],
    'a line without =': ['remus 1\naction=status\nhello\n\n', /not NAME=VALUE/],
    'a bad name': ['remus 1\naction=status\na b=1\n\n', /a name has characters/],
    'a prototype': ['remus 1\naction=status\n__proto__=1\n\n', /a name is not allowed/],
    'a resource that leads elsewhere': [
      'remus 1\naction=stop\nresource=../../etc\n\n',
      /resource is missing or not valid/,
    ],
    'a bad time': ['remus 1\naction=stop\ntimeout_ms=-5\n\n', /timeout_ms is missing or not valid/],
    'a NUL': ['remus 1\naction=stop\nx=\0\n\n', /NUL/],
    'a long value': [`remus 1\naction=stop\nx=${'a'.repeat(5_000)}\n\n`, /longer than 4096/],
    'too many lines': [`remus 1\naction=stop\n${'x=1\n'.repeat(300)}\n`, /more than 256 lines/],
    'a long request': [
      `remus 1\n${`x=${'a'.repeat(1_000)}\n`.repeat(100)}\n`,
      /longer than 65536 bytes/,
    ],
    'nothing that ends': ['a'.repeat(200_000), /longer than 65536 bytes/],
  };
  for (const [name, [text, reason]] of Object.entries(bad)) {
    it(`refuses ${name}`, async () => {
      await serve(ok);
      const answer = await raw(text);
      assert.match(answer, /^rc=2\nreason=remusd did not understand the request: [^\n]+\nend\n$/);
      assert.match(answer, reason);
      assert.deepEqual(problems, ['bad control request']);
      await stillAnswers();
    });
  }

  it('refuses half a request: cut off, or never finished', async () => {
    await serve(ok);
    assert.match(await raw('remus 1\naction=st', true), /has no empty line at its end/);
    assert.match(await raw('remus 1\naction=st'), /did not arrive in time/);
    assert.match(await raw(''), /did not arrive in time/);
    assert.equal(await raw('', true), '');
    await stillAnswers();
  });

  it('outlives random bytes', async () => {
    await serve(ok, { request_timeout_ms: 50 });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const answer = await raw(Buffer.from(bytes), true);
        if (bytes.length > 0) assert.match(answer, /^rc=2\n/);
      }),
      { numRuns: 100 },
    );
    await stillAnswers();
  });

  it('outlives 200 connections at once: silent, half, rude and good ones', async () => {
    await serve(
      async () => {
        await sleep(30);
        return { rc: 0 };
      },
      { max_connections: 150 },
    );
    const silent: Socket[] = [];
    for (let n = 0; n < 50; n++) silent.push(connect(path).on('error', () => undefined));
    const rude = Array.from({ length: 50 }, () => {
      const socket = connect(path).on('error', () => undefined);
      socket.write('remus 1\naction=status\n\n', () => socket.destroy());
      return once(socket, 'close');
    });
    const rest = await Promise.all([
      ...Array.from({ length: 50 }, () => raw('remus 1\n', true)),
      ...Array.from({ length: 50 }, () => raw('remus 1\naction=status\n\n')),
    ]);
    await Promise.all(rude);
    // One that is turned away before it has written may hear EPIPE, and nothing else.
    const heard = rest.filter((answer) => answer !== '');
    assert.deepEqual(
      heard.filter((answer) => !/^rc=[012]\n(?:.*\n)?end\n$/.test(answer)),
      [],
    );
    assert.ok(heard.some((answer) => answer.startsWith('rc=0')));
    await sleep(350);
    await stillAnswers();
    for (const socket of silent) socket.destroy();
    await until(() => server?.connections() === 0);
    assert.equal(server?.connections(), 0);
  });

  it('says so when there are too many', async () => {
    await serve(ok, { max_connections: 1 });
    const first = connect(path);
    await once(first, 'connect');
    await sleep(20);
    const answer = await ask({ action: 'status' }, { path });
    assert.deepEqual(answer, { rc: 1, reason: 'remusd has too many connections: try again' });
    first.destroy();
    await sleep(20);
    await stillAnswers();
  });

  it('cuts off a client that does not read', async () => {
    let ended = false;
    await serve(async (_request, progress, abandoned) => {
      for (let n = 0; n < 20_000 && !abandoned.aborted; n++) {
        progress('x'.repeat(2_000));
        if (n % 100 === 0) await sleep(0);
      }
      ended = abandoned.aborted;
      return { rc: 0 };
    });
    const socket = connect(path).on('error', () => undefined);
    socket.pause();
    socket.write('remus 1\naction=events\n\n');
    await until(() => ended);
    assert.equal(ended, true);
    socket.destroy();
  });

  it('closes with connections open, and nothing of them goes on', async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    let begun = 0;
    await serve(() => {
      begun += 1;
      return new Promise(() => undefined);
    });
    const before = timers();
    const sockets = [
      raw('remus 1\naction=start\n\n'),
      raw('remus 1\naction=start\ntimeout_ms=600000\n\n'),
      raw('rem'),
    ];
    await until(() => begun === 2 && server?.connections() === 3);
    assert.ok(timers() >= before + 4, 'two heartbeats, a deadline, and half a request');
    await server?.close();
    server = undefined;
    await Promise.all(sockets);
    await until(() => timers() === before);
    assert.equal(timers(), before);
  });
});

describe('control protocol', () => {
  it('gives back any request that can be written', () => {
    const value = fc
      .string({ unit: 'grapheme', maxLength: 100 })
      .filter((text) => !/[\n\0]/.test(text));
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), value),
        value,
        (params, note) => {
          const fields = Object.fromEntries(
            Object.entries(params).map(([key, text]) => [`param.${key}`, text]),
          );
          const text = formatRequest({ action: 'start', note, ...fields });
          assert.ok(text.endsWith('\n\n'));
          const back = parseRequest(text.slice(0, -2));
          assert.deepEqual({ ...back.params }, { ...params });
          assert.equal(back.options['note'], note);
        },
      ),
    );
  });

  it('writes no request that would be two', () => {
    assert.throws(() => formatRequest({ action: 'start', x: 'a\nb=c' }), BadRequest);
    assert.throws(() => formatRequest({ 'a\nb': '1' }), BadRequest);
  });
});

describe('control client', () => {
  const failsWith = (code: string, needle: RegExp) => (error: unknown) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.code, code);
    assert.match(error.message, needle);
    return true;
  };

  it('says what to start', async () => {
    await assert.rejects(
      ask({ action: 'status' }, { path }),
      failsWith('not-running', /systemctl start remusd$/),
    );
  });

  it('knows a daemon that hangs, is late, dies or talks rubbish', async () => {
    let behave: (socket: Socket) => void = () => undefined;
    const fake = createServer((socket) => {
      socket.on('error', () => undefined).resume();
      behave(socket);
    }).listen(path);
    await once(fake, 'listening');
    const options = { path, silence_ms: 100 };
    await assert.rejects(
      ask({ action: 'status' }, options),
      failsWith('timeout', /systemctl restart remusd/),
    );
    behave = (socket) => void setInterval(() => socket.write('progress=\n'), 20).unref();
    await assert.rejects(
      ask({ action: 'status' }, { ...options, timeout_ms: 250 }),
      failsWith('timeout', /within 0.25 s/),
    );
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    await assert.rejects(
      ask({ action: 'status' }, { ...options, signal: abort.signal }),
      failsWith('cut', /interrupted/),
    );
    for (const half of ['', 'rc=0\n', 'rc=0\nen']) {
      behave = (socket) => socket.end(half);
      await assert.rejects(ask({ action: 'status' }, options), failsWith('cut', /journalctl/));
    }
    for (const rubbish of ['end\n', 'rc=x\nend\n', 'json={\n', 'rc=256\nend\n']) {
      behave = (socket) => socket.end(rubbish);
      await assert.rejects(
        ask({ action: 'status' }, options),
        failsWith('protocol', /same release/),
      );
    }
    fake.close();
  });
});
