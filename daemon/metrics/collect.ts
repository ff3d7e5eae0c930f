/** Puts together what the metrics are made of. Asks nothing of a VM or its processes: they have said it already. */
import type { VmStatus } from '../../ctl/status.js';
import { isPaused } from '../core/policy.js';
import type { LogDestination } from '../adapters/log.js';
import type { Clock, Exec } from '../ports.js';
import type { Host } from '../tasks/host.js';
import { vifsOf } from '../tasks/replication.js';
import type { Vm } from '../vm.js';
import { ClusterFactsCache, type ClusterFacts } from './cluster-facts.js';
import type { Facts, VmFacts } from './facts.js';
import { EventLoopLag } from './lag.js';
import { heldOf, readPlugs, type HeldOutput } from './output.js';
import type { Tally } from './tally.js';

export interface CollectorParts {
  readonly node: {
    readonly name: string;
    statuses(): readonly VmStatus[];
    known(resource: string): Vm | null;
  };
  readonly release: string;
  readonly tally: Tally;
  readonly view: { look(): Promise<ClusterFacts> };
  readonly releaseOf: (node: string) => string | null;
  readonly log: LogDestination;
  readonly host: Host;
  readonly exec: Exec;
  readonly clock: Clock;
}

/** Two that ask at the same time, or soon after each other, see the same plugs. */
const PLUGS_FRESH_MS = 1_000;

type Plugs = ReadonlyMap<string, HeldOutput>;

export class Collector {
  readonly #parts: CollectorParts;
  readonly #cluster: ClusterFactsCache;
  readonly #lag: EventLoopLag;
  readonly #started_s: number;
  #plugs: { readonly at_ms: number; readonly read: Promise<Plugs> } | null = null;

  constructor(parts: CollectorParts) {
    const { view, clock } = parts;
    this.#parts = parts;
    this.#cluster = new ClusterFactsCache(() => view.look(), clock);
    this.#lag = new EventLoopLag(clock);
    this.#started_s = Math.round(Date.now() / 1000 - process.uptime());
  }

  async facts(): Promise<Facts> {
    const { node, release, releaseOf, log } = this.#parts;
    const [{ peers, fencing }, vms] = await Promise.all([this.#cluster.get(), this.#vms()]);
    return {
      node: node.name,
      release,
      started_s: this.#started_s,
      memory_bytes: process.memoryUsage.rss(),
      event_loop_lag: this.#lag.seconds,
      log_lines_dropped: log.dropped,
      peers: peers.map((peer) => ({ ...peer, release: releaseOf(peer.node) })),
      fencing,
      vms,
    };
  }

  close(): void {
    this.#lag.close();
  }

  async #vms(): Promise<VmFacts[]> {
    const { node } = this.#parts;
    const known = node.statuses().flatMap((status) => {
      const vm = node.known(status.resource);
      return vm === null ? [] : [{ status, vm }];
    });
    return Promise.all(known.map(({ status, vm }) => this.#vm(status, vm)));
  }

  async #vm(status: VmStatus, { driver, plane }: Vm): Promise<VmFacts> {
    const { phase } = driver.state;
    const { sender, receiver, histograms } = plane;
    return {
      status,
      paused: phase.kind === 'primary' && isPaused(phase.protection),
      tally: this.#parts.tally.of(status.resource),
      histograms,
      first_copy_bytes: sender?.stats.first_copy_bytes ?? null,
      guest_memory_bytes: sender?.stats.guest_memory_bytes || null,
      silent_ms: receiver?.silent_ms ?? null,
      output: sender === null ? null : await this.#held(status.resource),
    };
  }

  async #held(resource: string): Promise<HeldOutput | null> {
    try {
      const vifs = await vifsOf(this.#parts, resource);
      return vifs.length === 0 ? null : heldOf(vifs, await this.#allPlugs());
    } catch {
      // The VM has just gone, or tc does not answer: nothing is said of it.
      return null;
    }
  }

  #allPlugs(): Promise<Plugs> {
    const { clock, exec } = this.#parts;
    const now_ms = clock.now_ms();
    if (this.#plugs === null || now_ms - this.#plugs.at_ms > PLUGS_FRESH_MS)
      this.#plugs = { at_ms: now_ms, read: readPlugs(exec) };
    return this.#plugs.read;
  }
}
