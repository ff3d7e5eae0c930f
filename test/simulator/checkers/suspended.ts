/**
 * P5: no guest is left suspended by a fault of ours. The bound counts only while a daemon runs there to help, and is
 * longer while programs fail; at the end of each run the VM has to run in any case (see liveness.ts).
 */
import type { Cluster } from '../cluster.js';
import type { Observer, World } from '../world.js';

const LOOK_MS = 1_000;
const BOUND_MS = 75_000;

export function suspended(world: World, cluster: Cluster): Observer {
  const since = new Map<object, number>();
  const look = (): void => {
    for (const { xen, name, processes } of cluster.machines) {
      const domain = xen.find('vm1');
      if (domain?.state !== 'suspended' && domain?.frozen !== true) {
        if (domain !== null) since.delete(domain);
        continue;
      }
      const helped = [...processes].some((one) => one.name === 'remusd' && one.runs);
      const ms = (since.get(domain) ?? 0) + (helped ? LOOK_MS : 0);
      since.set(domain, ms);
      if (ms > BOUND_MS) world.violate(`P5: the guest on ${name} is suspended for ${ms} ms`);
    }
    world.time.at(LOOK_MS, look);
  };
  world.time.at(LOOK_MS, look);
  return {};
}
