import { DecodeError } from '../stream/decode-error.js';
import { StreamDecoder, type DecodeEvent } from '../stream/decoder.js';
import type { Frame } from '../stream/frames.js';
import { LIBXL } from '../stream/records.js';
import type { ReceiverPhase } from './control.js';
import { FeedWatch } from './feed-watch.js';
import { Staging } from '../stream/staging.js';

/** The way to the sender. */
export interface ReceiverPeer {
  send(frame: Frame): void;
  /** Closes after a last frame. */
  close(last?: Frame): void;
  pause(): void;
  resume(): void;
}

/** The pipe into xl migrate-receive. */
export interface XlFeed {
  /** Writes the pieces after all that was written before; `done` when the pipe has taken them. */
  write(pieces: readonly Buffer[], done: () => void): void;
}

export interface ReceiverPorts {
  readonly feed: XlFeed;
  /** Something in the state has changed. */
  readonly changed: () => void;
}

export interface ReceiverLimits {
  /** Bytes that may be kept in memory: an incomplete checkpoint and what xl has not taken. */
  readonly staging_bytes: number;
  /** So long bytes may wait for xl without any being taken. */
  readonly feed_stall_ms: number;
}

/** How xl migrate-receive ended. */
export interface XlExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** It said that it has activated the replica. */
  readonly failed_over: boolean;
  /** Its last words. */
  readonly said: string;
}

/** The session is looked at every second: a longer gap is our own standstill, and what came meanwhile is not read yet. */
const TICK_MAX_MS = 2_000;

/**
 * A record header with an impossible length: at a checkpoint's end it makes xl end the stream and run the
 * last complete checkpoint, as an end of file would.
 */
