import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { AdapterError } from '../../../daemon/adapters/errors.js';
import { createExec } from '../../../daemon/adapters/exec.js';
import { ensureIdentity } from '../../../daemon/adapters/identity.js';
import type { Identity } from '../../../daemon/adapters/identity.js';
import { PeerControl, PeerError } from '../../../daemon/adapters/peer-control.js';
import type { PeerAddress, PeerErrorCode } from '../../../daemon/adapters/peer-control.js';
import { connectTls, listenTls } from '../../../daemon/adapters/peer-tls.js';
import type { TlsListener } from '../../../daemon/adapters/peer-tls.js';

const host = '127.0.0.1';

function fails(code: PeerErrorCode, sentence: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof PeerError, String(error));
    assert.equal(error.code, code, error.sentence);
    assert.match(error.sentence, sentence);
    return true;
  };
}

describe('peer control', () => {
  let root: string;
  let ids: Record<'pm1' | 'pm2', Identity>;
  let pm1: PeerControl;
  let pm2: PeerControl;
  let notes: string[];
  let fake: TlsListener | undefined;
  /** pm2 as pm1 sees it. */
  let peer: PeerAddress;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'remus-peer-'));
    const make = (node: string) =>
      ensureIdentity({ state_dir: join(root, node), exec: createExec() });
    ids = { pm1: await make('pm1'), pm2: await make('pm2') };
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  const nodeOf = (fingerprint: string) =>
    fingerprint === ids.pm1.fingerprint
      ? 'pm1'
      : fingerprint === ids.pm2.fingerprint
        ? 'pm2'
        : null;
  const control = (node: 'pm1' | 'pm2', release = '0.1.0') =>
    new PeerControl({
      identity: ids[node],
      node,
      release,
      nodeOf,
      allowed: () => new Set([ids.pm1.fingerprint, ids.pm2.fingerprint]),
      onNote: (message, fields) => notes.push(`${message} ${JSON.stringify(fields)}`),
    });
  beforeEach(async () => {
    notes = [];
    pm1 = control('pm1');
    pm2 = control('pm2', '0.2.0');
    const port = await pm2.listen(host, 0);
    peer = { node: 'pm2', address: host, port, fingerprint: ids.pm2.fingerprint };
  });
  afterEach(async () => {
    await pm1.close();
    await pm2.close();
    await fake?.close();
    fake = undefined;
  });

  it('asks and answers, knows who asks, and keeps its connection', async () => {
    const seen: string[] = [];
    pm2.serve({
      echo: (params, from) => {
        seen.push(from);
        return Promise.resolve({ got: params });
      },
      nothing: () => Promise.resolve(undefined),
    });
    assert.deepEqual(await pm1.call(peer, 'echo', { a: [1, 'ü'] }, 3000), { got: { a: [1, 'ü'] } });
    const many = Array.from({ length: 20 }, (_, n) => pm1.call(peer, 'echo', n, 3000));
    assert.deepEqual(
      await Promise.all(many),
      Array.from({ length: 20 }, (_, n) => ({ got: n })),
    );
    assert.equal(await pm1.call(peer, 'nothing', undefined, 3000), null);
    assert.deepEqual(new Set(seen), new Set(['pm1']));
    assert.deepEqual(notes, []);
  });

  it('what a handler throws comes as a value, without a stack', async () => {
    pm2.serve({
      refuse: () =>
        Promise.reject(new AdapterError('no-space', 'm', 'there is no space; free some')),
      crash: () => Promise.reject(new TypeError('x is not a function')),
      large: () => Promise.resolve('x'.repeat(100_000)),
    });
    await assert.rejects(pm1.call(peer, 'refuse', null, 3000), (error) => {
      assert.ok(error instanceof PeerError);
      assert.deepEqual([error.code, error.remote_code], ['remote', 'no-space']);
      assert.equal(error.sentence, 'pm2: there is no space; free some');
      return true;
    });
    await assert.rejects(
      pm1.call(peer, 'crash', null, 3000),
      fails('remote', /^pm2: x is not a function$/),
    );
    await assert.rejects(pm1.call(peer, 'large', null, 3000), fails('remote', /larger than/));
    for (const method of ['nosuch', 'constructor', '__proto__']) {
      await assert.rejects(
        pm1.call(peer, method, null, 3000),
        fails('remote', /\(0\.2\.0\) does not know/),
      );
    }
    // eslint-disable-next-line no-control-regex
    const printable = /^[^\u0000-\u001f]*does not know " ?\[2Jx"; install the same release/;
    await assert.rejects(
      pm1.call(peer, '\u0000\u001b[2Jx', null, 3000),
      fails('remote', printable),
    );
    await assert.rejects(
      pm1.call(peer, 'refuse', 'x'.repeat(70_000), 3000),
      fails('too-large', /larger/),
    );
  });

  it('a slow handler costs its caller a timeout and nobody else anything', async () => {
    pm2.serve({ slow: () => sleep(400), quick: () => Promise.resolve(1) });
    const slow = assert.rejects(
      pm1.call(peer, 'slow', null, 150),
      fails('timeout', /within \d+ ms/),
    );
    assert.equal(await pm1.call(peer, 'quick', null, 3000), 1);
    await slow;
    assert.equal(await pm1.call(peer, 'quick', null, 3000), 1);
  });

  it('is bounded in what it works on at a time', async () => {
    pm2.serve({ slow: () => sleep(300) });
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, () => pm1.call(peer, 'slow', null, 3000)),
    );
    const refused = results.filter((one) => one.status === 'rejected');
    assert.equal(refused.length, 8);
    refused.forEach((one) => fails('remote', /too many requests/)(one.reason));
  });

  it('connects anew when the peer has been restarted, or has moved', async () => {
    pm2.serve({ a: () => Promise.resolve(1) });
    assert.equal(await pm1.call(peer, 'a', null, 3000), 1);
    await pm2.close();
    await sleep(50);
    await assert.rejects(
      pm1.call(peer, 'a', null, 3000),
      fails('unreachable', /: connection refused; look at "systemctl/),
    );
    pm2 = control('pm2');
    pm2.serve({ a: () => Promise.resolve(2) });
    await pm2.listen(host, peer.port);
    assert.equal(await pm1.call(peer, 'a', null, 3000), 2);
    const elsewhere = await pm2.listen(host, 0);
    assert.equal(await pm1.call({ ...peer, port: elsewhere }, 'a', null, 3000), 2);
    await assert.rejects(
      pm1.call(peer, 'a', null, 3000),
      fails('unreachable', /connection refused/),
    );
  });

  it('a call under way learns that the peer died', async () => {
    let begun: () => void = () => undefined;
    const underWay = new Promise<void>((resolve) => (begun = resolve));
    pm2.serve({
      slow: () => {
        begun();
        return sleep(2000);
      },
    });
    const call = assert.rejects(
      pm1.call(peer, 'slow', null, 5000),
      fails('unreachable', /was closed/),
    );
    await underWay;
    await pm2.close();
    await call;
  });

  it('who does not know our certificate yet is unreachable, with a hint', async () => {
    const options = { identity: ids.pm2, host, port: 0, allowed: () => new Set<string>() };
    fake = await listenTls({ ...options, onConnection: () => undefined });
    const there = { ...peer, port: fake.port };
    await assert.rejects(pm1.call(there, 'a', null, 3000), fails('unreachable', /certificate yet/));
    const other = { ...peer, fingerprint: 'ab'.repeat(32) };
    await assert.rejects(
      pm1.call(other, 'a', null, 3000),
      fails('certificate', /another certificate/),
    );
  });

  /** A peer with pm2's key that behaves as the test says. */
  async function peerThat(behaves: (socket: TLSSocket) => void): Promise<PeerAddress> {
    fake = await listenTls({
      identity: ids.pm2,
      host,
      port: 0,
      allowed: () => new Set([ids.pm1.fingerprint]),
      onConnection: (socket) => {
        socket.on('error', () => undefined).resume();
        behaves(socket);
      },
    });
    return { ...peer, port: fake.port };
  }
  const HELLO = '{"remus_control":1,"release":"0.1.0","node":"pm2"}\n';

  for (const [what, text, code, sentence] of [
    [
      'another version',
      '{"remus_control":2,"wholly":"different"}\n',
      'version',
      /pm2 is release unknown and speaks protocol 2, this one 1: upgrade it on this node/,
    ],
    [
      'an older version',
      '{"remus_control":0,"release":"0.0.9"}\n',
      'version',
      /pm2 is release 0.0.9 and speaks protocol 0, this one 1: upgrade it on pm2/,
    ],
    ['no JSON', 'SSH-2.0-OpenSSH\n', 'rubbish', /no JSON/],
    ['another name', HELLO.replace('pm2', 'pm3'), 'rubbish', /calls itself pm3/],
    ['no fields', '{}\n', 'rubbish', /hello/],
    ['an endless line', 'x'.repeat(70_000), 'rubbish', /longer than allowed/],
    ['a garbled answer', `${HELLO}{"id":"one"}\n`, 'rubbish', /response/],
    ['binary', `${HELLO}\0\xff\n`, 'rubbish', /no JSON/],
  ] as const) {
    it(`a peer that sends ${what}`, async () => {
      const there = await peerThat((socket) => socket.write(text));
      await assert.rejects(pm1.call(there, 'a', null, 3000), fails(code, sentence));
    });
  }

  it('a silent peer: the deadline, and a new connection for the next call', async () => {
    let connections = 0;
    const there = await peerThat((socket) => {
      connections += 1;
      socket.write(HELLO);
    });
    await assert.rejects(pm1.call(there, 'a', null, 150), fails('timeout', /within/));
    await sleep(20);
    await assert.rejects(pm1.call(there, 'a', null, 150), fails('timeout', /within/));
    assert.equal(connections, 2);
    await fake?.close();
    const mute = await peerThat(() => undefined);
    await assert.rejects(pm1.call(mute, 'a', null, 150), fails('timeout', /within/));
  });

  it('a caller that lies or talks rubbish is dropped; others are served', async () => {
    pm2.serve({ a: () => Promise.resolve(1) });
    const mine = HELLO.replace('pm2', 'pm1');
    for (const text of [
      'GET /\n',
      HELLO,
      '{"remus_control":9}\n',
      `${mine}{"id":-1}\n`,
      `${mine}${'x'.repeat(70_000)}`,
      `${mine}null\n`,
    ]) {
      const socket = await connectTls({
        identity: ids.pm1,
        host,
        port: peer.port,
        expect: peer.fingerprint,
        timeout_ms: 3000,
      });
      socket.resume();
      socket.write(text);
      await new Promise((resolve) => socket.once('close', resolve));
      assert.equal(await pm1.call(peer, 'a', null, 3000), 1);
    }
    assert.equal(notes.length, 6);
    assert.match(notes[1] ?? '', /calls itself pm2/);
  });
});
