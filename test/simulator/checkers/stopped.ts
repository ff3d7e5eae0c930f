/**
 * P6: a stop or demote that was said to have succeeded has left nothing, and nothing comes after it.
 * P7: "not running" is never said of a VM that is there.
 */
import type { Cluster } from '../cluster.js';
import type { Machine } from '../machine/machine.js';
import type { Observer, World } from '../world.js';

const OURS = ['sender', 'receiver', 'xl-remus', 'xl-receive', 'tc'];

export function stopped(world: World, cluster: Cluster): Observer {
  const down = new Map<Machine, 'stop' | 'demote'>();
  return {
    ordered: (node, action) => {
      const machine = cluster.machine(node);
      if (machine === null) return;
      if (action === 'start' && down.get(machine) === 'stop') down.delete(machine);
      if (action === 'promote') down.delete(machine);
    },
    answered: (node, action, rc) => {
      const machine = cluster.machine(node);
      if (machine === null) return;
      if ((action === 'stop' || action === 'demote') && rc === 0) {
        down.set(machine, action);
        see(world, machine, action);
      }
      if ((action === 'monitor' || action === 'probe') && rc === 7 && runs(machine))
        world.violate(`P7: ${action} on ${node} says "not running" of a VM that runs`);
    },
    tick: () => {
      for (const [machine, action] of down) if (machine.powered) see(world, machine, action);
    },
  };
}

function runs({ xen }: Machine): boolean {
  return xen.find('vm1')?.state === 'running';
}

function see(world: World, machine: Machine, action: 'stop' | 'demote'): void {
  const { xen, name } = machine;
  if (xen.find('vm1') !== null) world.violate(`P6: after a ${action} on ${name} the VM is there`);
  if (action === 'demote') return;
  if (xen.find('vm1--incoming') !== null)
    world.violate(`P6: after a stop on ${name} the replica is there`);
  for (const kind of OURS)
    if (machine.processesCalled(kind).length > 0)
      world.violate(`P6: after a stop on ${name} there is a process ${kind}`);
  for (const plug of xen.plugs.values())
    if (plug.ifb || plug.redirect)
      world.violate(`P6: after a stop on ${name} output is still held`);
}
