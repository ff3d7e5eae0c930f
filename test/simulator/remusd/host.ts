/** The Host port of a simulated machine: processes by name, the note, the plug. */
import type { ReplicaId } from '../../../daemon/relay/control.js';
import type { Host } from '../../../daemon/tasks/host.js';
import type { Machine } from '../machine/machine.js';
import type { Process } from '../machine/process.js';
import type { Network } from '../network.js';
import { Receiver } from '../relay/receiver.js';
import { Sender, type RelayTwist } from '../relay/sender.js';
import { XlRemus } from '../relay/xl-remus.js';

const STRAYS = ['xl-create', 'xl-destroy', 'xl-shutdown', 'crm-write'];

export interface HostParts {
  readonly daemon: Process;
  readonly network: Network;
  /** The machine of that name that is on now. */
  readonly machineOf: (name: string) => Machine | null;
  readonly twist: RelayTwist;
}

export function simHost(parts: HostParts): Host {
  const { daemon } = parts;
  const { machine } = daemon;
  const called = async (...names: string[]): Promise<Process['info'][]> => {
    await daemon.delay(1, 10);
    return names.flatMap((name) => machine.processesCalled(name)).map((one) => one.info);
  };
  const living = (pid: number): Process | undefined =>
    [...machine.processes].find((one) => one.pid === pid);
  return {
    senders: () => called('sender'),
    receivers: () => called('receiver'),
    xlRemus: () => called('xl-remus'),
    xlReceive: () => called('xl-receive'),
    strays: () => called(...STRAYS),
    pausers: () => called('xl-pause'),
    strayWriters: () => called('crm-write'),
    killAll: async (all) => {
      await daemon.delay(1, 10);
      for (const { pid } of all) living(pid)?.end();
      await daemon.delay(1, 10);
    },
    allGone: async (all, ms) => {
      const end_ms = machine.clock_ms + ms;
      while (all.some(({ pid }) => living(pid) !== undefined)) {
        if (machine.clock_ms >= end_ms) return false;
        await daemon.delay(50);
      }
      return true;
    },
    spawnDetached: async (argv) => {
      await daemon.delay(5, 30);
      spawn(parts, argv);
    },
    readNote: async () => {
      await daemon.delay(1);
      return machine.note;
    },
    writeNote: async (_resource, note) => {
      await daemon.delay(1, 5);
      machine.note = note;
    },
    makeRoom: () => Promise.resolve(),
    removeRoom: async () => {
      await daemon.delay(1, 5);
      machine.note = null;
      machine.sockets.clear();
    },
    removeFiles: async (_resource, files) => {
      await daemon.delay(1);
      if (files.includes('replication.json')) machine.note = null;
      for (const path of machine.sockets.keys())
        if (files.some((file) => path.endsWith(`/${file}`))) machine.sockets.delete(path);
    },
    liftHold: async (vifs) => {
      await daemon.delay(20, 120);
      for (const domid of domids(vifs)) {
        machine.xen.plug(domid).releaseIndefinite();
        machine.xen.plug(domid).remove();
      }
    },
    dropHold: async (vifs) => {
      await daemon.delay(20, 120);
      for (const domid of domids(vifs)) machine.xen.plug(domid).remove();
    },
    delay: (ms) => daemon.delay(ms),
  };
}

function domids(vifs: readonly string[]): number[] {
  return vifs.map((vif) => Number(/^vif(\d+)/.exec(vif)?.[1]));
}

/** A detached process, by its command line. */
function spawn(parts: HostParts, argv: readonly string[]): void {
  if (argv[0] === 'xl') spawnRemus(parts, argv);
  else spawnReceiver(parts, argv);
}

function spawnReceiver({ daemon, twist }: HostParts, argv: readonly string[]): void {
  const { machine } = daemon;
  const option = (name: string): string => argv[argv.indexOf(name) + 1] ?? '';
  new Receiver(machine, {
    argv,
    socket: `${option('--rundir')}/vm1/receiver.sock`,
    replica: replicaOf(option),
    port: 40_000 + machine.world.pid(),
    feed_stall_ms: 10_000,
    twist,
  });
}

function spawnRemus(
  { daemon, network, machineOf, twist }: HostParts,
  argv: readonly string[],
): void {
  const { machine } = daemon;
  const command = argv.at(-1) ?? '';
  const option = (name: string): string =>
    new RegExp(`'${name}' '([^']*)'`).exec(command)?.[1] ?? '';
  const domain = machine.xen.find('vm1');
  if (domain === null) return;
  const interval_ms = Number(argv[argv.indexOf('-i') + 1]);
  const [node = '', port] = option('--connect').split(':');
  const target = (): Receiver | null => {
    const there = machineOf(node)?.ports.get(Number(port));
    return there instanceof Receiver ? there : null;
  };
  const xl = new XlRemus(machine, domain, interval_ms, argv);
  machine.world.after(10, 100, () => {
    if (!xl.process.alive) return;
    new Sender(machine, {
      ...{ network, xl, argv, target, twist, domid: domain.domid },
      socket: `${option('--rundir')}/vm1/sender.sock`,
      replica: replicaOf(option),
      replication_timeout_ms: Number(option('--replication-timeout-ms')),
      netbuf: option('--netbuf') !== 'off',
    });
  });
}

function replicaOf(option: (name: string) => string): ReplicaId {
  return { generation: Number(option('--generation')), session: option('--session') };
}
