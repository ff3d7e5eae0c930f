/** When faults stop: the VM runs somewhere, is heard, and is protected again. Seen from outside. */
import type { Cluster } from '../cluster.js';
import { runs } from '../machine/xen.js';
import type { Memory } from '../memory.js';
import { Receiver } from '../relay/receiver.js';
import type { Observer, World } from '../world.js';

export class Liveness implements Observer {
  readonly #world: World;
  readonly #cluster: Cluster;
  #heard_ms = -1;
  #last: Memory | null = null;

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  released(_node: string, packet: Memory): void {
    this.#heard_ms = this.#world.now_ms;
    this.#last = packet;
  }

  /** What is still wrong; null when all is well. */
  wrong(): string | null {
    const { machines } = this.#cluster;
    const running = machines.filter(({ xen }) => {
      const domain = xen.find('vm1');
      return domain !== null && runs(domain);
    });
    const [primary] = running;
    if (primary === undefined) return 'the VM does not run';
    if (this.#world.now_ms - this.#heard_ms > 3_000) return 'nothing is heard of the VM';
    if (this.#world.config.mode === 'restart') return null;
    const record = this.#cluster.pacemaker.member(primary.name).record() ?? '';
    if (!record.includes(` primary=${primary.name} `)) return `the record is "${record}"`;
    const grant = / grant=(\w+)\/\d+\/(\w+)$/.exec(record);
    if (grant === null) return 'no replica is granted';
    const [, node = '', session] = grant;
    const held = [...(this.#cluster.machine(node)?.ports.values() ?? [])].find(
      (one) => one instanceof Receiver && one.replica.session === session,
    );
    const memory = held instanceof Receiver ? held.memory : null;
    if (memory === null || this.#last === null) return 'the granted replica has no checkpoint';
    return this.#world.lines.remembers(memory, this.#last) ? null : 'the granted replica is behind';
  }
}
