/** Tasks that speak to Pacemaker. */
import { randomBytes } from 'node:crypto';
import type { Membership } from '../core/effect.js';
import { formatPause, type FoundPause, parsePause, type Pause } from '../core/pause-record.js';
import { formatRecord, laterPrimary, parseRecord, type VmRecord } from '../core/record.js';
import type { Peer } from '../core/state.js';
import type { Clock, Cluster, ClusterNode, ClusterStatus } from '../ports.js';
import type { PeerDirectory } from '../peers.js';
import type { Host } from './host.js';
import type { Context, Executor } from './table.js';

type Names =
  | 'read-record'
  | 'write-record'
  | 'grant'
  | 'withdraw'
  | 'membership'
  | 'find-peers'
  | 'planned-promotion'
  | 'write-pause'
  | 'end-pause';

/** How often it is looked whether all nodes have what this node's own CIB has taken: with calls that hang, within the deadline. */
const EVERYWHERE_TRIES = 4;
const SWAP_TRIES = 3;
const EVERYWHERE_RETRY_MS = 500;

export function clusterTasks(
  cluster: Cluster,
  directory: PeerDirectory,
  host: Pick<Host, 'delay'>,
  clock: Pick<Clock, 'wall'>,
): { readonly [K in Names]: Executor<K> } {
  return {
    'read-record': (task, { resource }) => cluster.readRecord(resource, task.at),
    'write-record': async (task, { resource, node }) => {
      if (task.over !== undefined) await mustBeOurs(cluster, resource, node, task.over);
      if (await cluster.swapRecord(resource, task.before, formatRecord(task.record)))
        return undefined;
      throw new Error('the record in the CIB has just been changed');
    },
    // The record first: a score without a record promotes nothing with memory.
    grant: async (task, context) => {
      const { resource } = context;
      await putRecord(cluster, context, task.record);
      await cluster.setPromotionScore(resource, task.node, task.score);
      return undefined;
    },
    withdraw: async (task, context) => {
      const { resource } = context;
      await putRecord(cluster, context, task.record);
      // Only the record decides. A score that stays too high for a moment costs a cold start elsewhere at worst.
      if (task.score !== null)
        await lowerScore(cluster, resource, task.node, task.score).catch(() => undefined);
      return undefined;
    },
    membership: async (task) => membershipOf(await cluster.status(), task.node),
    'find-peers': async (_task, { node, resource }) => {
      await directory.refresh();
      const status = await cluster.status();
      // While there is no DC, this node's own CIB is as good a guess as any.
      const text = await cluster.readPause(resource, status.dc ?? node);
      const paused = text === null ? null : foundPause(text, clock);
      const session = randomBytes(8).toString('hex');
      return { ...findPeers(status, node, directory), session, paused };
    },
    'write-pause': (task, { resource }) => writePause(cluster, host, resource, task.pause),
    'end-pause': async (task, { resource }) => {
      await cluster.endPause(resource, task.text);
      return undefined;
    },
    'planned-promotion': async (task, context) => {
      const { resource } = context;
      if (task.record !== null) await mendRecord(cluster, context, task.record);
      const planned = await cluster.plannedPromotion(resource);
      return { node: planned.kind === 'node' ? planned.node : null };
    },
  };
}

/** Without it the other node would refuse the memory that is about to be handed over. */
async function mendRecord(cluster: Cluster, context: Context, record: VmRecord): Promise<void> {
  const text = await cluster.readRecord(context.resource, 'dc');
  if (text === null || parseRecord(text) === null) await putRecord(cluster, context, record);
}

/**
 * The record of a primary, over whatever its own CIB has, unless a node has written that which was promoted since. The comparison is made
 * where the write is: one that comes late, from a program that hung, finds another record, and writes nothing.
 */
async function putRecord(
  cluster: Cluster,
  { resource, node }: Pick<Context, 'resource' | 'node'>,
  record: VmRecord,
): Promise<void> {
  for (let left = SWAP_TRIES; left > 0; left -= 1) {
    const before = await cluster.readRecord(resource, { node });
    const other = laterPrimary(before, record);
    if (other !== null) await mustBeOurs(cluster, resource, node, other);
    if (await cluster.swapRecord(resource, before, formatRecord(record))) return;
  }
  throw new Error('somebody else changes the record in the CIB all the time');
}

