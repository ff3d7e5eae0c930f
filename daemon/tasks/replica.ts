/** Tasks of a backup: the receiver, its activation, and clearing away (P6). */
import { join } from 'node:path';
import type { DataPlane } from '../data-plane.js';
import type { ReceiverState } from '../relay/control.js';
import { inVmRoom } from '../rooms.js';
import { configOf, type Context, type Executor } from './table.js';
import { incomingName, lookAt } from './hypervisor.js';
import { killReplication, type ReplicationParts, vifsOf } from './replication.js';
import type { Task } from '../core/effect.js';
import type { PeerDirectory } from '../peers.js';
import { patient } from '../adapters/patience.js';

type Names = 'launch-receiver' | 'activate' | 'clean';

export interface ReplicaParts extends ReplicationParts {
  readonly directory: PeerDirectory;
  /** The address that receivers listen on. */
  readonly address: () => string;
}

const LISTEN_MS = patient(15_000);
const ACTIVATE_MS = patient(90_000);
const ABORT_MS = patient(5_000);
const ORDER_MS = patient(3_000);
const ORDER_RETRY_MS = 50;

export function replicaTasks(parts: ReplicaParts): { readonly [K in Names]: Executor<K> } {
  return {
    'launch-receiver': (task, context) => launchReceiver(parts, task, context),
    activate: (_task, context) => activate(parts, context),
    clean: async (task, context) => {
      await clean(parts, context, task.domain);
      return undefined;
    },
  };
}

async function launchReceiver(
  parts: ReplicaParts,
  task: Extract<Task, { task: 'launch-receiver' }>,
  context: Context,
): Promise<{ port: number }> {
  const { rooms, host, directory } = parts;
  const { resource } = context;
  const { replica, from, config } = task;
  await directory.refresh();
  const peer = directory.get(from);
  if (peer === null)
    throw new Error(
      `${from} has not published its certificate; on ${from} type: systemctl restart remusd`,
    );
  await host.makeRoom(resource);
  await host.writeNote(resource, { role: 'backup', from, replica });
  await host.removeFiles(resource, ['receiver.sock']);
  const argv = [
    process.execPath,
    join(rooms.lib, 'daemon/relay/receiver-main.js'),
    ...['--rundir', rooms.run, '--statedir', rooms.state, '--resource', resource],
    ...['--name', config.domain],
    ...['--generation', String(replica.generation), '--session', replica.session],
    ...['--listen', parts.address(), '--expect', peer.fingerprint],
    ...['--replication-timeout-ms', String(config.replication_timeout_ms)],
  ];
  await host.spawnDetached(argv, inVmRoom(rooms, resource, 'receiver.log'));
  const plane = parts.planeOf(resource);
  plane.watchReceiver(replica);
  const state = await plane.untilReceiver(
    (one) => one.port > 0 || one.phase === 'ended',
    LISTEN_MS,
  );
  if (state.phase === 'ended')
    throw new Error(
      state.reason ??
        `the receiver ended at once; see ${join(rooms.run, resource, 'receiver.log')}`,
    );
  return { port: state.port };
}

/** P2: reached only from a promote; see core/promote.ts. */
async function activate(parts: ReplicaParts, context: Context): Promise<undefined> {
  const plane = parts.planeOf(context.resource);
  const { domain } = configOf(context);
  try {
    await order(parts, plane);
    const over = (state: ReceiverState): boolean =>
      state.phase === 'activated' || state.phase === 'ended';
    const state = await plane.untilReceiver(over, ACTIVATE_MS);
    if (state.phase === 'ended') throw new Error(state.reason ?? 'the receiver ended');
    // It stays until it knows that its word was heard.
    plane.tellReceiver({ type: 'ping' });
    return undefined;
  } catch (error) {
    // Its word may have been lost, but the domain tells, once nobody can change it any more.
    await endReceiver(parts, context.resource);
    const { guest, incoming } = await lookAt(parts.xl, domain);
    if (!incoming && guest.kind === 'running') return undefined;
    throw error;
  }
}

/** The line to the receiver may just be on its way back. */
async function order({ host }: ReplicaParts, plane: DataPlane): Promise<void> {
  for (let left = ORDER_MS; !plane.tellReceiver({ type: 'activate' }); left -= ORDER_RETRY_MS) {
    if (left <= 0)
      throw new Error('the receiver does not answer; type: journalctl -u remusd -n 50');
    await host.delay(ORDER_RETRY_MS);
  }
}

/** Everything of the VM on this node but, unless asked for, the running domain. */
async function clean(parts: ReplicaParts, context: Context, domainToo: boolean): Promise<void> {
  const { host, xl } = parts;
  const { resource } = context;
  const config = configOf(context);
  const { domain } = config;
  // First what could still change the domain: a late "xl create" would undo all this.
  await host.killAll(await host.strays({ ...config, resource }));
  await endReceiver(parts, resource);
  if (domainToo) {
    const vifs = await vifsOf(parts, resource);
    await killReplication(parts, resource);
    await xl.destroy(domain);
    await host.dropHold(vifs);
  }
  let look = await lookAt(xl, domain);
  if (look.incoming) {
    await xl.destroy(incomingName(domain));
    look = await lookAt(xl, domain);
  }
  if (look.incoming)
    throw new Error(`domain ${incomingName(domain)} cannot be destroyed; see "xl list"`);
  if (domainToo && look.guest.kind !== 'absent') {
    throw new Error(`domain ${domain} cannot be destroyed; see "xl list"`);
  }
  if (look.guest.kind === 'absent') await host.removeRoom(resource);
}

/** The receiver takes its replica down itself when it can; else both are killed. */
async function endReceiver(parts: ReplicaParts, resource: string): Promise<void> {
  const { host } = parts;
  const plane = parts.planeOf(resource);
  const found = await host.receivers(resource);
  if (found.length > 0) {
    plane.tellReceiver({ type: 'abort', reason: 'the replica is not wanted any more' });
    plane.closeReceiver();
    if (!(await host.allGone(found, ABORT_MS))) await host.killAll(found);
  }
  plane.closeReceiver();
  await host.killAll(await host.xlReceive(resource));
}
