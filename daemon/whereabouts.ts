/** Where a VM runs, for the operator's commands: typed on any node, they are carried out on one. */
import { parseRecord, type VmRecord } from './core/record.js';
import type { Phase } from './core/state.js';
import type { RemusNode } from './node.js';
import type { Cluster } from './ports.js';
import { roleOf } from './status-view.js';

export interface WhereParts {
  readonly node: Pick<RemusNode, 'name' | 'known'>;
  readonly cluster: Pick<Cluster, 'readRecord'>;
}

export type Whereabouts =
  | { readonly kind: 'here' }
  | { readonly kind: 'there'; readonly node: string }
  | { readonly kind: 'refused'; readonly reason: string };

export async function whereItRuns(parts: WhereParts, resource: string): Promise<Whereabouts> {
  const { node } = parts;
  const phase = node.known(resource)?.driver.state.phase;
  const elsewhere = phase === undefined || roleOf(phase) === 'backup';
  if (!elsewhere || phase?.kind === 'promoting') return { kind: 'here' };
  // A paused VM's backup holds no replica, and a third node knows nothing of the VM: then its record says where it runs.
  const from = phase?.kind === 'replica' ? phase.from : (await otherPrimary(parts, resource))?.node;
  if (from !== undefined) return { kind: 'there', node: from };
  if (phase === undefined) return { kind: 'refused', reason: unknownVm(resource, node.name) };
  const reason = `${resource} does not run anywhere, as far as its record says; see "crm_mon -1A"`;
  return { kind: 'refused', reason };
}

interface OtherPrimary {
  readonly node: string;
  readonly record: VmRecord;
}

/** By its record; null when that names no other node. */
async function otherPrimary(parts: WhereParts, resource: string): Promise<OtherPrimary | null> {
  const record = parseRecord(await parts.cluster.readRecord(resource, 'dc'));
  if (record?.primary == null || record.primary === parts.node.name) return null;
  return { node: record.primary, record };
}

export type FailoverFrom =
  | ({ readonly kind: 'from' } & OtherPrimary)
  | { readonly kind: 'refused'; readonly reason: string };

/** The node that a failover typed here would fence. */
export async function failoverFrom(parts: WhereParts, resource: string): Promise<FailoverFrom> {
  const { name } = parts.node;
  const phase = parts.node.known(resource)?.driver.state.phase;
  if (phase === undefined) return { kind: 'refused', reason: unknownVm(resource, name) };
  if (phase.kind !== 'replica' && phase.kind !== 'idle') {
    return { kind: 'refused', reason: noFailoverTo(resource, name, phase) };
  }
  const from = await otherPrimary(parts, resource);
  if (from !== null) return { kind: 'from', ...from };
  const reason = `no record says where ${resource} runs; see "crm_mon -1A"`;
  return { kind: 'refused', reason };
}

/** Of a node that neither holds a replica nor waits for one. */
function noFailoverTo(resource: string, node: string, phase: Phase): string {
  switch (phase.kind) {
    case 'stopped':
      return unknownVm(resource, node);
    case 'starting':
    case 'stopping':
      return busy(resource, node, phase.kind);
    case 'preparing-replica':
      return busy(resource, node, 'preparing the replica of');
    case 'dropping-replica':
      return busy(resource, node, 'removing the replica of');
    default:
      return `${resource} is on ${node} itself, and a failover fences its node: type it on the other node`;
  }
}

function busy(resource: string, node: string, doing: string): string {
  return `${node} is just ${doing} ${resource}; look again with: remusctl status ${resource}`;
}

function unknownVm(resource: string, node: string): string {
  return `${resource} is not started on ${node}; "remusctl status" lists the VMs`;
}
