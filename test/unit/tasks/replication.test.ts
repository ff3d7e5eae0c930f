import assert from 'node:assert/strict';
import { XlError } from '../../../daemon/adapters/xl.js';
import type { VmConfig } from '../../../daemon/core/state.js';
import { dropHold, liftHold } from '../../../daemon/adapters/tc.js';
import type { ReplicationNote } from '../../../daemon/tasks/notes.js';
import type { Exec } from '../../../daemon/ports.js';
import { replicationTasks, type ReplicationParts } from '../../../daemon/tasks/replication.js';
import type { Context } from '../../../daemon/tasks/table.js';
import { CONFIG, peerNamed } from '../core/rig.js';

const CONTEXT = { resource: 'vm1', node: 'pm1', config: { domain: 'guest1' } } as Context;

describe('tasks/replication: the end of it', () => {
  it('takes a sender too that xl has started just after the look for it', async () => {
    const killed: string[] = [];
    const alive = new Set(['xl']);
    const host = {
      senders: () => Promise.resolve(alive.has('sender') ? ['sender'] : []),
      xlRemus: () => {
        alive.add('sender');
        return Promise.resolve(['xl']);
      },
      readNote: () => Promise.resolve(null),
      killAll: (found: readonly string[]) => {
        for (const process of found) if (alive.delete(process)) killed.push(process);
        return Promise.resolve();
      },
    };
    const xl = { list: () => Promise.resolve([]) };
    const plane = { closeSender: () => undefined };
    const parts = { host, xl, planeOf: () => plane } as unknown as ReplicationParts;
    await replicationTasks(parts)['end-replication'](
      { task: 'end-replication', reason: 'the guest crashed' },
      CONTEXT,
    );
    assert.deepEqual(killed, ['xl', 'sender']);
  });

  it('lets a guest go on that was paused for a move, when nobody can pause it any more', async () => {
    const done: string[] = [];
    const host = {
      senders: () => Promise.resolve([]),
      pausers: (domain: string) => Promise.resolve([`xl pause ${domain}`]),
      xlRemus: () => Promise.resolve([]),
      allGone: () => Promise.resolve(true),
      killAll: (found: readonly string[]) => Promise.resolve(void done.push(...found)),
      readNote: () => Promise.resolve({ role: 'primary', move: true }),
    };
    const frozen = { name: 'guest1', domid: 7, paused: true, shutdown: false };
    const xl = {
      list: () => Promise.resolve([frozen]),
      unpause: (name: string) => Promise.resolve(void done.push(`xl unpause ${name}`)),
    };
    const parts = { host, xl, planeOf: () => ({ closeSender: () => undefined }) };
    await replicationTasks(parts as unknown as ReplicationParts)['end-replication'](
      { task: 'end-replication', reason: 'the backup has refused' },
      CONTEXT,
    );
    assert.deepEqual(done, ['xl pause guest1', 'xl unpause guest1']);
  });
});

/** A primary whose replication is launched: what its machine was told, and what is left of a former hold on its output. */
class Primary {
  /** Commands of tc and ip, but for those that only look. */
  readonly typed: string[] = [];
  readonly links = new Set(['vif7.0']);
  argv: readonly string[] = [];
  note: ReplicationNote | null = null;
  vifs: () => Promise<readonly string[]> = () => Promise.resolve(['vif7.0']);
  readonly #context: Context;
  readonly #config: VmConfig;

  constructor(netbuf: VmConfig['netbuf']) {
    this.#config = { ...CONFIG, netbuf };
    this.#context = { resource: 'vm1', node: 'pm1', config: this.#config };
  }

  /** What a hold on the output of vif7.0 leaves in the kernel. */
  leaveHold(): void {
    this.links.add('rem7.0');
  }

