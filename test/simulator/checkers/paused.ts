/**
 * From the moment at which an operator is told that the replication is paused, until somebody types resume, no replica is
 * granted by anybody, whoever runs the VM by then. Only when all who have it in their CIB are lost, with a node left that was
 * not in the cluster when it was said, nobody can know any more.
 */
import type { Cluster } from '../cluster.js';
import type { Observer, World } from '../world.js';

export function paused(world: World, { pacemaker }: Cluster): Observer {
  let holds = false;
  /** The members when it was said. */
  let told = new Set<string>();
  /** Pauses that were asked for, with no resume since. */
  const asked = new Set<number>();
  /** Resumes that may still come to their end: a daemon hangs, or its answer got lost. */
  const open = new Set<number>();
  const isLost = (): boolean => {
    const up = pacemaker.members.filter((member) => member.up);
    const known = up.some(({ cib }) => cib.entries.get('paused') === 'true');
    return !known && up.some(({ name }) => !told.has(name));
  };
  return {
    commanded: (action, id, rc) => {
      if (action === 'resume' && rc === null) {
        holds = false;
        asked.clear();
        open.add(id);
      }
      if (action === 'resume' && (rc === 0 || rc === 3)) open.delete(id);
      if (action !== 'pause') return;
      if (rc === null) asked.add(id);
      else if (rc === 0 && asked.has(id)) {
        holds = open.size === 0;
        told = new Set(pacemaker.members.filter(({ up }) => up).map(({ name }) => name));
      }
    },
    tick: () => {
      if (holds && isLost()) holds = false;
    },
    recorded: (node, text) => {
      if (holds && !text.endsWith(' grant=none'))
        world.violate(`paused: ${node} writes "${text}" although replication is paused`);
    },
  };
}
