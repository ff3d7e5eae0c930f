/**
 * From the moment at which an operator is told that the replication is paused, until somebody types resume or a pause with an end, no replica is
 * granted by anybody, whoever runs the VM by then. Only when it is in no CIB any more (those who had it are lost,
 * or a newer CIB of others has won), with a node there that was not in the cluster when it was said, nobody can know.
 */
import type { Cluster } from '../cluster.js';
import { Receiver } from '../relay/receiver.js';
import type { Observer, World } from '../world.js';

export function paused(world: World, { pacemaker, machines }: Cluster): Observer {
  let holds = false;
  /** The members when it was said. */
  let told = new Set<string>();
  /** Pauses that were asked for, with no resume since. */
  const asked = new Set<number>();
  /** Resumes, and pauses with an end, that may still come to theirs: a daemon hangs, or its answer got lost. */
  const open = new Set<number>();
  const knowing = () =>
    pacemaker.members.filter(({ up, cib }) => up && cib.entries.get('paused') !== undefined);
  const isLost = (): boolean =>
    knowing().length === 0 && pacemaker.members.some(({ up, name }) => up && !told.has(name));
  /** A write that was under way for long may grant what is gone. */
  const isHeld = (grant: string): boolean =>
    machines.some(({ name, ports }) =>
      [...ports.values()].some((one) => {
        if (!(one instanceof Receiver) || !one.process.alive) return false;
        return grant === `${name}/${one.replica.generation}/${one.replica.session}`;
      }),
    );
  return {
    commanded: (action, id, rc) => {
      const ends = action === 'resume' || action === 'pause-for';
      if (ends && rc === null) {
        holds = false;
        asked.clear();
        open.add(id);
      }
      if (ends && (rc === 0 || rc === 3)) open.delete(id);
      if (action !== 'pause') return;
      if (rc === null) asked.add(id);
      else if (rc === 0 && asked.has(id)) {
        holds = open.size === 0;
        told = new Set(knowing().flatMap(({ view }) => [...view]));
      }
    },
    tick: () => {
      if (holds && isLost()) holds = false;
    },
    recorded: (node, text) => {
      const grant = / grant=(\S+)$/.exec(text)?.[1] ?? 'none';
      if (holds && isHeld(grant))
        world.violate(`paused: ${node} writes "${text}" although replication is paused`);
    },
  };
}
