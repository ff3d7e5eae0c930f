import type { Clock } from '../ports.js';
import type { Frame } from '../stream/frames.js';
import type { Coding } from '../stream/packed.js';
import { Packer } from '../stream/packer.js';
import type { Choice, CompressionPolicy } from './compression-policy.js';
import type { WireStats } from './control.js';
import type { SenderPeer } from './sender-session.js';
import { WireCounters } from './wire-stats.js';

export interface PackingOptions {
  /** Size of both ends' page caches; null: the peer takes plain data only. */
  readonly cache_pages: number | null;
  readonly policy: CompressionPolicy;
  readonly clock: Clock;
  /** Calls soon, but lets what has come be read first (setImmediate). */
  readonly soon: (fn: () => void) => void;
  /** From so many bytes on nothing is kept back any longer. */
  readonly staged_bytes_max: number;
}

/** The link has enough to do for as long as the next pieces take to be coded. */
const AHEAD_BYTES = 1024 * 1024;
/** The link is slower than what we do. */
const BACKLOG_BYTES = 256 * 1024;

/**
 * Between the session and the link: codes the stream's bytes on their way. The session knows nothing of it.
 *
 * The guest stands still while a checkpoint is read, so nothing is coded then: bytes are only kept, uncopied, and coded when the last
 * one has been read (the session then sends `checkpoint`), or when more than `staged_bytes_max` wait. Coding goes piece by piece
 * (64 pages), with everything else that has happened in between, and not much faster than the link takes it. The first copy is too
 * big to be kept; it is coded as it comes, and the guest runs during all of it but its end.
 *
 * What is not to be coded (`off`) goes on at once.
 */
export class PackingPeer implements SenderPeer {
  readonly #link: SenderPeer;
  readonly #options: PackingOptions;
  readonly #packer: Packer | null;
  readonly #counters: WireCounters;
  #first_copy = true;
  /** How the checkpoint is coded whose bytes are coming; null between checkpoints. */
  #choice: Choice | null = null;
  #shown: Choice = { coding: 'off', why: 'nothing is sent yet' };
  /** The checkpoint frame that waits for the bytes before it. */
  #mark: number | null = null;
  #planned = false;
  #waiting = false;
  #over = false;
  #drained: (() => void)[] = [];

  constructor(link: SenderPeer, options: PackingOptions) {
    this.#link = link;
    this.#options = options;
    this.#packer = options.cache_pages === null ? null : new Packer(options.cache_pages);
    this.#counters = new WireCounters(options.clock);
  }

  get queued_bytes(): number {
    return this.#link.queued_bytes;
  }

  get taken_bytes(): number {
    return this.#link.taken_bytes;
  }

  get staged_bytes(): number {
    return this.#packer?.staged_bytes ?? 0;
  }

  get stats(): WireStats {
    return this.#counters.snapshot(this.#shown);
  }

  send(frame: Frame): void {
    switch (frame.type) {
      case 'data':
        this.#data(frame.bytes);
        return;
      case 'checkpoint':
        this.#counters.end(this.#coding());
        this.#mark = frame.n;
        this.#work();
        return;
      case 'ping':
        this.#counters.ping(frame.n);
        this.#link.send(frame);
        return;
      case 'end':
        this.#over = true;
        this.#link.send(frame);
        return;
      default:
        this.#link.send(frame);
    }
  }

  /** A frame from the receiver, before the session gets it. */
  onFrame(frame: Frame): void {
    if (frame.type === 'pong') this.#counters.pong(frame.n);
    if (frame.type !== 'ack') return;
    const sample = this.#counters.acked();
    if (frame.n === 1) this.#options.policy.coder(sample.raw_bytes, sample.coding_ms);
    else this.#options.policy.learn(sample);
  }

  /** Resolves when there is room again. */
  async drained(): Promise<void> {
    if (this.staged_bytes === 0) {
      await this.#link.drained();
      return;
    }
    await new Promise<void>((resolve) => {
      this.#drained.push(resolve);
      this.#plan();
    });
  }

  #data(bytes: Buffer): void {
    if (this.#choice === null) this.#begin();
    this.#counters.raw(bytes.length);
    if (this.#packer === null) {
      this.#sendData(bytes);
      return;
    }
    this.#packer.push(bytes);
    if (this.#coding() === 'off')
      for (const piece of this.#packer.takePlain()) this.#sendData(piece);
    else if (this.#first_copy || this.staged_bytes > this.#options.staged_bytes_max) this.#plan();
  }

  #coding(): Choice['coding'] {
    return this.#choice?.coding ?? 'off';
  }

  /** The first bytes of a checkpoint. */
  #begin(): void {
    this.#choice = this.#chosen();
    this.#shown = this.#choice;
    this.#counters.begin();
  }

  #chosen(): Choice {
    const { policy } = this.#options;
    const coding = policy.firstCopy(false);
    if (coding === null) return policy.choose();
    if (this.#packer === null) {
      return { coding: 'off', why: "the other node's release takes plain data only" };
    }
    return this.#first_copy ? { coding, why: 'the first copy' } : policy.choose();
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#options.soon(() => {
      this.#planned = false;
      this.#work();
    });
  }

  /** Codes one piece, or sends the frame that comes after the last one. */
  #work(): void {
    if (!this.#due()) return;
    if (this.#link.queued_bytes >= AHEAD_BYTES) this.#wait();
    else if (this.#code()) this.#plan();
    else {
      this.#sendMark();
      this.#wakeAll();
    }
  }

  #due(): boolean {
    if (this.#over) return false;
    if (this.#mark !== null || this.#drained.length > 0 || this.#first_copy) return true;
    return this.staged_bytes > this.#options.staged_bytes_max;
  }

  /** The link has enough to do. */
  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    void this.#link.drained().then(() => {
      this.#waiting = false;
      this.#plan();
    });
  }

  /** Returns false when there is nothing more to code. */
  #code(): boolean {
    if (this.#packer === null || this.#coding() === 'off') return false;
    const { clock } = this.#options;
    const began_ms = clock.now_ms();
    const packed = this.#packer.next(this.#codingNow());
    if (packed === null) return false;
    this.#counters.coded(clock.now_ms() - began_ms);
    this.#link.send({ type: 'packed', body: packed.body });
    this.#counters.wire(packed.body.length);
    return true;
  }

  #codingNow(): Coding {
    const coding = this.#coding();
    if (!this.#first_copy) return coding === 'lz4' ? 'lz4' : 'delta';
    return this.#options.policy.firstCopy(this.#link.queued_bytes > BACKLOG_BYTES) ?? 'delta';
  }

  #sendMark(): void {
    if (this.#mark === null) return;
    this.#link.send({ type: 'checkpoint', n: this.#mark });
    this.#mark = null;
    this.#choice = null;
    this.#first_copy = false;
  }

  #wakeAll(): void {
    const waiting = this.#drained.splice(0);
    if (waiting.length > 0) void this.#link.drained().then(() => waiting.forEach((wake) => wake()));
  }

  #sendData(bytes: Buffer): void {
    this.#link.send({ type: 'data', bytes });
    this.#counters.wire(bytes.length);
  }
}
