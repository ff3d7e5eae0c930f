/** P1: at no moment do two hosts run the same VM. A suspended copy that may still be resumed is not running. */
import type { Cluster } from '../cluster.js';
import { runs } from '../machine/xen.js';
import type { Observer, World } from '../world.js';

export function oneCopy(world: World, cluster: Cluster): Observer {
  return {
    tick: () => {
      let first: string | null = null;
      for (const { xen, name } of cluster.machines) {
        const domain = xen.find('vm1');
        if (domain === null || !runs(domain)) continue;
        if (first !== null) world.violate(`P1: ${first} and ${name} run the VM`);
        first = name;
      }
    },
  };
}
