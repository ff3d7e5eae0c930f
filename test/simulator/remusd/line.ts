/** The daemon's line to a data process, as adapters/data-link.ts makes it: again and again until nobody listens. */
import type { DataLinkEvents } from '../../../daemon/adapters/data-link.js';
import type { Line } from '../../../daemon/data-plane.js';
import type {
  ReceiverCommand,
  ReceiverState,
  SenderCommand,
  SenderState,
} from '../../../daemon/relay/control.js';
import type { Listener } from '../machine/machine.js';
import type { Process } from '../machine/process.js';

const RECONNECT_MS = 100;
const PATIENCE_TRIES = 100;
const HOP_MS = 1;

export class SimLine implements Line {
  readonly #daemon: Process;
  readonly #path: string;
  readonly #events: DataLinkEvents;
  #to: Listener | null = null;
  #leave: (() => void) | null = null;
  #tries = 0;
  #seen = false;
  #closed = false;
  #last: SenderState | ReceiverState | null = null;

  constructor(daemon: Process, path: string, events: DataLinkEvents) {
    this.#daemon = daemon;
    this.#path = path;
    this.#events = events;
    this.#connect();
  }

  get lost(): boolean {
    return false;
  }

  send(command: SenderCommand | ReceiverCommand): boolean {
    const to = this.#to;
    if (to === null || this.#closed) return false;
    this.#hop(() => to.command(command));
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#leave?.();
  }

  #connect(): void {
    if (this.#closed) return;
    const listener = this.#daemon.machine.sockets.get(this.#path);
    if (!listener?.process.alive) {
      this.#refused();
      return;
    }
    this.#to = listener;
    this.#leave = listener.join({
      state: (state) => this.#hop(() => this.#heard(listener, state)),
      closed: () => this.#hop(() => this.#cut(listener)),
    });
  }

  /** What is said takes a moment, and reaches a stopped daemon when it goes on. */
  #hop(run: () => void): void {
    this.#daemon.machine.world.time.at(HOP_MS, () => this.#daemon.deliver(run));
  }

  #heard(from: Listener, state: unknown): void {
    if (this.#closed || from !== this.#to) return;
    this.#seen = true;
    this.#tries = 0;
    this.#last = state as SenderState | ReceiverState;
    this.#events.onState(this.#last);
  }

  #cut(from: Listener): void {
    if (this.#closed || from !== this.#to) return;
    this.#to = null;
    this.#again();
  }

  #refused(): void {
    if (this.#seen || this.#tries >= PATIENCE_TRIES) {
      this.#closed = true;
      this.#events.onGone(
        this.#last === null
          ? 'it did not start'
          : (this.#last.reason ?? `the ${this.#last.role} was killed`),
      );
      return;
    }
    this.#again();
  }

  #again(): void {
    this.#tries += 1;
    this.#daemon.after(RECONNECT_MS, () => this.#connect());
  }
}
