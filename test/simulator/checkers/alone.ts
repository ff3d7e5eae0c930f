/**
 * P4: what a primary lets go without its backup, it lets go only when no replica that lacks it can be promoted: the
 * other node's own CIB does not grant it, or it is down. Seen at the moment of each packet, not only when it matters.
 */
import type { Cluster } from '../cluster.js';
import { inWords, type Memory } from '../memory.js';
import { Receiver } from '../relay/receiver.js';
import type { Observer, World } from '../world.js';

export function alone(world: World, cluster: Cluster): Observer {
  const threat = (node: string, packet: Memory): string | null => {
    for (const machine of cluster.machines) {
      if (machine.name === node) continue;
      const record = cluster.pacemaker.member(machine.name).record() ?? '';
      for (const receiver of machine.ports.values()) {
        if (!(receiver instanceof Receiver) || !receiver.process.alive) continue;
        const { generation, session } = receiver.replica;
        if (!record.endsWith(` grant=${machine.name}/${generation}/${session}`)) continue;
        if (receiver.memory === null || world.lines.remembers(receiver.memory, packet)) continue;
        return `${machine.name} holds a granted replica at ${inWords(receiver.memory)}`;
      }
    }
    return null;
  };
  return {
    released: (node, packet) => {
      const why = threat(node, packet);
      if (why !== null) world.violate(`P4: ${node} lets ${inWords(packet)} go while ${why}`);
    },
  };
}
