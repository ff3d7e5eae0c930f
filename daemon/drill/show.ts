/** What this node shows of itself to a drill: on the backup, and on every node that would have to fence. Changes nothing. */
import { askFenceDevice, fenceable, known } from '../adapters/cluster-facts.js';
import { readBridges } from '../adapters/host-facts.js';
import { patient } from '../adapters/patience.js';
import { stateOf } from '../adapters/process-table.js';
import { promotionIf } from '../adapters/what-if.js';
import type { State } from '../core/state.js';
import { incoming } from '../doctor/views.js';
import type { RemusNode } from '../node.js';
import { PeerRefusal } from '../peer-calls.js';
import type { Clock, Exec, Xl } from '../ports.js';
import { inVmRoom, type Rooms } from '../rooms.js';
import { receivers, xlReceive } from '../tasks/processes.js';
import type { Asked, FencingProof, Part, ProcessProof, Proof, Watched } from './proofs.js';
import { watchReceiver } from './receiver-watch.js';

const FIRST_WORD_MS = patient(3_000);
/** A stall that a sender may have is waited for, up to this: somebody sits at the screen. */
const WATCH_MS_MAX = patient(15_000);
/** On top of a stall: a receiver that has nothing to tell says so once a second. */
const WATCH_MORE_MS = 1_500;
/** Before the VM's parameters are known. */
const DEFAULTS = { interval_ms: 200, replication_timeout_ms: 5_000 };

export interface ShowParts {
  readonly node: Pick<RemusNode, 'name' | 'known'>;
  readonly rooms: Rooms;
  readonly exec: Exec;
  /** With deadlines that fit somebody who waits. */
  readonly xl: Pick<Xl, 'list'>;
  readonly clock: Clock;
}

/** An answer with the time that it took. Never rejects. */
export async function timed<T>(
  clock: Pick<Clock, 'now_ms'>,
  work: () => Promise<T>,
): Promise<Asked<T>> {
  const began_ms = clock.now_ms();
  const answer = await known(work());
  return { answer, took_ms: Math.round(clock.now_ms() - began_ms) };
}

export class Shower {
  readonly #parts: ShowParts;
  /** By VM: a receiver has few lines to give away, and those who ask at the same time look at the same. */
  readonly #watches = new Map<string, Promise<Watched>>();

  constructor(parts: ShowParts) {
    this.#parts = parts;
  }

  /** @param from the node that would be lost */
  show<P extends Part>(part: P, resource: string, from: string): Promise<Proof<P>>;
  async show(part: Part, resource: string, from: string): Promise<Proof<Part>> {
    const { exec } = this.#parts;
    switch (part) {
      case 'replica':
        return this.#replica(resource);
      case 'network': {
        const bridges = await readBridges(exec);
        return { bridges: bridges.map((one) => ({ ...one, uplinks: [...one.uplinks] })) };
      }
      case 'fencing':
        return this.#fencing(from);
      case 'scheduler':
        return promotionIf(exec, resource, { kind: 'lost', node: from });
    }
  }

  async #replica(resource: string): Promise<Proof<'replica'>> {
    const { node, clock } = this.#parts;
    const state = node.known(resource)?.driver.state;
    if (state === undefined) throw new PeerRefusal(`${resource} is not started on ${node.name}`);
    const { interval_ms, replication_timeout_ms } = state.config ?? DEFAULTS;
    const domain = state.config?.domain ?? resource;
    const [receiver, processes, domains] = await Promise.all([
      timed(clock, () => this.#watch(state)),
      timed(clock, () => this.#processes(resource)),
      timed(clock, () => this.#domains(domain)),
    ]);
    const { phase, config } = state;
    return {
      phase: phase.kind,
      held: phase.kind === 'replica' ? { replica: phase.replica, receiver: phase.receiver } : null,
      on_no_replica: config?.on_no_replica ?? 'start',
      ...{ interval_ms, replication_timeout_ms, domain, receiver, processes, domains },
    };
  }

  async #watch({ resource, phase, config }: State): Promise<Watched> {
    const { rooms, clock, node } = this.#parts;
    if (phase.kind !== 'replica') throw new Error(`${node.name} holds no replica of ${resource}`);
    const { interval_ms, replication_timeout_ms } = config ?? DEFAULTS;
    const stall_ms = interval_ms + replication_timeout_ms + WATCH_MORE_MS;
    const patience = { first_ms: FIRST_WORD_MS, more_ms: Math.min(stall_ms, WATCH_MS_MAX) };
    const path = inVmRoom(rooms, resource, 'receiver.sock');
    const watch = this.#watches.get(resource) ?? watchReceiver(path, clock, patience);
    this.#watches.set(resource, watch);
    try {
      return await watch;
    } finally {
      this.#watches.delete(resource);
    }
  }

  async #processes(resource: string): Promise<ProcessProof[]> {
    const scope = { rooms: this.#parts.rooms, resource };
    const [ours, xls] = await Promise.all([receivers(scope), xlReceive(scope)]);
    const all = [
      ...ours.map(({ pid }) => ({ pid, kind: 'receiver' as const })),
      ...xls.map(({ pid }) => ({ pid, kind: 'xl migrate-receive' as const })),
    ];
    return Promise.all(all.map(async (one) => ({ ...one, state: await stateOf(one.pid) })));
  }

  async #domains(domain: string) {
    const wanted = [domain, incoming(domain)];
    const all = await this.#parts.xl.list();
    return all
      .filter(({ name }) => wanted.includes(name))
      .map(({ name, domid, paused }) => ({ name, domid, paused }));
  }

  async #fencing(from: string): Promise<FencingProof> {
    const { exec, clock } = this.#parts;
    const devices = await known(fenceable(exec, [from]));
    if ('failed' in devices) return { devices };
    const monitored = (devices.ok[from] ?? []).map(async (id) => {
      const work = (): Promise<true> => askFenceDevice(exec, id).then(() => true as const);
      return { id, monitor: await timed(clock, work) };
    });
    return { devices: { ok: await Promise.all(monitored) } };
  }
}
