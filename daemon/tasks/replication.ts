/** Tasks of a primary's replication: `xl remus`, our sender below it, and the output it holds. */
import { join } from 'node:path';
import type { DataPlane } from '../data-plane.js';
import type { Xl } from '../ports.js';
import { inVmRoom, type Rooms } from '../rooms.js';
import type { Host } from './host.js';
import { lookAt } from './hypervisor.js';
import { configOf, type Context, type Executor } from './table.js';
import type { Task } from '../core/effect.js';
import type { VmConfig } from '../core/state.js';
import { isAdapterError } from '../adapters/errors.js';
import { patient } from '../adapters/patience.js';

type Names =
  'launch-remus' | 'finish-sender' | 'end-replication' | 'lift-hold' | 'destroy-handed-over';

export interface ReplicationParts {
  readonly rooms: Rooms;
  readonly host: Host;
  readonly xl: Xl;
  readonly planeOf: (resource: string) => DataPlane;
  readonly noteHandover: (resource: string) => Promise<void>;
}

/** How long `xl remus` may take to resume the guest by itself once its transport has ended. */
const RESUME_BY_XL_MS = patient(5_000);
/** How long a sender may take to end itself. */
const SENDER_ENDS_MS = 500;

export function replicationTasks(parts: ReplicationParts): {
  readonly [K in Names]: Executor<K>;
} {
  return {
    'launch-remus': (task, context) => launch(parts, task, context),
    'finish-sender': async ({ freeze }, context) => {
      const plane = parts.planeOf(context.resource);
      if (!plane.tellSender({ type: 'finish', freeze }))
        throw new Error('the sender does not answer');
      const ms = configOf(context).replication_timeout_ms + configOf(context).interval_ms + 2_000;
      await plane.untilSender((state) => state.phase === 'finished', ms);
      return undefined;
    },
    'end-replication': async (task, context) => {
      await endReplication(parts, context, task.reason);
      return undefined;
    },
    'lift-hold': async (_task, { resource }) => {
      await parts.host.liftHold(await vifsOf(parts, resource));
      // A daemon that comes back need not withdraw what is over.
      await parts.host.removeFiles(resource, ['replication.json']);
      return undefined;
    },
    'destroy-handed-over': async (_task, context) => {
      await parts.noteHandover(context.resource);
      await killReplication(parts, context.resource);
      await parts.xl.destroy(configOf(context).domain);
      await parts.host.dropHold(await vifsOf(parts, context.resource));
      const { guest } = await lookAt(parts.xl, configOf(context).domain);
      if (guest.kind !== 'absent')
        throw new Error(`domain ${configOf(context).domain} is still there`);
      return undefined;
    },
  };
}

async function launch(
  parts: ReplicationParts,
  task: Extract<Task, { task: 'launch-remus' }>,
  context: Context,
): Promise<undefined> {
  const { rooms, host, xl } = parts;
  const { resource } = context;
  const { guest } = await lookAt(xl, task.config.domain);
  if (guest.kind !== 'running') throw new Error(`domain ${task.config.domain} is ${guest.kind}`);
  await host.makeRoom(resource);
  const vifs = await heldVifs(parts, guest.domid, task.config);
  const { peer, replica, move } = task;
  const { netbuf } = task.config;
  await host.writeNote(resource, { role: 'primary', peer, replica, vifs, netbuf, move });
  await host.removeFiles(resource, ['sender.sock', 'sender.pid', 'xl-remus.log']);
  const log_path = inVmRoom(rooms, resource, 'xl-remus.log');
  await host.spawnDetached(remusArgv(rooms, task, resource, vifs), log_path);
  parts.planeOf(resource).watchSender(task.replica);
  return undefined;
}

/**
 * Whose output is to be held. With netbuf=off nobody's, and what a former replica may have left of its hold is let go: from here
 * on nothing of this VM knows of those vifs.
 */
async function heldVifs(
  { host, xl }: ReplicationParts,
  domid: number,
  { netbuf }: VmConfig,
): Promise<string[]> {
  if (netbuf === 'on') return [...(await xl.vifs(domid))];
  await host.liftHold(await couldBeHeld(xl, domid));
  return [];
}

