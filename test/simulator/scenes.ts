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

/**
 * A node takes in late what the cluster writes: a grant to it and its withdrawal are both still on their way when the nodes are
 * parted, and of the two it may get only the first.
 */
function partedFromASlowNode({ world, cluster }: Stage): void {
  const { names, random } = world;
  const from = cluster.machines.find(({ xen }) => xen.find('vm1') !== null)?.name;
  if (from === undefined) return;
  const late_ms = random.between(200, 3_000);
  const loseReplication = (): void => {
    for (const sender of cluster.machine(from)?.processesCalled('sender') ?? []) sender.end();
  };
  let granted = false;
  let parted = false;
  const part = (): void => {
    cluster.network.partition(
      new Map(names.map((name) => [name, name === from ? 1 : 0])),
      random.chance(0.7),
    );
    world.after(8_000, 15_000, () => cluster.network.heal());
  };
  world.observers.push({
    tick: () => {
      if (parted) return;
      for (const one of cluster.pacemaker.members)
        if (one.name !== from) one.floor_ms = Math.max(one.floor_ms, world.now_ms + late_ms);
    },
    recorded: (node, text) => {
      if (node !== from || parted) return;
      if (!text.endsWith(' grant=none')) {
        granted = true;
        loseReplication();
      } else if (granted) {
        parted = true;
        world.after(0, 200, part);
      }
    },
  });
  loseReplication();
}

export const SCENES = {
  'parted-while-it-is-handed-over': partedWhileItIsHandedOver,
  'parted-from-a-slow-node': partedFromASlowNode,
} as const;