export const ACTIVATION = Buffer.from([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);

/**
 * One replica, from `listening` to its end:
 *
 *   listening -> first-copy   the first bytes of the stream
 *   first-copy -> ready       xl has been given all of checkpoint 1
 *   first-copy, ready -> activating   ordered, and at least one checkpoint is complete
 *   activating -> activated   xl has unpaused the replica
 *   any but activated -> ended        with a reason: the replica is lost
 *
 * xl gets whole records of the first copy as they come, and from then on only whole checkpoints. So it
 * always stands at a checkpoint's end when the activation comes.
 */
export class ReceiverSession {
  readonly #ports: ReceiverPorts;
  readonly #limits: ReceiverLimits;
  readonly #decoder = new StreamDecoder();
  readonly #staging = new Staging();
  readonly #watch: FeedWatch;
  #peer: ReceiverPeer | null = null;
  #paused = false;
  #phase: ReceiverPhase = 'listening';
  /** Why it ended, or why the last order or connection was refused. */
  #reason: string | null = null;
  #complete = 0;
  #applied = 0;
  #unfed_bytes = 0;
  #bytes_total = 0;
  #silent_ms = 0;
  #tick_ms: number | null = null;
  #handed_over = false;
  #activation_sent = false;
  #settle: (phase: 'activated' | 'ended') => void = () => undefined;
  /** Resolves when it is over. */
  readonly settled: Promise<'activated' | 'ended'>;

  constructor(ports: ReceiverPorts, limits: ReceiverLimits) {
    this.#ports = ports;
    this.#limits = limits;
    this.#watch = new FeedWatch(limits.feed_stall_ms);
    this.settled = new Promise((resolve) => (this.#settle = resolve));
  }

  get phase(): ReceiverPhase {
    return this.#phase;
  }

  get reason(): string | null {
    return this.#reason;
  }

  get connected(): boolean {
    return this.#peer !== null;
  }

  /** Newest complete checkpoint in memory. */
  get complete(): number {
    return this.#complete;
  }

  /** Newest checkpoint that xl has been given whole. */
  get applied(): number {
    return this.#applied;
  }

  get bytes_total(): number {
    return this.#bytes_total;
  }

  /** For how long nothing has come from the sender, which says something every second. */
  get silent_ms(): number {
    return this.#silent_ms;
  }

  /** One sender, once: a stream that was broken off cannot be continued. */
  get admits(): boolean {
    return this.#phase === 'listening' && this.#peer === null;
  }

  /** The sender has proven who it is, and xl is ready. */
  attach(peer: ReceiverPeer): void {
    this.#peer = peer;
    this.#silent_ms = 0;
    peer.send({ type: 'ready' });
    this.#ports.changed();
  }

  /** A frame from the sender. */
  onFrame(frame: Frame): void {
    if (this.#peer === null) return;
    this.#silent_ms = 0;
    switch (frame.type) {
      case 'data': {
        this.#onData(frame.bytes);
        return;
      }
      case 'checkpoint': {
        this.#onCheckpoint(frame.n);
        return;
      }
      case 'ping': {
        this.#peer.send({ type: 'pong', n: frame.n });
        return;
      }
      case 'finish': {
        this.#onFinish(frame.n);
        return;
      }
      case 'end':
      case 'error': {
        this.#disconnect(`the sender has ended: ${frame.reason}`);
        return;
      }
      case 'packed': // The link makes data of it.
      case 'ready':
      case 'ack':
      case 'pong': {
        this.#disconnect(`an unexpected ${frame.type} frame`);
        return;
      }
    }
  }

  onLost(reason: string): void {
    if (this.#peer !== null) this.#disconnect(reason);
  }

  /**
   * To be called all the while. A replica that xl takes no further is none: the primary must know. Once the activation
   * is ordered there is nothing better to have, and its own deadline counts.
   */
  tick(now_ms: number): void {
    this.#countSilence(now_ms);
    if (this.#phase !== 'first-copy' && this.#phase !== 'ready') return;
    if (!this.#watch.tick(now_ms, this.#unfed_bytes > 0)) return;
    const ms = this.#limits.feed_stall_ms;
    this.end(`xl migrate-receive has taken nothing for ${ms} ms, the replica is lost`);
  }

  /** While we do not read, for xl takes nothing, there is nothing to be heard. */
  #countSilence(now_ms: number): void {
    const since_ms = now_ms - (this.#tick_ms ?? now_ms);
    this.#tick_ms = now_ms;
    const deaf = this.#peer !== null && this.#paused;
    this.#silent_ms = deaf ? 0 : this.#silent_ms + Math.min(since_ms, TICK_MAX_MS);
  }

  /** Pacemaker ordered it. Returns why not, or null. */
  activate(): string | null {
    if (this.#phase === 'activating' || this.#phase === 'activated') return null;
    if (this.#phase === 'ended' || this.complete === 0) {
      return this.#refuseOrder('cannot activate: there is no complete checkpoint');
    }
    this.#disconnect('the replica is being activated');
    this.#reason = null;
    this.#setPhase('activating');
    this.#activateWhenFed();
    return null;
  }

  /** The replica is given up. */
  end(reason: string): void {
    if (this.#phase === 'ended' || this.#phase === 'activated') return;
    this.#setPhase('ended');
    this.#peer?.close({ type: 'error', reason });
    this.#peer = null;
    this.#staging.clear();
    this.#reason = reason;
    this.#settle('ended');
  }

  onXlExit(exit: XlExit): void {
    if (
      this.#phase === 'activating' &&
      this.#activation_sent &&
      exit.code === 0 &&
      exit.failed_over
    ) {
      this.#setPhase('activated');
      this.#settle('activated');
      return;
    }
    const how = exit.signal ?? `exit code ${exit.code ?? '?'}`;
    const when = this.#phase === 'activating' ? 'while it activated the replica' : 'by itself';
    const said = exit.said === '' ? '' : `: ${exit.said}`;
    this.end(`xl migrate-receive has ended ${when} (${how}), the replica is lost${said}`);
  }

  #onData(bytes: Buffer): void {
    if (this.#handed_over) {
      this.#disconnect('data after the handover');
      return;
    }
    if (this.#phase === 'listening') this.#setPhase('first-copy');
    this.#bytes_total += bytes.length;
    this.#staging.push(bytes);
    try {
      for (const event of this.#decoder.push(bytes)) this.#onEvent(event);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#disconnect(error.message);
      return;
    }
    this.#checkLimits();
  }

  #onEvent(event: DecodeEvent): void {
    switch (event.type) {
      case 'checkpoint-end': {
        this.#feedCheckpoint(event.number, event.end);
        return;
      }
      case 'record':
      case 'header':
      case 'image':
        // The first copy is as big as the guest: it cannot be kept back.
        if (this.#complete === 0 && !endsCheckpoint(event)) {
          this.#feed(this.#staging.takeUntil(event.end), () => undefined);
        }
        return;
      case 'end': {
        this.#disconnect('the stream has a regular end, which Remus never sends');
        return;
      }
      case 'checkpoint-begin':
    }
  }

  #feedCheckpoint(n: number, end: number): void {
    this.#complete = n;
    this.#feed(this.#staging.takeUntil(end), () => {
      this.#applied = n;
      if (this.#phase === 'first-copy') this.#setPhase('ready');
      else this.#ports.changed();
      this.#activateWhenFed();
    });
  }

  #feed(pieces: readonly Buffer[], done: () => void): void {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#unfed_bytes += bytes;
    this.#ports.feed.write(pieces, () => {
      this.#unfed_bytes -= bytes;
      this.#watch.taken();
      this.#checkLimits();
      done();
    });
  }

  /** All of it is here, and both sides have counted alike. */
  #onCheckpoint(n: number): void {
    if (n !== this.complete || !this.#decoder.at_boundary) {
      this.#disconnect(`the sender counts checkpoint ${n}, here it is ${this.complete}`);
      return;
    }
    this.#peer?.send({ type: 'ack', n });
    this.#ports.changed();
  }

  #onFinish(n: number): void {
    if (n !== this.complete || !this.#decoder.at_boundary) {
      this.#disconnect(`the sender hands over checkpoint ${n}, here it is ${this.complete}`);
      return;
    }
    this.#handed_over = true;
  }

  #checkLimits(): void {
    if (this.#peer === null) return;
    const limit = this.#limits.staging_bytes;
    if (this.#staging.bytes > limit) {
      const mib = Math.floor(limit / (1024 * 1024));
      this.#disconnect(
        `checkpoint ${this.complete + 1} is larger than ${mib} MiB, the limit for what is kept in memory`,
      );
      return;
    }
    // xl does not drain its pipe: what is in memory stays acknowledged, more is not taken.
    const full = this.#staging.bytes + this.#unfed_bytes > limit;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#peer.pause();
    else this.#peer.resume();
  }

  /** The sender is refused or gone. A complete checkpoint stays good; without one there is nothing to keep. */
  #disconnect(reason: string): void {
    const peer = this.#peer;
    this.#peer = null;
    peer?.close({ type: 'error', reason });
    this.#staging.clear();
    this.#reason = reason;
    if (this.#phase === 'first-copy' && this.complete === 0) {
      this.end(`the first copy was broken off: ${reason}`);
    } else this.#ports.changed();
  }

  #activateWhenFed(): void {
    if (this.#phase !== 'activating' || this.#activation_sent) return;
    if (this.#applied < this.complete) return;
    this.#activation_sent = true;
    this.#ports.feed.write([ACTIVATION], () => undefined);
  }

  #refuseOrder(reason: string): string {
    this.#reason = reason;
    this.#ports.changed();
    return reason;
  }

  #setPhase(phase: ReceiverPhase): void {
    this.#phase = phase;
    this.#ports.changed();
  }
}

function endsCheckpoint(event: DecodeEvent): boolean {
  return event.type === 'record' && event.layer === 'libxl' && event.code === LIBXL.CHECKPOINT_END;
}
