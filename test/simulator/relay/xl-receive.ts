/**
 * `xl migrate-receive -r -e`: makes NAME--incoming, paused, from the bytes that it gets. Its input has no end, for it
 * holds the fifo's write end itself; a header of impossible length ends it, and then it runs the last checkpoint that
 * it has whole. Killed, it leaves the paused domain.
 */
import { ACTIVATION, type XlExit } from '../../../daemon/relay/receiver-session.js';
import type { Machine } from '../machine/machine.js';
import { Process } from '../machine/process.js';
import type { Domain } from '../machine/xen.js';
import type { Checkpoint, Stream } from './stream.js';

/** Of our small stream: about two checkpoints. */
const FIFO_BYTES = 500;

export class XlReceive {
  readonly process: Process;
  readonly exited: Promise<XlExit>;
  readonly #session: string;
  #exit: (exit: XlExit) => void = () => undefined;
  #domain: Domain | null = null;
  #stream: Stream | null = null;
  /** Bytes read from the fifo. */
  #position = 0;
  readonly #fifo: Buffer[] = [];
  #waiting: { readonly bytes: readonly Buffer[]; readonly done: () => void }[] = [];
  #reading = false;

  constructor(machine: Machine, session: string) {
    this.#session = session;
    this.process = new Process(machine, 'xl-receive');
    machine.receiving = this;
    this.exited = new Promise((resolve) => (this.#exit = resolve));
    this.process.onEnd(() => this.#leave({ code: null, signal: 'SIGKILL' }));
  }

  /** Whose bytes they are: xl would see it in them. */
  feeds(stream: Stream): void {
    this.#stream = stream;
  }

  write(pieces: readonly Buffer[], done: () => void): void {
    this.#waiting.push({ bytes: pieces, done });
    this.#fill();
  }

  /** Its domain was destroyed: it cleans up and ends. */
  domainGone(domain: Domain): void {
    if (domain !== this.#domain || !this.process.alive) return;
    this.process.deliver(() => this.#over({ code: 1, signal: null }));
  }

  #leave(how: Pick<XlExit, 'code' | 'signal'>, failed_over = false): void {
    this.#exit({ ...how, failed_over, said: '' });
  }

  #over(how: Pick<XlExit, 'code' | 'signal'>, failed_over = false): void {
    this.#leave(how, failed_over);
    this.process.end();
  }

  #fill(): void {
    while (this.#inFifo() < FIFO_BYTES) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#fifo.push(...next.bytes);
      next.done();
    }
    if (this.#reading || this.#fifo.length === 0) return;
    this.#reading = true;
    this.process.after(1, () => {
      this.#reading = false;
      this.#read();
    });
  }

  #inFifo(): number {
    return this.#fifo.reduce((sum, one) => sum + one.length, 0);
  }

  #read(): void {
    for (const piece of this.#fifo.splice(0)) {
      if (piece.length === ACTIVATION.length && piece.equals(ACTIVATION)) {
        void this.#activate();
        return;
      }
      this.#position += piece.length;
    }
    if (this.#position > 0 && this.#domain === null && !this.#makeDomain()) return;
    this.#fill();
  }

  #makeDomain(): boolean {
    const { xen } = this.process.machine;
    if (xen.find('vm1--incoming') !== null) {
      this.#over({ code: 1, signal: null });
      return false;
    }
    this.#domain = xen.create('vm1--incoming', { line: -1, count: 0 });
    return true;
  }

  /** The end of the stream, wherever it comes. */
  async #activate(): Promise<void> {
    const { machine } = this.process;
    const domain = this.#domain;
    const checkpoint = this.#stream?.whole(this.#position) ?? null;
    if (domain === null || checkpoint === null) {
      this.#over({ code: 139, signal: null });
      return;
    }
    await this.process.delay(50, 600);
    if (machine.xen.find('vm1') !== null || !machine.xen.has(domain)) {
      this.#over({ code: 1, signal: null });
      return;
    }
    domain.name = 'vm1';
    await this.process.delay(10, 200);
    this.#run(domain, checkpoint);
    await this.process.delay(5, 50);
    this.#over({ code: 0, signal: null }, true);
  }

  #run(domain: Domain, { number, memory }: Checkpoint): void {
    const { machine } = this.process;
    if (!machine.xen.has(domain)) return;
    const { world } = machine;
    machine.say(() => `replica ${this.#session} runs from checkpoint ${number}`);
    world.observe('activated', machine.name, this.#session, memory);
    domain.memory = world.lines.begin(memory);
    machine.xen.unpause(domain);
  }
}
