/**
 * The receiver process: the real ReceiverSession between a connection and `xl migrate-receive`. What is here is
 * what relay/receiver-main.ts does around it.
 */
import type { ReceiverPhase, ReceiverState, ReplicaId } from '../../../daemon/relay/control.js';
import { ReceiverSession } from '../../../daemon/relay/receiver-session.js';
import type { Frame } from '../../../daemon/stream/frames.js';
import type { Machine } from '../machine/machine.js';
import type { Memory } from '../memory.js';
import type { Connection, End } from './connection.js';
import { DataProcess } from './data-process.js';
import type { RelayTwist } from './sender.js';
import type { Stream } from './stream.js';
import { XlReceive } from './xl-receive.js';

export interface ReceiverOptions {
  readonly argv: readonly string[];
  readonly socket: string;
  readonly replica: ReplicaId;
  readonly port: number;
  readonly feed_stall_ms: number;
  readonly twist: RelayTwist;
}

const HEARTBEAT_MS = 1000;
const LISTEN_MS = 600_000;
const LINGER_MS = 60_000;

export class Receiver extends DataProcess {
  readonly #options: ReceiverOptions;
  readonly session: ReceiverSession;
  #xl: XlReceive | null = null;
  #xl_ready: Promise<void> = Promise.resolve();
  #port = 0;
  #stream: Stream | null = null;
  #shown: ReceiverPhase = 'listening';
  #removed = false;
  #seen: () => void = () => undefined;
  readonly #was_seen = new Promise<void>((resolve) => (this.#seen = resolve));

  constructor(machine: Machine, options: ReceiverOptions) {
    super(machine, 'receiver', options.argv, options.socket);
    this.#options = options;
    const feed = {
      write: (pieces: readonly Buffer[], done: () => void) =>
        this.#xl?.write(pieces, () => this.process.deliver(done)),
    };
    const limits = { staging_bytes: 1024 * 1024, feed_stall_ms: options.feed_stall_ms };
    this.session = new ReceiverSession({ feed, changed: () => this.plan() }, limits);
    void this.#run();
  }

  get port(): number {
    return this.#port;
  }

  get replica(): ReplicaId {
    return this.#options.replica;
  }

  /** For a sender that has connected. */
  get end(): End {
    const { twist } = this.#options;
    return {
      process: this.process,
      onFrame: (frame: Frame) => this.session.onFrame(frame),
      onLost: (reason: string) => {
        this.session.onLost(reason);
        twist.onReceiverLost?.(() => this.session.activate());
      },
    };
  }

  feeds(stream: Stream): void {
    this.#stream = stream;
    this.#xl?.feeds(stream);
  }

  /** The memory that an activation now would go on from. */
  get memory(): Memory | null {
    return this.#stream?.whole(this.session.bytes_total)?.memory ?? null;
  }

  /** SIGTERM: an activation under way is not disturbed. */
  terminate(): void {
    if (this.session.phase === 'activating' || this.session.phase === 'activated') return;
    this.process.deliver(() => this.session.end('the receiver was ended by SIGTERM'));
  }

  /** TLS and the hellos are over. */
  accept(connection: Connection): void {
    this.process.deliver(() => {
      void this.#xl_ready.then(() => {
        if (!this.session.admits) {
          connection.server.end('refused', false);
          return;
        }
        this.session.attach({
          send: (frame) => connection.server.send(frame),
          close: (last) => {
            if (last !== undefined) connection.server.send(last);
            connection.server.end('closed', false);
          },
          pause: () => undefined,
          resume: () => undefined,
        });
      });
    });
  }

  async #run(): Promise<void> {
    const { process } = this;
    await process.delay(60, 250);
    await this.#replicate();
    this.listen();
    this.#heartbeat();
    process.after(LISTEN_MS, () => {
      if (this.session.admits) this.session.end('no sender came');
    });
    const settled = await this.session.settled;
    this.machine.ports.delete(this.#options.port);
    if (settled === 'activated') await this.#linger();
    else await this.#giveUp();
  }

  async #replicate(): Promise<void> {
    await this.#destroyReplica();
    const xl = new XlReceive(this.machine, this.#options.replica.session);
    this.#xl = xl;
    void xl.exited.then((exit) => this.process.deliver(() => this.session.onXlExit(exit)));
    this.#xl_ready = this.process.delay(50, 500);
    this.#port = this.#options.port;
    this.machine.ports.set(this.#port, this);
  }

  /** What a receiver of before has left. */
  async #destroyReplica(): Promise<void> {
    for (const one of this.machine.processesCalled('xl-receive')) one.end();
    await this.process.delay(20, 200);
    const left = this.machine.xen.find('vm1--incoming');
    if (left !== null) this.machine.xen.destroy(left);
  }

  #heartbeat(): void {
    this.process.after(HEARTBEAT_MS, () => {
      this.session.tick(this.machine.clock_ms);
      this.broadcast();
      this.#heartbeat();
    });
  }

  command(line: unknown): void {
    this.process.deliver(() => {
      const { type, reason } = line as { type: string; reason?: string };
      if (type === 'activate') this.session.activate();
      else if (type === 'abort') this.session.end(reason ?? '');
      this.plan();
      if (this.session.phase === 'activated' && type !== 'activate')
        this.process.after(0, this.#seen);
    });
  }

  async #linger(): Promise<void> {
    this.broadcast();
    this.process.after(LINGER_MS, this.#seen);
    await this.#was_seen;
    this.leave();
  }

  async #giveUp(): Promise<void> {
    this.machine.say(() => `replica given up: ${this.session.reason ?? ''}`);
    this.#xl?.process.end();
    await this.#destroyReplica();
    this.#removed = true;
    this.broadcast();
    this.leave();
  }

  protected state(): ReceiverState {
    const { session } = this;
    if (session.phase !== 'ended' || this.#removed) this.#shown = session.phase;
    return {
      v: 1,
      role: 'receiver',
      type: 'state',
      pid: this.process.pid,
      resource: 'vm1',
      xl_pid: this.#xl?.process.pid ?? null,
      replica: this.#options.replica,
      phase: this.#shown,
      port: this.#port,
      connected: session.connected,
      silent_ms: session.silent_ms,
      complete: session.complete,
      applied: session.applied,
      bytes_total: session.bytes_total,
      ...(session.reason === null ? {} : { reason: session.reason }),
    };
  }
}
