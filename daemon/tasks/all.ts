/** The executor of every task. The type says that none is missing. */
import type { PeerCalls } from '../peer-calls.js';
import type { PeerDirectory } from '../peers.js';
import type { Clock, Cluster, Xl } from '../ports.js';
import type { Rooms } from '../rooms.js';
import type { Vm } from '../vm.js';
import { clusterTasks } from './cluster.js';
import type { Host } from './host.js';
import { hypervisorTasks } from './hypervisor.js';
import { peerTasks } from './peers.js';
import { replicaTasks } from './replica.js';
import { replicationTasks } from './replication.js';
import type { Executors } from './table.js';

export interface ExecutorParts {
  readonly rooms: Rooms;
  readonly host: Host;
  readonly xl: Xl;
  readonly cluster: Cluster;
  readonly directory: PeerDirectory;
  readonly calls: PeerCalls;
  readonly clock: Pick<Clock, 'wall'>;
  readonly address: () => string;
  readonly vm: (resource: string) => Vm;
}

export function executors(parts: ExecutorParts): Executors {
  const { rooms, host, xl, cluster, directory, calls, clock, address, vm } = parts;
  const replication = {
    rooms,
    host,
    xl,
    planeOf: (resource: string) => vm(resource).plane,
    noteHandover: (resource: string) => vm(resource).noteHandover(),
  };
  return {
    ...clusterTasks(cluster, directory, host, clock),
    ...hypervisorTasks(xl, (resource) => vm(resource).checkStillOurs()),
    ...peerTasks(calls, host),
    ...replicationTasks(replication),
    ...replicaTasks({ ...replication, directory, address }),
    register: async (task, { resource }) => {
      await vm(resource).register(task.config);
      return undefined;
    },
    unregister: async (_task, { resource }) => {
      await vm(resource).unregister();
      return undefined;
    },
  };
}
