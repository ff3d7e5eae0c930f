/**
 * The hold on a guest's output as the kernel has it: an ingress redirect to an ifb whose `plug` qdisc keeps or
 * passes. It outlives every process, also the domain. The counters are sch_plug's own.
 */
import type { Memory } from '../memory.js';

export class Plug {
  /** The ifb and its qdisc are there. */
  ifb = false;
  /** What the guest sends is redirected to the ifb. */
  redirect = false;
  readonly #queue: Memory[] = [];
  #indefinite = true;
  #last_epoch = 0;
  #current_epoch = 0;
  #to_release = 0;
  readonly #out: (packet: Memory) => void;

  constructor(out: (packet: Memory) => void) {
    this.#out = out;
  }

  get held(): number {
    return this.#queue.length;
  }

  /** As openHold sets it up: passing. */
  install(): void {
    this.remove();
    this.ifb = true;
    this.redirect = true;
    this.#indefinite = true;
  }

  /** The ifb goes with all that it holds. */
  remove(): void {
    this.#queue.length = 0;
    this.#last_epoch = 0;
    this.#current_epoch = 0;
    this.#to_release = 0;
    this.ifb = false;
    this.redirect = false;
  }

  packet(packet: Memory): void {
    if (!this.redirect) {
      this.#out(packet);
      return;
    }
    // Redirected to what is not there: thrown away.
    if (!this.ifb) return;
    this.#queue.push(packet);
    if (!this.#indefinite) this.#current_epoch += 1;
    this.#dequeue();
  }

  block(): void {
    this.#last_epoch = this.#current_epoch;
    this.#current_epoch = 0;
    this.#indefinite = false;
  }

  release(): void {
    this.#to_release += this.#last_epoch;
    this.#last_epoch = 0;
    this.#dequeue();
  }

  releaseIndefinite(): void {
    this.#indefinite = true;
    this.#to_release = 0;
    this.#last_epoch = 0;
    this.#current_epoch = 0;
    this.#dequeue();
  }

  #dequeue(): void {
    while (this.#indefinite || this.#to_release > 0) {
      const packet = this.#queue.shift();
      if (packet === undefined) return;
      if (!this.#indefinite) this.#to_release -= 1;
      this.#out(packet);
    }
  }
}
