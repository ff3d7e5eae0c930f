/** Puts the facts together: the cluster's, this node's, and those of its peers, if there is somebody to ask them. */
import { sentenceOf } from '../adapters/errors.js';
import { gatherCluster } from '../adapters/cluster-facts.js';
import { PeerError } from '../adapters/peer-control.js';
import { gatherNode, type NodeParts } from './gather-node.js';
import {
  type ClusterFacts,
  type DaemonFacts,
  type Facts,
  type FactsRequest,
  type NodeProblem,
  type NodeView,
  nodeFacts,
  type NodeFacts,
  value,
  type VmFacts,
} from './facts.js';

/** Configurations that are asked of a peer at a time: the answer must fit into a frame. */
const BATCH = 64;

export interface CollectParts extends NodeParts {
  readonly daemon: DaemonFacts;
  /** The peers that are known without Pacemaker. */
  readonly peers: () => readonly string[];
  /** Asks a peer; null: there is nobody who could. */
  readonly ask: ((node: string, request: FactsRequest) => Promise<unknown>) | null;
}

/** @param more a VM that the cluster does not have (yet), or has with other parameters */
export async function collect(parts: CollectParts, more: VmFacts | null): Promise<Facts> {
  const cluster = await gatherCluster(parts.exec);
  const vms = vmsOf(cluster, more);
  const names = nodeNames(cluster, parts);
  const request: FactsRequest = {
    configs: [...new Set(vms.map(({ config_path }) => config_path))].slice(0, 256),
    targets: names.slice(0, 64),
  };
  const others = names.filter((name) => name !== parts.node);
  const [own, ...rest] = await Promise.all([
    gatherNode(parts, request),
    ...others.map((name) => viewOf(name, parts, cluster, request)),
  ]);
  const here: NodeView = { name: parts.node, facts: own, problem: null, clock: null };
  const { node, release, daemon } = parts;
  return { here: node, release, daemon, cluster, nodes: [here, ...rest], vms };
}

function vmsOf(cluster: ClusterFacts, more: VmFacts | null): readonly VmFacts[] {
  const configured = value(cluster.configuration)?.vms ?? [];
  if (more === null) return configured;
  const known = configured.find(({ resource, config_path }) =>
    more.resource === null ? config_path === more.config_path : resource === more.resource,
  );
  if (known === undefined) return [...configured, more];
  if (more.resource === null) return configured;
  const { config_path, name, allow_unfenced, unsafe_disks, netbuf_off, restarts } = more;
  const params = { config_path, name, allow_unfenced, unsafe_disks, netbuf_off, restarts };
  return configured.map((vm) => (vm === known ? { ...vm, ...params } : vm));
}

function nodeNames(cluster: ClusterFacts, { node, peers }: CollectParts): readonly string[] {
  const members = value(cluster.live)?.members.map(({ name }) => name);
  const configured = value(cluster.configuration)?.nodes;
  return [...new Set([node, ...(members ?? configured ?? peers())])];
}

async function viewOf(
  name: string,
  parts: CollectParts,
  cluster: ClusterFacts,
  request: FactsRequest,
): Promise<NodeView> {
  const without = (kind: NodeProblem, sentence: string): NodeView => {
    return { name, facts: null, problem: { kind, sentence }, clock: null };
  };
  const member = value(cluster.live)?.members.find((one) => one.name === name);
  if (member?.online === false) return without('offline', 'it is offline');
  const { ask, now } = parts;
  if (ask === null) return without('unasked', `only a running remusd can ask it`);
  try {
    const began_ms = now();
    const first = await asked(ask, name, { ...request, configs: request.configs.slice(0, BATCH) });
    const clock = clockOf(first, began_ms, now());
    const configs = [...first.configs];
    for (let at = BATCH; at < request.configs.length; at += BATCH) {
      const batch = { configs: request.configs.slice(at, at + BATCH), targets: [] };
      configs.push(...(await asked(ask, name, batch)).configs);
    }
    return { name, facts: { ...first, configs }, problem: null, clock };
  } catch (error) {
    const kind = problemOf(error);
    // A node that is out of the cluster is known to nobody: its peers turn it away.
    if ('failed' in cluster.live && kind !== 'protocol' && kind !== 'older')
      return without('unasked', 'it cannot be asked while Pacemaker does not run here');
    const sentence = sentenceOf(error);
    return without(
      kind,
      sentence.startsWith(`${name}: `) ? sentence.slice(name.length + 2) : sentence,
    );
  }
}

async function asked(
  ask: NonNullable<CollectParts['ask']>,
  name: string,
  request: FactsRequest,
): Promise<NodeFacts> {
  const answer = nodeFacts.safeParse(await ask(name, request));
  if (answer.success && answer.data.node === name) return answer.data;
  const what = answer.success ? 'another name' : (answer.error.issues[0]?.path.join('.') ?? '');
  throw new Error(
    `remusd on ${name} answered something else than its facts (${what}); install the same release on both nodes`,
  );
}

/** As NTP has it: the middle of both ways. */
export function clockOf(
  { received_ms, sent_ms }: Pick<NodeFacts, 'received_ms' | 'sent_ms'>,
  began_ms: number,
  ended_ms: number,
): NonNullable<NodeView['clock']> {
  return {
    ahead_ms: (received_ms - began_ms + sent_ms - ended_ms) / 2,
    give_ms: Math.max(0, (ended_ms - began_ms - (sent_ms - received_ms)) / 2),
  };
}

function problemOf(error: unknown): NodeProblem {
  if (error instanceof PeerError) {
    if (error.code === 'certificate') return 'certificate';
    if (error.code === 'version') return 'protocol';
    return error.remote_code === 'unknown-method' ? 'older' : 'unreachable';
  }
  // PeerCalls refuses to call a node that has published no address.
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'refused' ? 'no-remusd' : 'unreachable';
}
