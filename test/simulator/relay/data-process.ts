/** What sender and receiver have in common: their own unix socket, with the whole state in each line. */
import type { Listener, Machine, SocketMember } from '../machine/machine.js';
import { Process } from '../machine/process.js';

export abstract class DataProcess implements Listener {
  readonly process: Process;
  readonly #path: string;
  readonly #members = new Set<SocketMember>();
  #planned = false;

  constructor(machine: Machine, name: string, argv: readonly string[], path: string) {
    this.process = new Process(machine, name, argv);
    this.#path = path;
    this.process.onEnd(() => {
      for (const one of this.#members) one.closed();
      this.#members.clear();
    });
  }

  get machine(): Machine {
    return this.process.machine;
  }

  protected listen(): void {
    this.machine.sockets.set(this.#path, this);
  }

  /** The file goes, too: nobody connects again. */
  protected leave(): void {
    this.machine.sockets.delete(this.#path);
    this.process.end();
  }

  join(member: SocketMember): () => void {
    this.#members.add(member);
    this.process.deliver(() => member.state(this.state()));
    return () => this.#members.delete(member);
  }

  abstract command(line: unknown): void;
  protected abstract state(): unknown;

  protected broadcast(): void {
    if (this.#members.size === 0) return;
    const state = this.state();
    for (const one of this.#members) one.state(state);
  }

  /** Several changes of one turn make one line. */
  protected plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.process.after(0, () => {
      this.#planned = false;
      this.broadcast();
    });
  }
}
