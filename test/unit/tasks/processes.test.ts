/** The VM's processes are found by what they are; what a killed daemon has left behind changes nothing any more. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../daemon/adapters/clock.js';
import { createExec } from '../../../daemon/adapters/exec.js';
import { DataPlane } from '../../../daemon/data-plane.js';
import { PeerDirectory } from '../../../daemon/peers.js';
import type { Domain, Xl } from '../../../daemon/ports.js';
import {
  killAll,
  receivers,
  senders,
  strays,
  xlReceive,
  xlRemus,
} from '../../../daemon/tasks/processes.js';
import { realHost } from '../../../daemon/tasks/host.js';
import { replicaTasks } from '../../../daemon/tasks/replica.js';
import { recordWrites } from '../../support/record-writes.js';
import { CONFIG } from '../core/rig.js';

/**
 * Says that it runs, then waits for its input, which never comes: without a child, which would have the same
 * command line for a moment.
 */
const STAY = '#!/bin/sh\necho up\nread -r _\n';

let dir: string;
let children: ChildProcess[];
/** Of no other VM on this machine: others may be testing, and what we take for a stray we kill. */
let vm: typeof CONFIG;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'remus-processes-'));
  children = [];
  const resource = `vm${process.pid}`;
  vm = { ...CONFIG, resource, domain: resource, config_path: join(dir, 'vm1.cfg') };
  mkdirSync(join(dir, 'run/vm1'), { recursive: true });
  for (const name of [
    'xl',
    'cibadmin',
    'libxl-save-helper',
    'sender-main.js',
    'receiver-main.js',
  ]) {
    writeFileSync(join(dir, name), STAY);
    chmodSync(join(dir, name), 0o755);
  }
});
afterEach(() => {
  for (const { pid } of children) {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
  rmSync(dir, { recursive: true });
});

function rooms(): { run: string; state: string; lib: string } {
  return { run: join(dir, 'run'), state: join(dir, 'state'), lib: dir };
}

/** @returns its pid, once it runs. */
async function run(name: string, ...args: readonly string[]): Promise<number> {
  const child = spawn(join(dir, name), args, {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  children.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child.pid ?? -1;
}

function relay(name: string, resource: string): Promise<number> {
  return run(
    name,
    '--rundir',
    rooms().run,
    '--statedir',
    '/s',
    '--resource',
    resource,
    '--name',
    'x',
  );
}

const pids = (all: readonly { readonly pid: number }[]): number[] => all.map(({ pid }) => pid);

describe("tasks: a VM's processes", () => {
  it("are told from another VM's, by no number that was written down", async () => {
    const scope = { rooms: rooms(), resource: 'vm1' };
    const sender = await relay('sender-main.js', 'vm1');
    await relay('sender-main.js', 'vm10');
    const receiver = await relay('receiver-main.js', 'vm1');
    await relay('receiver-main.js', 'vm2');
    const command = (vm: string): string =>
      `exec 'node' 'sender-main.js' '--rundir' '${rooms().run}' '--statedir' '/s' '--resource' '${vm}' '--x' 'y'`;
    const xl = await run('xl', 'remus', '-F', '-s', '', 'vm1', command('vm1'));
    await run('xl', 'remus', '-F', '-s', '', 'vm10', command('vm10'));
    assert.deepEqual(pids(await senders(scope)), [sender]);
    assert.deepEqual(pids(await receivers(scope)), [receiver]);
    assert.deepEqual(pids(await xlRemus(scope)), [xl]);
  });

  it('xl migrate-receive is known by the pipe that it reads, also when that has been removed', async () => {
    const fifo = join(rooms().run, 'vm1/fifo');
    writeFileSync(fifo, '');
    const script = 'exec 9<>"$0"; exec "$1" migrate-receive -r -e';
    const child = spawn('sh', ['-c', script, fifo, join(dir, 'xl')], { detached: true });
    children.push(child);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await run('xl', 'migrate-receive', '-r', '-e');
    const scope = { rooms: rooms(), resource: 'vm1' };
    assert.deepEqual(pids(await xlReceive(scope)), [child.pid]);
    rmSync(fifo);
    assert.deepEqual(pids(await xlReceive(scope)), [child.pid]);
    await killAll(await xlReceive(scope));
    assert.deepEqual(await xlReceive(scope), []);
  });

  it('so is the helper that a killed xl has left with both ends of the pipe', async () => {
    const fifo = join(rooms().run, 'vm1/fifo');
    writeFileSync(fifo, '');
    const script = 'exec 9<>"$0"; exec "$1" --restore-domain 12 21 5 1 0 2 0 800 1';
    const helper = join(dir, 'libxl-save-helper');
    const child = spawn('sh', ['-c', script, fifo, helper], { detached: true });
    children.push(child);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await run('libxl-save-helper', '--restore-domain', '12', '21');
    rmSync(fifo);
    assert.deepEqual(pids(await realHost(rooms(), createExec()).xlReceive('vm1')), [child.pid]);
    assert.deepEqual(pids(await xlReceive({ rooms: rooms(), resource: 'vm1' })), []);
  });

  it('strays are calls that would change the domain or the record, and no others', async () => {
    const expected = [
      await run('xl', 'create', '-e', vm.config_path),
      await run('xl', 'destroy', vm.domain),
      await run('xl', 'shutdown', vm.domain),
    ];
    for (const write of await recordWrites(vm.resource))
      expected.push(await run('cibadmin', ...write));
    await run('xl', 'create', '-e', `${vm.config_path}2`);
    await run('xl', 'destroy', `${vm.domain}2`);
    await run('xl', 'list', '-v');
    for (const write of await recordWrites(`${vm.resource}2`)) await run('cibadmin', ...write);
    await run('cibadmin', '--query', '--xpath', `//nvpair[@name='remus-record-${vm.resource}']`);
    assert.deepEqual(pids(await strays(vm)).sort(), expected.sort());
  });
});

describe('tasks: clean', () => {
  function task(xl: Partial<Xl>): () => Promise<undefined> {
    const unused = (): never => assert.fail('not asked for');
    const parts = {
      rooms: rooms(),
      host: realHost(rooms(), createExec()),
      xl: xl as Xl,
      planeOf: () => new DataPlane(rooms(), 'vm1', systemClock, () => undefined),
      noteHandover: unused,
      directory: new PeerDirectory({ attribute: unused }),
      address: unused,
    };
    const context = { resource: 'vm1', node: 'pm1', config: vm };
    return () => replicaTasks(parts).clean({ task: 'clean', domain: true }, context);
  }

  it('a late "xl create" of a daemon that was killed does not come after it (P1)', async () => {
    const creator = await run('xl', 'create', '-e', vm.config_path);
    const receiver = await relay('receiver-main.js', 'vm1');
    // A number that is somebody else's by now.
    const other = await relay('receiver-main.js', 'vm2');
    writeFileSync(join(rooms().run, 'vm1/receiver.pid'), `${other}\n`);
    const calls: string[] = [];
    const lives = (pid: number): boolean => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    const clean = task({
      list: () => Promise.resolve<Domain[]>([]),
      destroy: (name) => {
        calls.push(`destroy ${name}, ${lives(creator) ? 'while it is created' : 'alone'}`);
        return Promise.resolve();
      },
    });
    await clean();
    assert.deepEqual(calls, [`destroy ${vm.domain}, alone`]);
    assert.equal(lives(receiver), false);
    assert.equal(lives(other), true);
  });
});
