import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect as netConnect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { createExec } from '../../../daemon/adapters/exec.js';
import {
  IdentityError,
  ensureIdentity,
  identityPath,
  parseFingerprint,
  readIdentity,
} from '../../../daemon/adapters/identity.js';
import type { Identity, IdentityNote } from '../../../daemon/adapters/identity.js';
import { PeerTlsError, connectTls, listenTls } from '../../../daemon/adapters/peer-tls.js';
import type { TlsListener } from '../../../daemon/adapters/peer-tls.js';

const exec = createExec();
const host = '127.0.0.1';
let root: string;
before(() => (root = mkdtempSync(join(tmpdir(), 'remus-tls-'))));
after(() => rmSync(root, { recursive: true, force: true }));

function coded(code: string) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof PeerTlsError || error instanceof IdentityError, String(error));
    assert.equal(error.code, code, error.sentence);
    return true;
  };
}

describe('identity', () => {
  it('is made once, private, and used again', async () => {
    const state_dir = join(root, 'id1');
    const notes: IdentityNote[] = [];
    const note = (one: IdentityNote) => notes.push(one);
    await assert.rejects(readIdentity(state_dir), coded('missing'));
    const first = await ensureIdentity({ state_dir, exec, note });
    assert.equal(statSync(identityPath(state_dir)).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(state_dir), ['identity.pem']);
    chmodSync(identityPath(state_dir), 0o644);
    assert.deepEqual(await ensureIdentity({ state_dir, exec, note }), first);
    assert.equal(statSync(identityPath(state_dir)).mode & 0o777, 0o600);
    assert.deepEqual(await readIdentity(state_dir), first);
    assert.deepEqual(
      notes.map((n) => n.message),
      ['identity made'],
    );
    const shown = await exec.run(
      ['openssl', 'x509', '-noout', '-fingerprint', '-sha256', '-in', identityPath(state_dir)],
      { timeout_ms: 5000 },
    );
    assert.equal(parseFingerprint(shown.stdout.split('=')[1] ?? ''), first.fingerprint);
  });

  it('is replaced when damaged, and says so', async () => {
    const state_dir = join(root, 'id2');
    const first = await ensureIdentity({ state_dir, exec });
    const pem = readFileSync(identityPath(state_dir), 'utf8');
    for (const damage of [
      '',
      'rubbish',
      pem.slice(0, 150),
      pem.slice(0, -60),
      pem.replace(/MI/g, 'MJ'),
    ]) {
      writeFileSync(identityPath(state_dir), damage);
      await assert.rejects(readIdentity(state_dir), coded('damaged'));
      const notes: IdentityNote[] = [];
      const next = await ensureIdentity({ state_dir, exec, note: (one) => notes.push(one) });
      assert.notEqual(next.fingerprint, first.fingerprint);
      assert.equal(notes[0]?.message, 'identity was damaged and has been replaced');
      assert.equal(readFileSync(`${identityPath(state_dir)}.damaged`, 'utf8'), damage);
    }
  });

  it('says what to do without openssl', async () => {
    const none = { ...exec, run: () => exec.run(['/no/openssl'], { timeout_ms: 100 }) };
    const state_dir = join(root, 'id3');
    await assert.rejects(ensureIdentity({ state_dir, exec: none }), coded('openssl'));
    assert.deepEqual(readdirSync(state_dir), []);
  });

  it('knows fingerprints in the usual spellings', () => {
    const hex = 'ab'.repeat(32);
    assert.equal(parseFingerprint(`sha256:${hex}`), hex);
    assert.equal(parseFingerprint(hex.toUpperCase().replace(/..(?=.)/g, '$&:')), hex);
    for (const bad of ['', 'ab', `${hex}0`, hex.replace('a', 'g')])
      assert.equal(parseFingerprint(bad), null);
  });
});

