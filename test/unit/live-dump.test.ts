/** `dump` on the control socket: from a sender's own socket through remusd to whoever has asked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../ctl/client.js';
import { systemClock } from '../../daemon/adapters/clock.js';
import { formatRequest, type ControlAnswer } from '../../daemon/adapters/control-protocol.js';
import { type ControlSocket, serveControlSocket } from '../../daemon/adapters/control-socket.js';
import { initialState, type Phase } from '../../daemon/core/state.js';
import { LiveDumps } from '../../daemon/live-dump.js';
import type { RemusNode } from '../../daemon/node.js';
import { parseSenderCommand } from '../../daemon/relay/commands.js';
import { type ControlConnection, ControlServer } from '../../daemon/relay/control-server.js';
import type { SenderState } from '../../daemon/relay/control.js';
import { parseDumpEvents } from '../../daemon/relay/dump-lines.js';
import { DumpTap } from '../../daemon/relay/dump-tap.js';
import { type RequestParts, Requests } from '../../daemon/requests.js';
import { roomsFrom } from '../../daemon/rooms.js';
import { StreamDecoder } from '../../daemon/stream/decoder.js';
import { checkpoint, pageData, preamble } from './stream/stream-builder.js';

const PROTECTED = { kind: 'primary', protection: { kind: 'protected' } } as unknown as Phase;
const PAUSED = {
  kind: 'primary',
  protection: { kind: 'none', reason: 'paused by the operator', peer: null },
} as unknown as Phase;
const REPLICA = { kind: 'replica', from: 'pm1' } as unknown as Phase;
const STATS: SenderState['stats'] = {
  ...{ sent: 2, acked: 2, acked_age_ms: 1, last_pause_ms: 1, last_ack_ms: 1, last_bytes: 1 },
  ...{ last_pages: 1, bytes_total: 1, first_copy_bytes: 1, guest_memory_bytes: 1, rate_per_s: 1 },
};
const long = Buffer.concat([...new Array<Buffer>(3_000).fill(pageData([0xd])), checkpoint(1)]);

/** A sender, as far as its socket and its stream go. */
class Sender {
  phase: SenderState['phase'] = 'flowing';
  /** Of this release. */
  dumps = true;
  /** What was said to it. */
  readonly heard: string[] = [];
  readonly tap = new DumpTap({ ...systemClock, soon: (work) => void setImmediate(work) });
  readonly #decoder = new StreamDecoder();
  #control: ControlServer | null = null;

  async listen(path: string): Promise<void> {
    this.#control = await ControlServer.listen(
      path,
      () => this.state,
      (line, connection) => this.#command(line, connection),
    );
    this.feed(Buffer.concat([preamble(), checkpoint(3)]));
  }

  get state(): SenderState {
    return {
      ...{ v: 1, role: 'sender', type: 'state', pid: 4711, resource: 'vm1', stats: STATS },
      ...{ phase: this.phase, holding: true, holding_none: false },
      replica: { generation: 1, session: 'ab12cd34' },
      ...(this.dumps ? { dumps: true } : {}),
    };
  }

  feed(bytes: Buffer): void {
    for (const event of this.#decoder.push(bytes)) this.tap.see(event);
  }

  /** Checkpoints come until `done`. */
  async flow(done: () => boolean, bytes = checkpoint(2)): Promise<void> {
    for (let n = 0; n < 1_000 && !done(); n += 1) {
      if (this.tap.busy) this.feed(bytes);
      await sleep(2);
    }
    assert.ok(done(), 'this was to come in time');
  }

  close(): Promise<void> | undefined {
    return this.#control?.close();
  }

  /** One of a former release drops who says what it does not know. */
  #command(line: string, connection: ControlConnection): boolean {
    this.heard.push(line);
    const command = parseSenderCommand(line);
    if (command?.type !== 'dump' || !this.dumps) return false;
    connection.mute();
    this.tap.begin(connection, command);
    return true;
  }
}

