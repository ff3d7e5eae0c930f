/**
 * P3: no packet has left that depends on what a later activation has lost: a client never sees the VM go back in time.
 * A cold start is no lie, for the VM has rebooted; but then its former life must be silent.
 */
import { inWords, type Memory } from '../memory.js';
import type { Observer, World } from '../world.js';

export function output(world: World): Observer {
  /** The newest memory that a client can know of. */
  let known: Memory | null = null;
  return {
    released: (node, packet) => {
      const { lines } = world;
      if (known === null || lines.remembers(packet, known)) known = packet;
      else if (!lines.related(packet, known) && packet.line > known.line) known = packet;
      else if (!lines.remembers(known, packet))
        world.violate(
          `P3: ${node} lets ${inWords(packet)} go, a client has seen ${inWords(known)} already`,
        );
    },
    activated: (node, _session, memory) => {
      if (known === null || world.lines.remembers(memory, known)) return;
      world.violate(
        `P3: a client has seen ${inWords(known)}, the replica on ${node} remembers ${inWords(memory)}`,
      );
    },
  };
}
