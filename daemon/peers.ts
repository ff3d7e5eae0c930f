/** Who the peers are: each node's address and certificate, as it has published them in its node attribute. */
import { z } from 'zod';
import type { Peer } from './core/state.js';
import type { Cluster } from './ports.js';

export const PEER_ATTRIBUTE = '#remus-peer';

const value = /^(\S+):(\d{1,5}) sha256:([0-9a-f]{64})$/;
const port = z.coerce.number().int().min(1).max(65535);

export function formatPeer(peer: {
  readonly address: string;
  readonly port: number;
  readonly fingerprint: string;
}): string {
  return `${peer.address}:${peer.port} sha256:${peer.fingerprint}`;
}

/** @returns null for a value that no remusd has written. */
export function parsePeer(node: string, text: string): Peer | null {
  const match = value.exec(text);
  const parsed = port.safeParse(match?.[2]);
  const [, address, , fingerprint] = match ?? [];
  if (!parsed.success || address === undefined || fingerprint === undefined) return null;
  return { node, address, port: parsed.data, fingerprint };
}

export class PeerDirectory {
  readonly #cluster: Pick<Cluster, 'attribute'>;
  #peers: ReadonlyMap<string, Peer> = new Map();
  #fingerprints: ReadonlySet<string> = new Set();

  constructor(cluster: Pick<Cluster, 'attribute'>) {
    this.#cluster = cluster;
  }

  async refresh(): Promise<void> {
    const values = await this.#cluster.attribute(PEER_ATTRIBUTE);
    const peers = [...values]
      .map(([node, text]) => parsePeer(node, text))
      .filter((one) => one !== null);
    this.#peers = new Map(peers.map((peer) => [peer.node, peer]));
    this.#fingerprints = new Set(peers.map((peer) => peer.fingerprint));
  }

  get(node: string): Peer | null {
    return this.#peers.get(node) ?? null;
  }

  all(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** Whose certificates are let in. */
  fingerprints(): ReadonlySet<string> {
    return this.#fingerprints;
  }

  nodeOf(fingerprint: string): string | null {
    return this.all().find((peer) => peer.fingerprint === fingerprint)?.node ?? null;
  }
}