/** None of a domain with a vif that dom0 does not serve: it has never been replicated with netbuf=on. */
async function couldBeHeld(xl: Xl, domid: number): Promise<readonly string[]> {
  try {
    return await xl.vifs(domid);
  } catch (error) {
    if (isAdapterError(error) && error.code === 'unsupported') return [];
    throw error;
  }
}

/** `xl remus` without libxl's buffering and disks, which stock builds lack (facts): holding output is ours. */
function remusArgv(
  rooms: Rooms,
  task: Extract<Task, { task: 'launch-remus' }>,
  resource: string,
  vifs: readonly string[],
): string[] {
  const { peer, replica, config } = task;
  const sender = [
    process.execPath,
    join(rooms.lib, 'daemon/relay/sender-main.js'),
    ...['--rundir', rooms.run, '--statedir', rooms.state, '--resource', resource],
    ...['--generation', String(replica.generation), '--session', replica.session],
    ...['--connect', `${peer.address}:${task.port}`, '--expect', peer.fingerprint],
    ...['--vifs', vifs.join(',')],
    ...['--replication-timeout-ms', String(config.replication_timeout_ms)],
    ...['--compression', config.compression, '--netbuf', config.netbuf],
    ...['--domain', config.domain],
  ];
  const command = `exec ${sender.map(quoted).join(' ')}`;
  return [
    ...['xl', 'remus', '-F', '-n', '-d', '-i', String(config.interval_ms)],
    ...['-s', '', config.domain, command],
  ];
}

/** xl hands the command to `sh -c`. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * P5: the transport ends first, because then xl resumes the guest by itself; a killed xl leaves it as it
 * was, maybe suspended for ever, and then it is resumed here.
 */
async function endReplication(
  parts: ReplicationParts,
  context: Context,
  reason: string,
): Promise<void> {
  const { host, xl } = parts;
  const { resource } = context;
  const { domain } = configOf(context);
  const found = await host.senders(resource);
  if (found.length > 0) {
    parts.planeOf(resource).tellSender({ type: 'stop', reason });
    if (!(await host.allGone(found, SENDER_ENDS_MS))) await host.killAll(found);
  }
  await unfreeze(parts, context);
  // Of a guest that has ended, xl would wait a minute for nothing.
  const { guest } = await lookAt(xl, domain);
  const worth = guest.kind === 'running' || guest.kind === 'suspended' || guest.kind === 'paused';
  const xls = await host.xlRemus(resource);
  if (!(worth && (await host.allGone(xls, RESUME_BY_XL_MS)))) await host.killAll(xls);
  // xl may have started its sender just after the look for it: output that this one held nobody would let go.
  await host.killAll(await host.senders(resource));
  parts.planeOf(resource).closeSender();
  await resumeIfLeft(xl, domain);
}

/** mode=restart: the guest was paused for a handover that does not come. With the sender gone nobody does it again. */
async function unfreeze({ host, xl }: ReplicationParts, context: Context): Promise<void> {
  const note = await host.readNote(context.resource);
  if (note?.role !== 'primary' || !note.move) return;
  const { domain } = configOf(context);
  await host.killAll(await host.pausers(domain));
  const found = (await xl.list()).find(({ name }) => name === domain);
  if (found?.paused === true) await xl.unpause(domain);
}

async function resumeIfLeft(xl: Xl, domain: string): Promise<void> {
  const { guest } = await lookAt(xl, domain);
  if (guest.kind === 'suspended') await xl.resume(guest.domid, domain);
}

/** Sender and `xl remus` at once, no resume: the domain is about to be destroyed. */
export async function killReplication(
  { host, planeOf }: Pick<ReplicationParts, 'host' | 'planeOf'>,
  resource: string,
): Promise<void> {
  await host.killAll(await host.xlRemus(resource));
  await host.killAll(await host.senders(resource));
  planeOf(resource).closeSender();
}

export async function vifsOf(
  { host }: Pick<ReplicationParts, 'host'>,
  resource: string,
): Promise<readonly string[]> {
  const note = await host.readNote(resource);
  return note?.role === 'primary' ? note.vifs : [];
}
