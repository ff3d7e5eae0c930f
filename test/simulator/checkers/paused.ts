/**
 * From the moment at which an operator is told that the replication is paused, until somebody types resume, no replica is
 * granted by anybody, whoever runs the VM by then.
 */
import type { Observer, World } from '../world.js';

export function paused(world: World): Observer {
  let holds = false;
  /** Pauses that were asked for, with no resume since. */
  const asked = new Set<number>();
  /** Resumes that may still come to their end: a daemon hangs, or its answer got lost. */
  const open = new Set<number>();
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
      else if (rc === 0 && asked.has(id)) holds = open.size === 0;
    },
    recorded: (node, text) => {
      if (holds && !text.endsWith(' grant=none'))
        world.violate(`paused: ${node} writes "${text}" although replication is paused`);
    },
  };
}
