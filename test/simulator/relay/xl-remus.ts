/**
 * `xl remus -F -n -d -i MS -s "" DOMAIN COMMAND`: suspends the guest, writes a checkpoint, resumes it, waits. As seen
 * on real Xen (facts/xen section 4): its transport gone, it resumes the guest by itself, rc 1; killed, it leaves the
 * guest as it was, or as it will be, for a suspend that was asked for happens all the same.
 */
import type { Machine } from '../machine/machine.js';
import { Process } from '../machine/process.js';
import type { Domain } from '../machine/xen.js';
import { Pipe } from './pipe.js';
import { Stream } from './stream.js';

export interface Transport {
  readonly process: Process;
}

/** xl waits so long for a domain that ended or is gone. */
const ENDED_MS = { '4.17': 60_000, '4.20': 7_000 } as const;

export class XlRemus {
  readonly process: Process;
  readonly pipe = new Pipe();
  readonly stream = new Stream();
  readonly #domain: Domain;
  readonly #interval_ms: number;

  constructor(machine: Machine, domain: Domain, interval_ms: number, argv: readonly string[]) {
    this.process = new Process(machine, 'xl-remus', argv);
    this.#domain = domain;
    this.#interval_ms = interval_ms;
    this.process.onEnd(() => this.pipe.close());
  }

  get #machine(): Machine {
    return this.process.machine;
  }

  /** The banner has come. */
  begin(): void {
    this.process.deliver(() => void this.#run());
  }

  /** The transport has ended: noticed at the next write, or in one that waits. */
  transportGone(): void {
    this.pipe.broken = true;
    this.process.deliver(() => this.#broken?.());
  }

  #broken: (() => void) | null = null;

  async #run(): Promise<void> {
    const { random } = this.#machine.world;
    if (!(await this.#write(this.stream.preamble))) return;
    for (let left = random.between(1, 3); left > 0; left -= 1) {
      await this.process.delay(100, 500);
      if (!(await this.#write(this.stream.pages))) return;
    }
    for (;;) {
      if (!(await this.#checkpoint())) return;
      await this.process.delay(this.#interval_ms);
    }
  }

  async #checkpoint(): Promise<boolean> {
    if (!(await this.#suspended())) return false;
    const { memory } = this.#domain;
    for (const piece of this.stream.suspended) if (!(await this.#write(piece))) return false;
    await this.process.delay(1, 5);
    this.#machine.xen.resume(this.#domain);
    if (!(await this.#write(this.stream.end))) return false;
    this.stream.completed(memory);
    return true;
  }

  /** The guest does it itself, in its own time, whether xl still waits or not. */
  async #suspended(): Promise<boolean> {
    const { xen, world } = this.#machine;
    const domain = this.#domain;
    const slow = world.random.chance(0.03);
    world.after(1, slow ? 300 : 20, () => {
      if (this.#machine.powered) xen.suspend(domain);
    });
    while (domain.state === 'running' && xen.has(domain)) await this.process.delay(5, 20);
    if (domain.state === 'suspended' && xen.has(domain)) return true;
    await this.process.delay(xen.has(domain) ? ENDED_MS[world.xen] : 60_000);
    this.process.end();
    return false;
  }

  /** @returns false when the transport is gone: then the guest runs on and xl has ended. */
  async #write(bytes: Buffer): Promise<boolean> {
    const written = this.pipe.broken ? false : await this.#taken(bytes);
    if (written) {
      this.stream.wrote(bytes.length);
      return true;
    }
    await this.process.delay(5, 80);
    this.#machine.say(() => 'xl remus: backup failed? resuming domain at primary');
    this.#machine.xen.resume(this.#domain);
    this.process.end();
    return false;
  }

  #taken(bytes: Buffer): Promise<boolean> {
    return new Promise((resolve) => {
      this.#broken = () => resolve(false);
      this.pipe.write(bytes, () => this.process.deliver(() => resolve(true)));
    });
  }
}