/** Who is right, this primary or the record that names another, is for Pacemaker to say: a CIB may come back from a merge. */
async function mustBeOurs(
  cluster: Cluster,
  resource: string,
  node: string,
  other: string,
): Promise<void> {
  const promoted = await cluster.promotedOn(resource);
  if (promoted.includes(node) && !promoted.includes(other)) return;
  const where = promoted.length === 0 ? 'nowhere' : promoted.join(' and ');
  throw new Error(
    `by the record in the CIB ${other} was promoted since, and by Pacemaker it runs ${where}`,
  );
}

/** The clocks of the nodes differ, and jump: that changes when it ends, and nothing else. */
function foundPause(text: string, clock: Pick<Clock, 'wall'>): FoundPause {
  const pause = parsePause(text);
  const left_ms = pause.until === null ? NaN : Date.parse(pause.until) - Date.parse(clock.wall());
  return { pause, text, left_ms: Number.isNaN(left_ms) ? null : left_ms };
}

/** A pause that is said to hold must outlive this node; a write returns when this node's own CIB has it. */
async function writePause(
  cluster: Cluster,
  host: Pick<Host, 'delay'>,
  resource: string,
  pause: Pause | null,
): Promise<{ readonly changed: boolean }> {
  const before = await cluster.readPause(resource, 'dc');
  const text = pause === null ? null : formatPause(pause);
  const unclean = text === null ? null : uncleanNode(await cluster.status());
  if (unclean !== null) throw new Error(unclean);
  // Never taken back: a call that hung would then undo what somebody has typed since.
  if (before !== text) await cluster.writePause(resource, text);
  for (let left = EVERYWHERE_TRIES; text !== null; left -= 1) {
    const lacking = await lacksPause(cluster, resource, text);
    if (lacking === null) break;
    if (left <= 1) throw new Error(lacking);
    await host.delay(EVERYWHERE_RETRY_MS);
  }
  return { changed: (before === null) !== (text === null) };
}

function uncleanNode({ nodes }: ClusterStatus): string | null {
  const found = nodes.find((node) => !node.online && node.unclean);
  return found === undefined ? null : `${found.name} is neither a member nor known to be down yet`;
}

/** @returns who may come to decide without knowing of the pause, as a sentence; null when nobody may. */
async function lacksPause(
  cluster: Cluster,
  resource: string,
  text: string,
): Promise<string | null> {
  const status = await cluster.status();
  const unclean = uncleanNode(status);
  if (unclean !== null) return unclean;
  const members = status.nodes.filter(({ online }) => online).map(({ name }) => name);
  for (const name of members)
    if ((await cluster.readPause(resource, name)) !== text) return `${name} does not have it yet`;
  return null;
}

/** A backup that was stopped has taken its score away: there it must not come back. */
async function lowerScore(
  cluster: Cluster,
  resource: string,
  node: string,
  score: number,
): Promise<void> {
  if (await cluster.hasPromotionScore(resource, node))
    await cluster.setPromotionScore(resource, node, score);
}

/** The rule of DESIGN section 4: member, known down, or neither. */
export function membershipOf(status: ClusterStatus, name: string): Membership {
  const node = status.nodes.find((one) => one.name === name);
  // A node that the cluster does not know was removed from it, which Pacemaker allows only when it is down.
  if (node === undefined) return 'fenced';
  if (node.online) return node.pending ? 'neither' : 'member';
  return node.unclean ? 'neither' : 'fenced';
}

function findPeers(
  status: ClusterStatus,
  self: string,
  directory: PeerDirectory,
): { readonly peers: readonly Peer[]; readonly none_because: string } {
  const others = status.nodes.filter((node) => node.name !== self);
  const usable = others.filter((node) => node.online && !node.standby && !node.pending);
  const peers = usable.map((node) => directory.get(node.name)).filter((peer) => peer !== null);
  return { peers, none_because: peers.length > 0 ? '' : whyNone(others, usable) };
}

function whyNone(others: readonly ClusterNode[], usable: readonly ClusterNode[]): string {
  const [peer] = usable;
  if (peer !== undefined) return `remusd does not run on ${peer.name}`;
  const [other] = others;
  if (other === undefined) return 'the cluster has no other node';
  if (others.length > 1) return 'no other node is online and not in standby';
  return `peer ${other.name} is ${absence(other)}`;
}

/** A node that joins is shown as in standby, too, until it is ready to run resources. */
export function absence({ online, standby, pending }: ClusterNode): string {
  if (!online) return 'offline';
  return standby && !pending ? 'in standby' : 'joining the cluster';
}
