/** The sender's `tc -batch -`: it takes a moment for each command, and may be killed. The kernel keeps what it did. */
import type { SenderHold } from '../../../daemon/relay/sender-session.js';
import type { Plug } from '../machine/plug.js';
import { Process } from '../machine/process.js';

export class TcHold implements SenderHold {
  readonly tc: Process;
  readonly #owner: Process;
  readonly #plug: Plug;
  readonly lost: Promise<string>;

  constructor(owner: Process, plug: Plug) {
    this.#owner = owner;
    this.#plug = plug;
    this.tc = new Process(owner.machine, 'tc');
    this.lost = new Promise((resolve) =>
      this.tc.onEnd(() => owner.deliver(() => resolve('tc ended'))),
    );
    owner.onEnd(() => this.tc.end());
  }

  block(): Promise<void> {
    return this.#do(() => this.#plug.block());
  }

  release(): Promise<void> {
    return this.#do(() => this.#plug.release());
  }

  #do(work: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.tc.alive) {
        reject(new Error("the guest's output cannot be controlled: tc ended"));
        return;
      }
      let over = false;
      this.tc.after(1, () => {
        work();
        this.#owner.deliver(() => {
          over = true;
          resolve();
        });
      });
      this.#owner.after(5_000, () => {
        if (over) return;
        this.tc.end();
        reject(new Error("the guest's output cannot be controlled: tc did not answer"));
      });
    });
  }
}
