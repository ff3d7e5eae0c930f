/** What goes wrong in an order that chance hardly ever finds: instead of the faults of chance, with other moments for each seed. */
import type { Cluster } from './cluster.js';
import type { World } from './world.js';

export type SceneName = keyof typeof SCENES;

interface Stage {
  readonly world: World;
  readonly cluster: Cluster;
}

/**
 * The VM is being handed over, and Pacemaker changes its mind: it promotes the same node again, while the grant of the other one
 * stands. The nodes are parted so shortly before that it does not know yet.
 */
function partedWhileItIsHandedOver({ world, cluster }: Stage): void {
  const { names, random } = world;
  const from = cluster.machines.find(({ xen }) => xen.find('vm1') !== null)?.name;
  if (from === undefined) return;
  let struck = false;
  world.observers.push({
    ordered: (node, action) => {
      if (action !== 'demote' || struck) return;
      struck = true;
      world.after(0, 300, () => cluster.configure(`standby ${from}`, 'off'));
      const sides = new Map(names.map((name) => [name, name === node ? 1 : 0]));
      world.after(100, 1_500, () => cluster.network.partition(sides, random.chance(0.7)));
      world.after(8_000, 15_000, () => cluster.network.heal());
    },
  });
  cluster.configure(`standby ${from}`, 'on');
}

export const SCENES = { 'parted-while-it-is-handed-over': partedWhileItIsHandedOver } as const;
