/**
 * The hypervisor of one machine: domains, and the guest in them. A guest counts and says so to the outside; what
 * it says goes through its plug.
 */
import type { GuestEnd } from '../../../daemon/core/state.js';
import type { Memory } from '../memory.js';
import type { Machine } from './machine.js';
import { Plug } from './plug.js';

export interface Domain {
  readonly domid: number;
  name: string;
  state: 'paused' | 'running' | 'suspended' | 'ended';
  /** By `xl pause`: nothing of it moves, whatever its state is. */
  frozen: boolean;
  /** It was asked to suspend while it was frozen. */
  asked: boolean;
  how: GuestEnd;
  memory: Memory;
  /** Since when it is suspended. */
  suspended_ms: number;
}

/** Its processors do. */
export function runs({ state, frozen }: Domain): boolean {
  return state === 'running' && !frozen;
}

const TICK_MIN_MS = 150;
const TICK_MAX_MS = 350;

export class Hypervisor {
  readonly domains: Domain[] = [];
  /** By domain id; stays when the domain is gone. */
  readonly plugs = new Map<number, Plug>();
  readonly #machine: Machine;
  #next = 1;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  find(name: string): Domain | null {
    return this.domains.find((one) => one.name === name) ?? null;
  }

  has(domain: Domain): boolean {
    return this.domains.includes(domain);
  }

  /** Paused, as xl makes them. */
  create(name: string, memory: Memory): Domain {
    const domain: Domain = {
      ...{ domid: (this.#next += 1), name, state: 'paused' as const, how: 'poweroff' as const },
      ...{ memory, suspended_ms: 0, frozen: false, asked: false },
    };
    this.domains.push(domain);
    return domain;
  }

  destroy(domain: Domain): void {
    const at = this.domains.indexOf(domain);
    if (at >= 0) this.domains.splice(at, 1);
  }

  unpause(domain: Domain): void {
    if (domain.state !== 'paused' || !this.has(domain)) return;
    domain.state = 'running';
    this.#beat(domain);
  }

  suspend(domain: Domain): void {
    if (domain.state !== 'running' || !this.has(domain)) return;
    domain.asked = domain.frozen;
    if (domain.frozen) return;
    domain.state = 'suspended';
    domain.suspended_ms = this.#machine.world.now_ms;
  }

  freeze(domain: Domain): void {
    domain.frozen = true;
    domain.suspended_ms = this.#machine.world.now_ms;
  }

  thaw(domain: Domain): void {
    domain.frozen = false;
    if (domain.asked) this.suspend(domain);
  }

  resume(domain: Domain): void {
    if (domain.state !== 'suspended' || !this.has(domain)) return;
    domain.state = 'running';
  }

  /** The guest ends by its own doing: nobody reaps it. */
  guestEnds(domain: Domain, how: GuestEnd): void {
    if (!runs(domain) || !this.has(domain)) return;
    domain.state = 'ended';
    domain.how = how;
    this.#machine.say(() => `guest: ${how}`);
  }

  plug(domid: number): Plug {
    const known = this.plugs.get(domid);
    if (known !== undefined) return known;
    const plug = new Plug((packet) => this.#machine.packetOut(packet));
    this.plugs.set(domid, plug);
    return plug;
  }

  /** One count, one packet. Of a suspended guest nothing moves. */
  #beat(domain: Domain): void {
    const { world } = this.#machine;
    world.after(TICK_MIN_MS, TICK_MAX_MS, () => {
      if (!this.#machine.powered || !this.has(domain) || domain.state === 'ended') return;
      if (runs(domain)) {
        domain.memory = { line: domain.memory.line, count: domain.memory.count + 1 };
        this.plug(domain.domid).packet(domain.memory);
      }
      this.#beat(domain);
    });
  }
}
