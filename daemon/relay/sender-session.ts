import { sentenceOf } from '../adapters/errors.js';
import type { Clock } from '../ports.js';
import { StreamDecoder, type CheckpointEnd, type DecodeEvent } from '../stream/decoder.js';
import type { Frame } from '../stream/frames.js';
import type { SenderPhase, SenderStats } from './control.js';
import { DataBatch } from './data-batch.js';
import type { SenderHistograms } from './sender-histograms.js';
import { SenderCounters } from './sender-stats.js';
import { SenderTimers, type SenderTimeouts } from './sender-timers.js';

/** Where the migration stream comes from. */
export interface StreamInput {
  /** Tell xl that the stream may begin. */
  open(): void;
  /** At least one byte, at most `max`; null at the end. Takes nothing out of the pipe that is not returned. */
  read(max: number): Promise<Buffer | null>;
  /** From now on xl may be far ahead of us: the guest goes on sooner. */
  widen(): Promise<void>;
  /**
   * From now on xl can be only a few bytes ahead: no whole checkpoint fits into the pipe. False when more than that is in it
   * already.
   */
  narrow(): Promise<boolean>;
}

/** The way to the receiver. */
export interface SenderPeer {
  send(frame: Frame): void;
  /** Bytes that wait to be sent. */
  readonly queued_bytes: number;
  /** Bytes that wait to be coded before they are sent. */
  readonly staged_bytes: number;
  /** Bytes that the network has taken. */
  readonly taken_bytes: number;
  drained(): Promise<void>;
}

/** The plug on the guest's output; see adapters/tc.ts. */
export interface SenderHold {
  block(): Promise<void>;
  release(): Promise<void>;
}

export interface SenderPorts {
  readonly input: StreamInput;
  readonly peer: SenderPeer;
  /** Null: nothing to hold. */
  readonly hold: SenderHold | null;
  /** Pauses the guest: called while it is suspended, it does not run again when xl resumes it. */
  readonly freeze: () => Promise<void>;
  readonly clock: Clock;
  /** Something in the state has changed. */
  readonly changed: () => void;
  /** What the stream holds, for whoever looks at it. It must be quick: the guest may stand still. */
  readonly seen?: (event: DecodeEvent) => void;
}

const READ_BYTES_MAX = 256 * 1024;
const FRAME_BYTES_MAX = 256 * 1024;

export interface SenderLimits {
  /** What may wait in memory for the network, or to be coded; then xl waits. */
  readonly queued_bytes: number;
}

const LIMITS: SenderLimits = { queued_bytes: 64 * 1024 * 1024 };
/** Bytes of a slow stream are not kept back longer than this. */
const FLUSH_MS = 10;

/**
 * One replication, from `connecting` to its end:
 *
 *   connecting -> first-copy   the receiver is ready
 *   first-copy -> flowing      checkpoint 1 is acknowledged
 *   first-copy, flowing -> finishing   asked for a handover
 *   finishing -> finished      a checkpoint that ended after the question is acknowledged, output before it released
 *   any -> ended               with a reason
 *
 * The rule that keeps P3: at most one checkpoint is outstanding, and on each of them from the second on
 *   first bytes of N -> wait for N-1 acknowledged and released -> block -> read the rest of N -> acknowledged -> release
 * so that a release never lets go more than what the guest sent before the acknowledged checkpoint.
 *
 * The block lands while the guest is suspended, because the pipe is narrow (see pipe-size.ts). Of a checkpoint that was faster
 * than the narrowing nobody knows that: it has no block and no release, and what it would have let go waits for the next one.
 */
export class SenderSession {
  readonly #ports: SenderPorts;
  readonly #limits: SenderLimits;
  readonly #decoder = new StreamDecoder();
  readonly #counters = new SenderCounters();
  readonly #timers: SenderTimers;
  readonly #batch: DataBatch;
  #phase: SenderPhase = 'connecting';
  #reason: string | null = null;
  #acked = 0;
  #holding = false;
  /** The pipe has been narrow since before the coming, or present, checkpoint began. */
  #narrow = false;
  /** Output is blocked from the start of the checkpoint that is being read, or waits to be acknowledged. */
  #blocked = false;
  /** Resolves when the last release has been carried out. */
  #released: Promise<void> = Promise.resolve();
  #on_ack: (() => void) | null = null;
  /** The first checkpoint that completes a handover. */
  #finish_at: number | null = null;
  /** After that one the guest must not run. */
  #freeze = false;
  #flush_planned = false;
  #resolveEnded: (reason: string) => void = () => undefined;
  /** Resolves with the reason. */
  readonly ended: Promise<string>;