describe('peer-tls', () => {
  let a: Identity;
  let b: Identity;
  let stranger: Identity;
  let listener: TlsListener | undefined;
  let rejected: string[];
  let accepted: { socket: TLSSocket; fingerprint: string }[];

  before(async () => {
    a = await ensureIdentity({ state_dir: join(root, 'a'), exec });
    b = await ensureIdentity({ state_dir: join(root, 'b'), exec });
    stranger = await ensureIdentity({ state_dir: join(root, 's'), exec });
  });
  beforeEach(() => {
    rejected = [];
    accepted = [];
  });
  afterEach(async () => {
    await listener?.close();
    listener = undefined;
  });

  async function listen(allowed: () => ReadonlySet<string>, more = {}): Promise<number> {
    listener = await listenTls({
      identity: a,
      host,
      port: 0,
      allowed,
      onConnection: (socket, fingerprint) => {
        accepted.push({ socket, fingerprint });
        socket.on('error', () => undefined).pipe(socket);
      },
      onRejected: ({ why }) => rejected.push(why),
      ...more,
    });
    return listener.port;
  }
  const until = async (done: () => boolean): Promise<void> => {
    for (let i = 0; i < 300 && !done(); i++) await sleep(10);
    assert.ok(done());
  };

  it('two nodes that know each other speak', async () => {
    const port = await listen(() => new Set([b.fingerprint]));
    const socket = await connectTls({
      identity: b,
      host,
      port,
      expect: `sha256:${a.fingerprint}`,
      timeout_ms: 3000,
    });
    assert.equal(socket.getProtocol(), 'TLSv1.3');
    socket.write('hello');
    const [echo] = await new Promise<Buffer[]>((resolve) =>
      socket.once('data', (d: Buffer) => resolve([d])),
    );
    assert.equal(echo?.toString(), 'hello');
    assert.equal(accepted[0]?.fingerprint, b.fingerprint);
    socket.destroy();
  });

  it('hands over what came with the handshake, also to a late reader', async () => {
    const port = await listen(() => new Set([b.fingerprint]), {
      onConnection: (socket: TLSSocket) => accepted.push({ socket, fingerprint: '' }),
    });
    const socket = await connectTls({
      identity: b,
      host,
      port,
      expect: a.fingerprint,
      timeout_ms: 3000,
    });
    socket.end('early');
    await until(() => accepted.length === 1);
    await sleep(50);
    let got = '';
    accepted[0]?.socket.on('data', (d: Buffer) => (got += d.toString()));
    await until(() => got === 'early');
  });

  it('turns a stranger away before any data', async () => {
    const port = await listen(() => new Set([b.fingerprint]));
    const socket = await connectTls({
      identity: stranger,
      host,
      port,
      expect: a.fingerprint,
      timeout_ms: 3000,
    });
    socket.write('let me in');
    await new Promise((resolve) => socket.once('close', resolve));
    assert.deepEqual(rejected, ['unknown certificate']);
    assert.equal(accepted.length, 0);
  });

  it('asks who is allowed anew for every connection', async () => {
    let allowed = new Set<string>();
    const port = await listen(() => allowed);
    const options = { identity: b, host, port, expect: a.fingerprint, timeout_ms: 3000 };
    const first = await connectTls(options);
    await until(() => rejected.length === 1);
    assert.deepEqual(rejected, ['unknown certificate']);
    allowed = new Set([b.fingerprint]);
    const second = await connectTls(options);
    await until(() => accepted.length === 1);
    first.destroy();
    second.destroy();
  });

  it('turns away who shows no certificate, speaks TLS 1.2, rubbish, or nothing', async () => {
    const port = await listen(() => new Set([b.fingerprint]), { handshake_timeout_ms: 200 });
    const bare = tlsConnect({ host, port, rejectUnauthorized: false });
    bare.on('error', () => undefined);
    const old = tlsConnect({
      host,
      port,
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
      key: b.key,
      cert: b.cert,
    });
    old.on('error', () => undefined);
    const rubbish = netConnect({ host, port });
    rubbish.on('error', () => undefined).write('GET / HTTP/1.0\r\n\r\n');
    const silent = netConnect({ host, port });
    silent.on('error', () => undefined);
    await until(() => rejected.length === 4);
    assert.ok(rejected.includes('handshake took too long'), rejected.join());
    assert.ok(rejected.includes('no certificate'), rejected.join());
    assert.equal(accepted.length, 0);
    for (const one of [bare, old, rubbish, silent]) one.destroy();
  });

  it('bounds the handshakes under way, and recovers', async () => {
    const port = await listen(() => new Set([b.fingerprint]), { handshake_timeout_ms: 400 });
    const crowd = Array.from({ length: 40 }, () =>
      netConnect({ host, port }).on('error', () => undefined),
    );
    await until(() => rejected.length === 8);
    assert.deepEqual(new Set(rejected), new Set(['too many connections']));
    await until(() => rejected.length === 40);
    const socket = await connectTls({
      identity: b,
      host,
      port,
      expect: a.fingerprint,
      timeout_ms: 3000,
    });
    await until(() => accepted.length === 1);
    socket.destroy();
    crowd.forEach((one) => one.destroy());
  });

  it('a client speaks only to the expected node', async () => {
    const port = await listen(() => new Set([b.fingerprint]));
    const options = { identity: b, host, port, expect: stranger.fingerprint, timeout_ms: 3000 };
    await assert.rejects(connectTls(options), coded('certificate'));
    await assert.rejects(connectTls({ ...options, expect: '' }), coded('certificate'));
  });

  it('a client gives up: nobody there, or no answer', async () => {
    const options = { identity: b, host, expect: a.fingerprint, timeout_ms: 300 };
    await assert.rejects(connectTls({ ...options, port: 1 }), coded('network'));
    const silent = createServer((raw) => raw.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, host, resolve));
    const address = silent.address();
    assert.ok(typeof address === 'object' && address);
    await assert.rejects(connectTls({ ...options, port: address.port }), coded('timeout'));
    silent.close();
  });

  it('says when it cannot listen, and close drops everybody', async () => {
    const port = await listen(() => new Set([b.fingerprint]));
    const onConnection = () => undefined;
    await assert.rejects(
      listenTls({ identity: a, host, port, allowed: () => new Set(), onConnection }),
      coded('listen'),
    );
    const socket = await connectTls({
      identity: b,
      host,
      port,
      expect: a.fingerprint,
      timeout_ms: 3000,
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await listener?.close();
    listener = undefined;
    await closed;
  });
});
