/**
 * The sender process: the real SenderSession between the pipe of `xl remus`, the plug and a connection. What is
 * here is what relay/sender-main.ts does around it.
 */
import { sentenceOf } from '../../../daemon/adapters/errors.js';
import type { ReplicaId, SenderState } from '../../../daemon/relay/control.js';
import { type SenderHold, SenderSession } from '../../../daemon/relay/sender-session.js';
import type { Frame } from '../../../daemon/stream/frames.js';
import type { Machine } from '../machine/machine.js';
import { runProgram } from '../machine/program.js';
import type { Network } from '../network.js';
import { Connection } from './connection.js';
import { DataProcess } from './data-process.js';
import { TcHold } from './hold.js';
import type { Receiver } from './receiver.js';
import type { XlRemus } from './xl-remus.js';

/** What mutations may put between a session and its world. */
export interface RelayTwist {
  /** After a checkpoint has been sent, not acknowledged. */
  readonly onCheckpointSent?: (hold: TcHold, n: number) => void;
  readonly noBlock?: boolean;
  /** The guest is not paused at the last checkpoint of a move. */
  readonly noFreeze?: boolean;
  readonly onReceiverLost?: (activate: () => void) => void;
}

export interface SenderOptions {
  readonly network: Network;
  readonly xl: XlRemus;
  readonly argv: readonly string[];
  readonly socket: string;
  readonly replica: ReplicaId;
  readonly domid: number;
  readonly replication_timeout_ms: number;
  /** False: nothing is held. */
  readonly netbuf: boolean;
  readonly twist: RelayTwist;
  /** Who listens there: its machine may be off, its process dead. */
  readonly target: () => Receiver | null;
}

const TICK_MS = 250;
const HEARTBEAT_MS = 1000;
const NO_STATS: SenderState['stats'] = {
  ...{ sent: 0, acked: 0, acked_age_ms: null, last_pause_ms: null, last_ack_ms: null },
  ...{ last_bytes: null, last_pages: null, bytes_total: 0, first_copy_bytes: 0 },
  ...{ guest_memory_bytes: 0, rate_per_s: 0 },
};

interface SaidToSender {
  readonly type: string;
  readonly reason?: string;
  readonly freeze?: boolean;
}

function heldBy(hold: TcHold, { noBlock }: RelayTwist): SenderHold {
  const block = noBlock === true ? () => Promise.resolve() : () => hold.block();
  return { block, release: () => hold.release() };
}

export class Sender extends DataProcess {
  readonly #options: SenderOptions;
  #session: SenderSession | null = null;
  #hold: TcHold | null = null;
  #over: string | null = null;
  #resized: Promise<unknown> = Promise.resolve();

  constructor(machine: Machine, options: SenderOptions) {
    super(machine, 'sender', options.argv, options.socket);
    this.#options = options;
    this.process.onEnd(() => options.xl.transportGone());
    void this.#run();
  }

  async #run(): Promise<void> {
    const { process } = this;
    await process.delay(60, 250);
    this.listen();
    this.#heartbeat();
    await process.delay(10, 60);
    if (this.#options.netbuf) {
      const plug = this.machine.xen.plug(this.#options.domid);
      plug.install();
      this.#hold = new TcHold(process, plug);
    }
    const target = await this.#connect();
    if (target === null) this.#finish('the backup is not usable');
    else this.#replicate(target);
  }

