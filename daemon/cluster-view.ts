/** What `status` says of the cluster: the peers, and whether fencing can be trusted. */
import { parsePeersVms } from '../ctl/status-schema.js';
import type { FencingStatus, PeerStatus } from '../ctl/status.js';
import { sentenceOf } from './adapters/errors.js';
import { patient } from './adapters/patience.js';
import { type FenceEvent, unproven } from './fencing.js';
import type { PeerCalls } from './peer-calls.js';
import type { PeerDirectory } from './peers.js';
import type { Clock, Cluster, ClusterStatus } from './ports.js';

const PEER_STATUS_MS = patient(2_000);
/** "remusctl watch" asks every second; fencing does not come and go like that. */
const FENCE_EVENTS_MS = 30_000;

export interface ClusterViewParts {
  readonly self: string;
  readonly cluster: Pick<Cluster, 'status'>;
  readonly calls: Pick<PeerCalls, 'call'>;
  readonly directory: Pick<PeerDirectory, 'all'>;
  readonly clock: Pick<Clock, 'now_ms'>;
  /** Pacemaker's history of fencing. */
  readonly fenceEvents: () => Promise<readonly FenceEvent[]>;
}

export class ClusterView {
  readonly #parts: ClusterViewParts;
  #events: { readonly at_ms: number; readonly events: readonly FenceEvent[] } | null = null;

  constructor(parts: ClusterViewParts) {
    this.#parts = parts;
  }

  /** Something may have been fenced: what is known of that is from before. */
  forget(): void {
    this.#events = null;
  }

  /** Never rejects: a Pacemaker that does not answer is told in the peers' words. */
  async look(): Promise<{ peers: readonly PeerStatus[]; fencing: FencingStatus | null }> {
    let status: ClusterStatus;
    try {
      status = await this.#parts.cluster.status();
    } catch (error) {
      return { peers: this.#peersOnceKnown(sentenceOf(error)), fencing: null };
    }
    const others = status.nodes.filter(({ name }) => name !== this.#parts.self);
    const [fencing, ...peers] = await Promise.all([
      this.#fencing(status),
      ...others.map((one) => this.#peer(one.name, one.online)),
    ]);
    return { peers, fencing };
  }

  #peersOnceKnown(error: string): PeerStatus[] {
    const { directory, self } = this.#parts;
    return directory
      .all()
      .filter(({ node }) => node !== self)
      .map(({ node }) => ({ node, online: false, reachable: false, error }));
  }

  async #peer(name: string, online: boolean): Promise<PeerStatus> {
    if (!online) return { node: name, online, reachable: false };
    try {
      const answer = await this.#parts.calls.call(name, 'status', {}, PEER_STATUS_MS);
      return { node: name, online, reachable: true, vms: parsePeersVms(answer) };
    } catch (error) {
      return { node: name, online, reachable: false, error: sentenceOf(error) };
    }
  }

  async #fencing({ stonith_enabled, nodes }: ClusterStatus): Promise<FencingStatus | null> {
    const names = nodes.map(({ name }) => name);
    if (!stonith_enabled) return { enabled: false, unproven: names };
    try {
      return { enabled: true, unproven: unproven(names, await this.#fenceEvents()) };
    } catch {
      return null;
    }
  }

  async #fenceEvents(): Promise<readonly FenceEvent[]> {
    const now_ms = this.#parts.clock.now_ms();
    if (this.#events === null || now_ms - this.#events.at_ms > FENCE_EVENTS_MS)
      this.#events = { at_ms: now_ms, events: await this.#parts.fenceEvents() };
    return this.#events.events;
  }
}
