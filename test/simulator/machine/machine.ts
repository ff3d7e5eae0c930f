/**
 * One life of a machine, from boot to power cut: its hypervisor, processes, volatile files and clock. What survives
 * a power cut (the CIB on disk) is the cluster's business.
 */
import type { ControlAnswer, ControlRequest } from '../../../daemon/adapters/control-protocol.js';
import { PEER_PROTOCOL } from '../../../daemon/adapters/peer-frames.js';
import type { ReplicationNote } from '../../../daemon/tasks/notes.js';
import type { Registration } from '../../../daemon/vm.js';
import { inWords, type Memory } from '../memory.js';
import type { Action, World } from '../world.js';
import type { Process } from './process.js';
import { Hypervisor } from './xen.js';

/** Whoever listens on a unix socket of a data process. */
export interface Listener {
  readonly process: Process;
  /** @returns how to leave again. */
  join(member: SocketMember): () => void;
  command(line: unknown): void;
}

export interface SocketMember {
  readonly state: (state: unknown) => void;
  readonly closed: () => void;
}

export interface Control {
  readonly process: Process;
  handle(request: ControlRequest): Promise<ControlAnswer>;
}

export class Machine {
  readonly world: World;
  readonly name: string;
  readonly xen: Hypervisor;
  readonly processes = new Set<Process>();
  /** What the remusd speaks that is installed here. */
  protocol = PEER_PROTOCOL;
  powered = true;
  frozen = false;
  /** The registration, and where the agent puts it while it stops the VM alone. */
  registration: Registration | null = null;
  stopping: Registration | null = null;
  note: ReplicationNote | null = null;
  /** Unix sockets by path. A dead owner leaves the file. */
  readonly sockets = new Map<string, Listener>();
  /** TCP ports that receivers listen on. */
  readonly ports = new Map<number, unknown>();
  /** What Pacemaker asks of the agent now. */
  ordered: Action | null = null;
  /** The newest `xl migrate-receive`. */
  receiving: unknown = null;
  /** remusd on this machine, while its control socket is there. */
  control: Control | null = null;
  #offset_ms: number;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.xen = new Hypervisor(this);
    this.#offset_ms = world.random.between(0, 1_000_000);
  }

  /** Monotonic, of this machine alone. */
  get clock_ms(): number {
    return this.world.now_ms + this.#offset_ms;
  }

  /** Ahead only: it is the monotonic clock that the product goes by. */
  jumpClock(ms: number): void {
    this.say(() => `clock jumps ${ms} ms ahead`);
    this.#offset_ms += ms;
    for (const process of this.processes) process.clockJumped();
  }

  say(text: () => string): void {
    this.world.say(this.name, text);
  }

  packetOut(packet: Memory): void {
    if (!this.powered) return;
    if (this.world.shape.trace) this.world.sayPacket(this.name, inWords(packet));
    this.world.observe('released', this.name, packet);
  }

  cutPower(): void {
    this.powered = false;
    for (const process of [...this.processes]) process.end();
    this.xen.domains.length = 0;
  }

  /** The dom0 stands still; its guests run on. */
  freeze(): void {
    this.frozen = true;
  }

  thaw(): void {
    this.frozen = false;
    for (const process of [...this.processes]) process.flush();
  }

  processesCalled(name: string): Process[] {
    return [...this.processes].filter((one) => one.name === name);
  }
}
