/**
 * A VM that runs is taken down only when Pacemaker has asked for something that may need it: never because something
 * of ours is in trouble.
 */
import type { Action, Observer, World } from '../world.js';

export function spared(world: World): Observer {
  /** The last that was asked of each node. */
  const asked = new Map<string, Action>();
  return {
    ordered: (node, action) => {
      if (action !== 'monitor' && action !== 'probe') asked.set(node, action);
    },
    answered: (node, action, rc) => {
      if (action === 'promote' && rc === 0) asked.delete(node);
    },
    destroyed: (node, name, state) => {
      if (name !== 'vm1' || state !== 'running' || asked.has(node)) return;
      world.violate(`spared: the running VM on ${node} is destroyed, which nobody has asked for`);
    },
  };
}