describe('dump of a VM, asked of remusd', function () {
  this.timeout(30_000);
  let dir = '';
  let socket: ControlSocket;
  let sender: Sender;
  let phase: Phase;
  /** What remusd has last heard of a sender. */
  let known: SenderState | null;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'remus-live-dump-'));
    mkdirSync(join(dir, 'vm1'));
    sender = new Sender();
    await sender.listen(join(dir, 'vm1', 'sender.sock'));
    phase = PROTECTED;
    known = sender.state;
    const vm = {
      driver: { state: initialState('pm2', 'vm1') },
      plane: {
        get sender() {
          return known;
        },
      },
    };
    const node = {
      name: 'pm2',
      known: (resource: string) => {
        vm.driver.state = { ...vm.driver.state, phase };
        return resource === 'vm1' ? vm : null;
      },
    } as unknown as RemusNode;
    const cluster = { readRecord: () => Promise.resolve('g=3 primary=pm1 grant=none') };
    const rooms = roomsFrom({ REMUS_RUNDIR: dir, REMUS_STATEDIR: dir }, dir);
    const requests = new Requests({
      ...{ node, cluster, clock: systemClock, recovered: Promise.resolve() },
      dumps: new LiveDumps({ node, cluster, rooms, clock: systemClock }),
    } as unknown as RequestParts);
    socket = await serveControlSocket({
      path: join(dir, 'remusd.sock'),
      handler: requests.handle,
    });
  });
  afterEach(async () => {
    await socket.close();
    await sender.close();
    rmSync(dir, { recursive: true });
  });

  const fields = (more: Readonly<Record<string, string>>) => ({
    ...{ action: 'dump', resource: 'vm1', checkpoints: '2', records: '1', wait_ms: '10000' },
    ...more,
  });

  async function dump(more: Readonly<Record<string, string>> = {}) {
    const items: unknown[] = [];
    const told: string[] = [];
    let answer: ControlAnswer | null = null;
    const path = join(dir, 'remusd.sock');
    const asked = ask(fields(more), {
      path,
      item: (item) => items.push(item),
      progress: (text) => text !== '' && told.push(text),
    }).then((said) => (answer = said));
    await sender.flow(
      () => answer !== null || !sender.dumps || known === null || more['idle'] === '1',
    );
    const { rc, reason, json } = await asked;
    return { rc, reason: reason ?? '', json, events: items.flatMap(parsed), told };
  }

  function parsed(item: unknown) {
    const events = parseDumpEvents(item);
    assert.ok(events !== null);
    return events;
  }

  it('the records of the next checkpoints, and that is all', async () => {
    const { rc, json, events, told } = await dump();
    assert.deepEqual([rc, json, told], [0, { checkpoints: 2 }, []]);
    const types = events.map(({ type }) => type).filter((type) => type !== 'record');
    const one = ['checkpoint-begin', 'checkpoint-end'];
    assert.deepEqual(types, ['header', 'image', ...one, ...one]);
    assert.equal(events.filter(({ type }) => type === 'record').length, 12);
    assert.equal(sender.tap.busy, false);
  });

  it('a VM that does not replicate: why, and what to type; nobody is asked', async () => {
    known = null;
    phase = PAUSED;
    const { rc, reason } = await dump();
    assert.equal(rc, 1);
    assert.match(reason, /^vm1 is not replicating \(unprotected: paused by the operator\)/);
    assert.match(reason, /type: remusctl status vm1$/);
    assert.deepEqual(sender.heard, []);
  });

  it('a sender that has ended meanwhile', async () => {
    await sender.close();
    phase = PAUSED;
    const { reason } = await dump({ idle: '1' });
    assert.match(reason, /^vm1 is not replicating \(unprotected: paused by the operator\)/);
  });

  it('typed on the backup, and on a node that knows nothing of it: where to type it', async () => {
    known = null;
    phase = REPLICA;
    assert.match((await dump()).reason, /^vm1 runs on pm1, .*type on pm1: remusctl dump vm1$/);
    assert.match((await dump({ resource: 'vm7' })).reason, /^vm7 runs on pm1, .*dump vm7$/);
  });

  it('a sender of a former release is asked nothing, and goes on', async () => {
    sender.dumps = false;
    const { rc, reason } = await dump();
    assert.equal(rc, 1);
    assert.match(reason, /started by a former release/);
    assert.match(reason, /type: remusctl resync vm1/);
    assert.deepEqual(sender.heard, []);
  });

  it('no checkpoint comes: what is waited for, and what to type', async () => {
    sender.phase = 'first-copy';
    known = sender.state;
    const { rc, reason, told } = await dump({ idle: '1', wait_ms: '300' });
    assert.equal(rc, 1);
    assert.match(reason, /^0 of 2 checkpoints came within 0.3 s: the first copy is under way; /);
    assert.match(reason, /to wait longer: remusctl dump vm1 --timeout S$/);
    assert.match(told.join(), /first copy is under way; the dump begins after it/);
  });

  it('replication ends: why', async () => {
    const asked = dump({ idle: '1' });
    await sender.flow(() => sender.tap.busy);
    sender.tap.end('the backup is gone');
    assert.match((await asked).reason, /^0 of 2 .* replication ended: the backup is gone; type: /);
  });

  it('a sender that breaks it off without a word', async () => {
    const asked = dump({ idle: '1' });
    await sender.flow(() => sender.tap.busy);
    await sender.close();
    assert.match((await asked).reason, /^the sender of vm1 broke the dump off: /);
  });

  it('what cannot be asked for', async () => {
    for (const more of [
      { checkpoints: '0' },
      { checkpoints: '101' },
      { records: 'x' },
      { wait_ms: '999999999' },
    ])
      assert.equal((await dump(more)).rc, 2);
    assert.deepEqual(sender.heard, []);
  });

  it('two at a time: the second is told so, and costs the sender no line', async () => {
    const one = dump({ idle: '1' });
    await sender.flow(() => sender.tap.busy);
    assert.match((await dump({ idle: '1' })).reason, /only one can; type it again$/);
    assert.equal(sender.heard.length, 1);
    sender.feed(Buffer.concat([checkpoint(1), checkpoint(1)]));
    assert.equal((await one).rc, 0);
  });

  it('who goes away ends it', async () => {
    const client = connect(join(dir, 'remusd.sock')).on('error', () => undefined);
    client.write(formatRequest(fields({ wait_ms: '600000' })));
    await sender.flow(() => sender.tap.busy);
    client.destroy();
    await once(client, 'close');
    await sender.flow(() => !sender.tap.busy);
  });

  it('who does not read is cut off, and neither remusd nor the sender keeps what he leaves', async () => {
    const client = connect(join(dir, 'remusd.sock')).on('error', () => undefined);
    client.pause().write(formatRequest(fields({ checkpoints: '100', wait_ms: '600000' })));
    await sender.flow(() => sender.tap.busy);
    let fed = 0;
    for (; fed < 99 && sender.tap.busy; fed += 1) {
      sender.feed(long);
      await sleep(50);
    }
    assert.equal(sender.tap.busy, false);
    assert.ok(fed < 40, `${fed} checkpoints were kept for him`);
    client.destroy();
  });
});