  readonly #exec: Exec = {
    run: (argv) => {
      const line = argv.join(' ');
      const name = argv.at(-1) ?? '';
      const there = this.links.has(name);
      const looks = / show /.test(line);
      if (!looks) this.typed.push(line);
      if (line.startsWith('ip link del')) this.links.delete(name);
      const held = this.links.has('rem7.0') && line === 'tc qdisc show dev vif7.0';
      return Promise.resolve({
        ...{ argv, code: looks && argv[0] === 'ip' && !there ? 1 : 0, signal: null },
        stdout: held && !this.typed.includes(REDIRECTION_GONE) ? 'qdisc ingress ffff: dev' : '',
        stderr: there ? '' : `Device "${name}" does not exist.`,
        ...{ timed_out: false, duration_ms: 1 },
      });
    },
    spawnDetached: () => Promise.reject(new Error('not used')),
  };

  get #parts(): ReplicationParts {
    const exec = this.#exec;
    const plane = { watchSender: () => undefined, closeSender: () => undefined };
    const host = {
      makeRoom: () => Promise.resolve(),
      removeFiles: () => Promise.resolve(),
      writeNote: (_vm: string, note: ReplicationNote) => Promise.resolve((this.note = note)),
      readNote: () => Promise.resolve(this.note),
      spawnDetached: (argv: readonly string[]) => Promise.resolve((this.argv = argv)),
      liftHold: (vifs: readonly string[]) => liftHold(vifs, { exec }),
      dropHold: (vifs: readonly string[]) => dropHold(vifs, { exec }),
      ...{ xlRemus: () => Promise.resolve([]), senders: () => Promise.resolve([]) },
      killAll: () => Promise.resolve(),
    };
    const running = { name: 'vm1', domid: 7, running: true, blocked: false, paused: false };
    const alive = { ...running, shutdown: false, dying: false, crashed: false, mem_mib: 96 };
    let there = true;
    const xl = {
      list: () => Promise.resolve(there ? [alive] : []),
      destroy: () => Promise.resolve((there = false)),
      vifs: () => this.vifs(),
    };
    const rooms = { run: '/run/x', state: '/var/x', lib: '/lib/x' };
    const noteHandover = (): Promise<void> => Promise.resolve();
    return { rooms, host, xl, planeOf: () => plane, noteHandover } as unknown as ReplicationParts;
  }

  async launch(): Promise<void> {
    const replica = { generation: 1, session: 'aaaaaaaa' };
    await replicationTasks(this.#parts)['launch-remus'](
      {
        ...{ task: 'launch-remus', peer: peerNamed('pm2'), port: 1, replica },
        ...{ config: this.#config, move: false },
      },
      this.#context,
    );
  }

  async lift(): Promise<void> {
    await replicationTasks(this.#parts)['lift-hold']({ task: 'lift-hold' }, this.#context);
  }

  async handOver(): Promise<void> {
    const task = { task: 'destroy-handed-over' } as const;
    await replicationTasks(this.#parts)['destroy-handed-over'](task, this.#context);
  }

  get vifsNoted(): readonly string[] | null {
    return this.note?.role === 'primary' ? this.note.vifs : null;
  }
}

const REDIRECTION_GONE = 'tc qdisc del dev vif7.0 ingress';

describe('tasks/replication: netbuf', () => {
  it('on: the sender is told whose output to hold, and so is whoever ends it', async () => {
    const primary = new Primary('on');
    await primary.launch();
    assert.match(primary.argv.join(' '), /'--vifs' 'vif7\.0' .*'--netbuf' 'on'/);
    assert.deepEqual(primary.vifsNoted, ['vif7.0']);
    primary.leaveHold();
    await primary.lift();
    assert.deepEqual(primary.typed, [
      'tc qdisc change dev rem7.0 root plug release_indefinite',
      REDIRECTION_GONE,
      'ip link del rem7.0',
    ]);
  });

  it('off: nothing is set up, let go or dropped, not at the end and not in a handover', async () => {
    const primary = new Primary('off');
    await primary.launch();
    assert.match(primary.argv.join(' '), /'--vifs' '' .*'--netbuf' 'off'/);
    await primary.lift();
    await primary.handOver();
    assert.deepEqual(primary.typed, []);
    assert.ok(primary.note?.role === 'primary');
    assert.deepEqual([primary.note.vifs, primary.note.netbuf], [[], 'off']);
  });

  it('switched off: what is left of a hold is let go and removed before replication begins', async () => {
    const primary = new Primary('off');
    primary.leaveHold();
    await primary.launch();
    assert.deepEqual(primary.typed, [
      'tc qdisc change dev rem7.0 root plug release_indefinite',
      REDIRECTION_GONE,
      'ip link del rem7.0',
    ]);
    assert.deepEqual([...primary.links], ['vif7.0']);
    assert.deepEqual(primary.vifsNoted, []);
  });

  it('off takes an interface that another domain serves, on does not; an xl that fails is a failure', async () => {
    const foreign = () => Promise.reject(new XlError('unsupported', 'not of dom0', 'not of dom0'));
    const [on, off] = [new Primary('on'), new Primary('off')];
    on.vifs = foreign;
    off.vifs = foreign;
    await assert.rejects(on.launch(), /not of dom0/);
    await off.launch();
    assert.deepEqual(off.typed, []);
    off.vifs = () => Promise.reject(new XlError('failed', 'xl failed', 'xl failed'));
    await assert.rejects(off.launch(), /xl failed/);
  });
});
