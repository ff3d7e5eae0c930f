/** What the faults are done to: the lab, the client, and who is what at this moment. */
import type { OutsideClient } from '../cluster/lab/client.js';
import type { Lab } from '../cluster/lab/lab.js';
import { VM } from '../cluster/support/observed.js';
import type { SIDES } from './schedule.js';
import { hostOf, lookAt } from './watch.js';

type Side = (typeof SIDES)[number];

/** A process that stands still, by its pid inside its node. */
export interface Stopped {
  readonly node: string;
  readonly pid: number;
}

/** One lab under chaos. */
export class Stage {
  readonly lab: Lab;
  readonly client: OutsideClient;
  /** To be continued in the end, whatever happens in between. */
  readonly stopped: Stopped[] = [];
  /** How many cuts of each network have not been healed yet; a heal is one of all. */
  readonly #cuts = { cluster: 0, replication: 0 };
  #primary: string;

  constructor(lab: Lab, client: OutsideClient, primary: string) {
    this.lab = lab;
    this.client = client;
    this.#primary = primary;
  }

  /** The node that is that now; when nobody is, the one that was it last, or comes next to it. */
  node(side: Side): string {
    const look = lookAt(this.lab);
    this.#primary = hostOf(look) ?? this.#primary;
    const others = this.lab.nodes().filter((node) => node !== this.#primary);
    const holding = look.nodes.find(
      ({ node, domains }) =>
        node !== this.#primary && domains.some(({ name }) => name === `${VM}--incoming`),
    );
    const backup = holding?.node ?? others[0] ?? this.#primary;
    switch (side) {
      case 'primary':
        return this.#primary;
      case 'backup':
        return backup;
      case 'spare':
        return others.find((node) => node !== backup) ?? backup;
    }
  }

  others(than: string): string[] {
    return this.lab.nodes().filter((node) => node !== than);
  }

  /** For an operator's command: that node, or another one that can be typed on. */
  console(side: Side): string {
    const node = this.node(side);
    return this.lab.power(node) === 'on' ? node : this.lab.anyNode();
  }

  async cut(
    networks: readonly ('cluster' | 'replication')[],
    cut: () => Promise<void>,
  ): Promise<void> {
    for (const network of networks) this.#cuts[network]++;
    await cut();
  }

  /** A link comes back when its last cut ends. */
  async mend(networks: readonly ('cluster' | 'replication')[]): Promise<void> {
    for (const network of networks) {
      this.#cuts[network] = Math.max(0, this.#cuts[network] - 1);
      if (this.#cuts[network] > 0) continue;
      if (network === 'cluster') await this.lab.heal();
      else await this.lab.healReplication();
    }
  }
}
