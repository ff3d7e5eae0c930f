/** The VMs of the cluster, each on each node that knows it: what one node and the peers that answer it say together. */
import type { Status, VmStatus } from './status.js';

export interface Member {
  readonly node: string;
  readonly vm: VmStatus;
}

/** By VM, the node that runs it first. */
export function membersOf({ node, vms, peers }: Status): readonly Member[] {
  const all = [{ node, vms }, ...peers].flatMap((one) =>
    (one.vms ?? []).map((vm) => ({ node: one.node, vm })),
  );
  return all.toSorted(
    (a, b) =>
      compare(a.vm.resource, b.vm.resource) ||
      Number(b.vm.role === 'primary') - Number(a.vm.role === 'primary') ||
      compare(a.node, b.node),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