  #heartbeat(): void {
    this.process.after(HEARTBEAT_MS, () => {
      this.broadcast();
      this.#heartbeat();
    });
  }

  async #connect(): Promise<Receiver | null> {
    const { network, target } = this.#options;
    for (let left = 10; left > 0; left -= 1) {
      await this.process.delay(5, 30);
      const there = target();
      const answers =
        there !== null && there.process.runs && network.linked(this.machine, there.machine);
      if (answers) return there;
      // A machine that is up refuses at once; silence lasts until the deadline.
      if (there === null) return null;
      await this.process.delay(500);
    }
    return null;
  }

  #replicate(target: Receiver): void {
    const { process } = this;
    const { network, twist, xl, replication_timeout_ms } = this.#options;
    const end = {
      process,
      onFrame: (frame: Frame) => this.#session?.onFrame(frame),
      onLost: (reason: string) => this.#session?.onLost(reason),
    };
    const connection = new Connection(network, end, target.end);
    const hold = this.#hold;
    const peer = {
      send: (frame: Frame) => {
        connection.client.send(frame);
        if (frame.type === 'checkpoint' && hold !== null) twist.onCheckpointSent?.(hold, frame.n);
      },
      get queued_bytes() {
        return connection.client.queued;
      },
      get taken_bytes() {
        return connection.client.taken;
      },
      staged_bytes: 0,
      drained: () => Promise.resolve(),
    };
    this.#session = new SenderSession(
      {
        input: {
          open: () => xl.begin(),
          read: (max) => this.#read(max),
          widen: () => this.#resize(() => xl.pipe.widen()),
          narrow: () => this.#resize(() => xl.pipe.narrow()),
        },
        peer,
        hold: hold === null ? null : heldBy(hold, twist),
        freeze: () => this.#pauseGuest(),
        clock: process.clock,
        changed: () => this.plan(),
      },
      { replication_ms: replication_timeout_ms },
    );
    void hold?.lost.then((reason) => this.#session?.end(reason));
    void this.#session.ended.then((reason) => {
      connection.client.end('closed', false);
      this.#finish(reason);
    });
    target.feeds(xl.stream);
    target.accept(connection);
    this.#tick();
  }

  #pauseGuest(): Promise<void> {
    const { xen } = this.machine;
    const program = { name: 'xl-pause', min_ms: 5, max_ms: 60, timeout_ms: 10_000 };
    return runProgram(this.process, program, () => {
      const domain = xen.find('vm1');
      if (domain === null) throw new Error('vm1 is an invalid domain identifier');
      if (this.#options.twist.noFreeze !== true) xen.freeze(domain);
    });
  }

  /** What is read comes in a turn of its own: a stopped process reads nothing. */
  async #read(max: number): Promise<Buffer | null> {
    const bytes = await this.#options.xl.pipe.read(max);
    if (this.process.runs) return bytes;
    return new Promise((resolve) => this.process.deliver(() => resolve(bytes)));
  }

  /** By a helper, which takes a moment, and one after the other. */
  #resize<T>(work: () => T): Promise<T> {
    const next = this.#resized.then(() => this.process.delay(1, 3)).then(work);
    this.#resized = next;
    return next;
  }

  #tick(): void {
    this.process.after(TICK_MS, () => {
      try {
        this.#session?.tick();
      } catch (error) {
        this.#finish(sentenceOf(error));
      }
      if (this.#over === null) this.#tick();
    });
  }

  command(line: unknown): void {
    this.process.deliver(() => {
      const { type, reason, freeze } = line as SaidToSender;
      if (type === 'finish') this.#session?.finish(freeze);
      else if (type === 'stop') {
        this.#session?.end(reason ?? '');
        if (this.#session === null) this.#finish(reason ?? '');
      }
      this.plan();
    });
  }

  #finish(reason: string): void {
    if (this.#over !== null) return;
    this.#over = reason;
    this.machine.say(() => `sender ends: ${reason}`);
    this.broadcast();
    this.leave();
  }

  protected state(): SenderState {
    const session = this.#session;
    const reason = this.#over ?? session?.reason ?? null;
    return {
      v: 1,
      role: 'sender',
      type: 'state',
      pid: this.process.pid,
      resource: 'vm1',
      replica: this.#options.replica,
      phase: reason === null ? (session?.phase ?? 'connecting') : 'ended',
      holding: session?.holding ?? false,
      holding_none: !this.#options.netbuf,
      ...(this.#options.netbuf ? {} : { netbuf_off: true }),
      stats: session?.stats ?? NO_STATS,
      ...(reason === null ? {} : { reason }),
    };
  }
}
