/** P2: a replica runs only after a promote that Pacemaker has ordered there, and only the one that the record grants. */
import type { Cluster } from '../cluster.js';
import type { Action, Observer, World } from '../world.js';

const PROMOTED = 8;
const DEGRADED_PROMOTED = 191;
const ENDS: readonly Action[] = ['start', 'stop', 'demote'];

export function activation(world: World, cluster: Cluster): Observer {
  /** Nodes on which a promote was ordered, and nothing that ends it. */
  const ordered = new Set<string>();
  /** What each node has written last: an operator may have typed over it since. */
  const written = new Map<string, string>();
  /** What anybody has written last: a merge of CIBs may bring an older one back, which takes no replica away. */
  let newest = '';
  return {
    recorded: (node, text) => {
      written.set(node, text);
      newest = text;
    },
    ordered: (node, action) => {
      if (action === 'promote') ordered.add(node);
    },
    // Until the answer to a demote or stop, the promote before it may still come to its end.
    answered: (node, action, rc) => {
      // Found running where nobody had promoted it: it is taken over as it is.
      if (action === 'probe' && (rc === PROMOTED || rc === DEGRADED_PROMOTED)) ordered.add(node);
      if (ENDS.includes(action) && rc === 0) ordered.delete(node);
    },
    booted: (node) => {
      if (!ordered.has(node)) world.violate(`P2: the VM was started on ${node} without a promote`);
    },
    activated: (node, session) => {
      if (!ordered.has(node)) world.violate(`P2: the replica on ${node} runs without a promote`);
      const found = cluster.pacemaker.member(node).record();
      const record = (world.typed.has(found) ? written.get(node) : found) ?? '';
      const grants = (text: string): boolean =>
        text.includes(` grant=${node}/`) && text.endsWith(`/${session}`);
      if (!grants(record) && !grants(newest))
        world.violate(`P2: the replica ${session} on ${node} runs, but the record is "${record}"`);
    },
  };
}
