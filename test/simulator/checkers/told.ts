/**
 * What crm_mon shows is true, after a while: a replica that is called ready is fed, and a primary whose only peer speaks
 * another protocol says so. Time counts only while the daemons run there that could tell it.
 */
import type { Cluster } from '../cluster.js';
import type { Machine } from '../machine/machine.js';
import { Receiver } from '../relay/receiver.js';
import type { Observer, World } from '../world.js';

const LOOK_MS = 1_000;
/** A primary whose xl makes no checkpoints any more needs 10 s to notice, and then to end it. */
const UNFED_MS = 35_000;
/** Attempts at protection are up to 15 s apart. */
const UNSAID_MS = 45_000;

export function told(world: World, cluster: Cluster): Observer {
  const unfed = new Map<string, { readonly of: Receiver; readonly bytes: number; ms: number }>();
  const unsaid = new Map<string, number>();
  const look = (): void => {
    for (const machine of cluster.machines) {
      const member = cluster.pacemaker.member(machine.name);
      if (!member.up || !speaks(machine)) continue;
      const words = member.attribute(machine.name, 'remus-vm1');
      lookAtReplica(machine, words);
      lookAtVersions(machine, words);
    }
    world.time.at(LOOK_MS, look);
  };
  const lookAtReplica = ({ name, ports }: Machine, words: string | null): void => {
    const receiver = [...ports.values()].find(
      (one) => one instanceof Receiver && one.process.runs,
    ) as Receiver | undefined;
    if (receiver === undefined || words !== 'replica: ready') {
      unfed.delete(name);
      return;
    }
    const bytes = receiver.session.bytes_total;
    const before = unfed.get(name);
    if (before?.of !== receiver || before.bytes !== bytes) {
      unfed.set(name, { of: receiver, bytes, ms: 0 });
      return;
    }
    before.ms += LOOK_MS;
    if (before.ms > UNFED_MS)
      world.violate(
        `told: ${name} calls a replica ready that has not been fed for ${before.ms} ms`,
      );
  };
  const lookAtVersions = (machine: Machine, words: string | null): void => {
    const { name } = machine;
    const others = cluster.machines.filter((one) => one !== machine);
    const differ = others.length > 0 && others.every((one) => deaf(cluster, machine, one));
    if (!differ || words?.startsWith('unprotected') !== true || / protocol | paused /.test(words)) {
      unsaid.delete(name);
      return;
    }
    const ms = (unsaid.get(name) ?? 0) + LOOK_MS;
    unsaid.set(name, ms);
    if (ms > UNSAID_MS)
      world.violate(`told: ${name} says "${words}" of a peer that speaks another protocol`);
  };
  world.time.at(LOOK_MS, look);
  return {};
}

/** Its remusd runs, undisturbed, and its words reach the cluster. */
function speaks(machine: Machine): boolean {
  const { control, world } = machine;
  const { fails, hangs } = world.trouble;
  return fails === 0 && hangs === 0 && control?.process.runs === true;
}

/** Both could talk, if they understood each other. */
function deaf(cluster: Cluster, a: Machine, b: Machine): boolean {
  const member = cluster.pacemaker.member(a.name);
  return (
    a.protocol !== b.protocol &&
    speaks(b) &&
    cluster.network.linked(a, b) &&
    member.up &&
    member.view.has(b.name) &&
    cluster.pacemaker.member(b.name).lrm?.role === 'unpromoted'
  );
}