  constructor(ports: SenderPorts, timeouts: SenderTimeouts, limits: SenderLimits = LIMITS) {
    this.#ports = ports;
    this.#limits = limits;
    this.#timers = new SenderTimers(timeouts, ports.clock.now_ms());
    this.#batch = new DataBatch(FRAME_BYTES_MAX, (bytes) =>
      ports.peer.send({ type: 'data', bytes }),
    );
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
  }

  get phase(): SenderPhase {
    return this.#phase;
  }

  get reason(): string | null {
    return this.#reason;
  }

  /** From the first acknowledged checkpoint with a block on: before that nothing has been held. */
  get holding(): boolean {
    return this.#holding;
  }

  get stats(): SenderStats {
    const { drained_total } = this.#timers;
    return { ...this.#counters.snapshot(this.#ports.clock.now_ms()), drained_total };
  }

  get histograms(): SenderHistograms {
    return this.#counters.histograms.snapshot();
  }

  /** A frame from the receiver. */
  onFrame(frame: Frame): void {
    // What the backup does after a handover is no reason to let the guest run on here.
    if (this.#phase === 'finished') return;
    this.#timers.heard(this.#ports.clock.now_ms());
    switch (frame.type) {
      case 'ready': {
        this.#onReady();
        return;
      }
      case 'ack': {
        this.#onAck(frame.n);
        return;
      }
      case 'error': {
        this.end(`the backup refused: ${frame.reason}`);
        return;
      }
      case 'pong':
        return;
      case 'data':
      case 'packed':
      case 'checkpoint':
      case 'finish':
      case 'end':
      case 'ping': {
        this.end(`the backup broke the protocol: an unexpected ${frame.type} frame`);
        return;
      }
    }
  }

  /** The connection is gone. After a handover that is what happens next, and no matter. */
  onLost(reason: string): void {
    if (this.#phase !== 'finished') this.end(`the connection to the backup is lost: ${reason}`);
  }

  /** Complete one more checkpoint, then stop reading. @param freeze the guest is paused while it is suspended for that one. */
  finish(freeze = false): void {
    if (this.#phase !== 'first-copy' && this.#phase !== 'flowing') return;
    this.#freeze = freeze;
    if (!freeze) this.#finish_at = this.#decoder.completed + 1;
    this.#setPhase('finishing');
  }

  /** Ends it. What is held stays held. */
  end(reason: string): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#ports.peer.send({ type: 'end', reason });
    this.#setPhase('ended');
    this.#on_ack?.();
    this.#resolveEnded(reason);
  }

  /** To be called several times in the shortest timeout. */
  tick(): void {
    if (this.#reason !== null) return;
    const { peer, clock } = this.#ports;
    const network = { queued: peer.queued_bytes, taken: peer.taken_bytes };
    const { late, ping } = this.#timers.tick(clock.now_ms(), network);
    if (late !== null) this.end(late);
    else if (ping !== null) peer.send({ type: 'ping', n: ping });
  }

  #onReady(): void {
    if (this.#phase !== 'connecting') {
      this.end('the backup broke the protocol: ready twice');
      return;
    }
    this.#timers.ready();
    this.#setPhase('first-copy');
    this.#pump().catch((error: unknown) => this.end(sentenceOf(error)));
  }

  #onAck(n: number): void {
    if (n !== this.#acked + 1 || n !== this.#decoder.completed) {
      this.end(`the backup broke the protocol: it acknowledged checkpoint ${n} out of turn`);
      return;
    }
    this.#acked = n;
    this.#counters.ack(n, this.#ports.clock.now_ms());
    this.#timers.acked();
    if (this.#blocked && this.#ports.hold !== null) {
      this.#blocked = false;
      this.#holding = true;
      this.#released = this.#ports.hold.release();
      // Also waited for before the next block; but an error must not wait for that.
      this.#released.catch((error: unknown) => this.end(sentenceOf(error)));
    }
    if (this.#phase === 'first-copy') this.#phase = 'flowing';
    this.#ports.changed();
    this.#on_ack?.();
  }

  async #pump(): Promise<void> {
    // Nothing is held during the first copy.
    await this.#ports.input.widen();
    this.#ports.input.open();
    while (this.#reason === null && !(await this.#handedOver())) {
      const bytes = await this.#read();
      if (bytes === null) {
        this.end(this.#inputEnded());
        return;
      }
      if (this.#decoder.at_boundary) await this.#begin();
      if (this.#stopped()) return;
      this.#take(bytes);
      await this.#room();
    }
  }

  #stopped(): boolean {
    return this.#reason !== null;
  }

  async #read(): Promise<Buffer | null> {
    const { at_boundary, completed } = this.#decoder;
    if ((this.#ports.hold !== null || this.#freeze) && at_boundary && completed > 0)
      this.#narrow = await this.#ports.input.narrow();
    // Never across the end of a record: so a checkpoint's first read is 8 bytes. See pipe-size.ts.
    const max = Math.min(this.#decoder.wants, READ_BYTES_MAX);
    const { clock, input } = this.#ports;
    this.#timers.reading(clock.now_ms(), this.#decoder.at_boundary, this.#decoder.completed + 1);
    const bytes = await input.read(max);
    this.#timers.read();
    return bytes;
  }

  #inputEnded(): string {
    return this.#decoder.at_boundary
      ? 'xl remus has ended'
      : `xl remus has ended in the middle of checkpoint ${this.#decoder.completed + 1}`;
  }

  /** The first bytes of a checkpoint are here, and nothing more is read until its output is safe. */
  async #begin(): Promise<void> {
    this.#counters.begin(this.#ports.clock.now_ms());
    await this.#allAcked();
    if (this.#stopped() || this.#decoder.completed === 0) return;
    await this.#released;
    if (this.#freeze) await this.#freezeHere();
    if (!this.#narrow) return;
    if (this.#ports.hold !== null) {
      await this.#ports.hold.block();
      this.#blocked = true;
      this.#counters.histograms.block(this.#ports.clock.now_ms());
    }
    this.#ports.input.widen().catch((error: unknown) => this.end(sentenceOf(error)));
  }

  /** Where it is not sure that the guest is suspended still, the next checkpoint is the last one. */
  async #freezeHere(): Promise<void> {
    if (!this.#narrow || this.#finish_at !== null) return;
    await this.#ports.freeze();
    this.#finish_at = this.#decoder.completed + 1;
  }

  async #allAcked(): Promise<void> {
    while (this.#reason === null && this.#acked < this.#decoder.completed) {
      await new Promise<void>((resolve) => (this.#on_ack = resolve));
    }
    this.#on_ack = null;
  }

  #take(bytes: Buffer): void {
    this.#counters.read(bytes.length);
    const events = this.#decoder.push(bytes);
    this.#batch.add(bytes);
    for (const event of events) this.#onEvent(event);
    this.#planFlush();
  }

  #onEvent(event: DecodeEvent): void {
    this.#ports.seen?.(event);
    if (event.type === 'header') {
      this.#counters.memory(event.config.memory_bytes);
      this.#ports.changed();
    } else if (event.type === 'checkpoint-end') this.#complete(event);
  }

  #complete(checkpoint: CheckpointEnd): void {
    const now_ms = this.#ports.clock.now_ms();
    this.#counters.end(checkpoint, now_ms);
    this.#timers.sent(now_ms, checkpoint.number);
    this.#batch.flush();
    this.#ports.peer.send({ type: 'checkpoint', n: checkpoint.number });
    this.#ports.changed();
  }

  #planFlush(): void {
    if (this.#batch.empty || this.#flush_planned) return;
    this.#flush_planned = true;
    this.#ports.clock.after(FLUSH_MS, () => {
      this.#flush_planned = false;
      if (this.#reason === null) this.#batch.flush();
    });
  }

  async #room(): Promise<void> {
    const { peer } = this.#ports;
    const waiting = peer.queued_bytes + peer.staged_bytes;
    if (this.#reason === null && waiting > this.#limits.queued_bytes) await peer.drained();
  }

  async #handedOver(): Promise<boolean> {
    if (this.#finish_at === null || this.#decoder.completed < this.#finish_at) return false;
    if (!this.#decoder.at_boundary) return false;
    await this.#allAcked();
    await this.#released;
    if (this.#stopped()) return true;
    this.#ports.peer.send({ type: 'finish', n: this.#acked });
    this.#timers.finished(this.#ports.clock.now_ms());
    this.#setPhase('finished');
    return true;
  }

  #setPhase(phase: SenderPhase): void {
    this.#phase = phase;
    this.#ports.changed();
  }
}
