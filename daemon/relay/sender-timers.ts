import { patient } from '../adapters/patience.js';
/** Deadlines of a sender, in milliseconds. */
export interface SenderTimeouts {
  /** No progress for so long drops the replica. */
  readonly replication_ms: number;
}

/** Getting xl migrate-receive to run takes seconds on a slow machine. */
const READY_MS_MIN = patient(15_000);
/** A checkpoint whose rest does not come: xl itself has stopped. Copying a big guest may pause for a while. */
const INPUT_MS_MIN = patient(10_000);
/** After a handover the guest stands still until the daemon has destroyed it; if it never does, the guest runs on. */
const FINISHED_MS = patient(60_000);
const PING_MS_MAX = 1000;

interface Network {
  /** Bytes that wait to be sent. */
  readonly queued: number;
  /** Bytes taken by the network so far. */
  readonly taken: number;
}

/**
 * Knows when it is too late. Progress is: an acknowledgement while one is outstanding, any frame while
 * none is, and bytes that leave a queue. Pings are only sent into an empty queue, so that they never pass
 * for progress.
 */
export class SenderTimers {
  readonly #timeout_ms: number;
  readonly #ready_ms: number;
  readonly #input_ms: number;
  readonly #started_ms: number;
  #is_ready = false;
  #tick_ms: number;
  #heard_ms: number;
  #moved_ms: number;
  #last: Network = { queued: 0, taken: 0 };
  #drained_total = 0;
  #outstanding: { readonly n: number; since_ms: number } | null = null;
  #reading: { readonly n: number; since_ms: number } | null = null;
  #finished_ms: number | null = null;
  #ping_ms: number;
  #pings = 0;

  constructor({ replication_ms }: SenderTimeouts, now_ms: number) {
    this.#timeout_ms = replication_ms;
    this.#ready_ms = Math.max(replication_ms, READY_MS_MIN);
    this.#input_ms = Math.max(replication_ms, INPUT_MS_MIN);
    this.#started_ms = now_ms;
    this.#tick_ms = now_ms;
    this.#heard_ms = now_ms;
    this.#moved_ms = now_ms;
    this.#ping_ms = now_ms;
  }

  ready(): void {
    this.#is_ready = true;
  }

  heard(now_ms: number): void {
    this.#heard_ms = now_ms;
  }

  sent(now_ms: number, n: number): void {
    this.#outstanding = { n, since_ms: now_ms };
  }

  acked(): void {
    this.#outstanding = null;
  }

  /** A read from xl begins. Between checkpoints, and in the first copy, xl may take its time. */
  reading(now_ms: number, at_boundary: boolean, n: number): void {
    this.#reading = at_boundary || n < 2 ? null : { n, since_ms: now_ms };
  }

  read(): void {
    this.#reading = null;
  }

  finished(now_ms: number): void {
    this.#finished_ms = now_ms;
  }

  /** Bytes that had to wait, and that the network has taken since. */
  get drained_total(): number {
    return this.#drained_total;
  }

  /** Why it is too late, and the number of a ping when one is due. */
  tick(
    now_ms: number,
    network: Network,
  ): { readonly late: string | null; readonly ping: number | null } {
    this.#forgive(now_ms);
    if (network.taken > this.#last.taken && this.#last.queued > 0) {
      this.#moved_ms = now_ms;
      this.#drained_total += network.taken - this.#last.taken;
    }
    this.#last = network;
    const late = this.#late(now_ms);
    return { late, ping: late === null ? this.#ping(now_ms, network.queued) : null };
  }

  /** We were stopped or starved ourselves: what came meanwhile has not been looked at. Start anew. */
  #forgive(now_ms: number): void {
    const starved = now_ms - this.#tick_ms > this.#timeout_ms / 2;
    this.#tick_ms = now_ms;
    if (!starved) return;
    this.#heard_ms = now_ms;
    if (this.#outstanding !== null) this.#outstanding.since_ms = now_ms;
    if (this.#reading !== null) this.#reading.since_ms = now_ms;
  }

  #late(now_ms: number): string | null {
    if (this.#finished_ms !== null) {
      return now_ms - this.#finished_ms > FINISHED_MS
        ? 'the handover was not completed within 60 s, the guest runs on here'
        : null;
    }
    if (!this.#is_ready) {
      return now_ms - this.#started_ms > this.#ready_ms
        ? `the backup was not ready within ${this.#ready_ms} ms`
        : null;
    }
    return this.#lateAck(now_ms) ?? this.#silent(now_ms) ?? this.#lateInput(now_ms);
  }

  #lateAck(now_ms: number): string | null {
    if (this.#outstanding === null) return null;
    const { n, since_ms } = this.#outstanding;
    return now_ms - Math.max(since_ms, this.#moved_ms) > this.#timeout_ms
      ? `checkpoint ${n} was not acknowledged within ${this.#timeout_ms} ms`
      : null;
  }

  #silent(now_ms: number): string | null {
    return now_ms - Math.max(this.#heard_ms, this.#moved_ms) > this.#timeout_ms
      ? `nothing was heard from the backup for ${this.#timeout_ms} ms`
      : null;
  }

  #lateInput(now_ms: number): string | null {
    if (this.#reading === null || now_ms - this.#reading.since_ms <= this.#input_ms) return null;
    return `xl remus has stopped in the middle of checkpoint ${this.#reading.n}`;
  }

  #ping(now_ms: number, queued: number): number | null {
    const every_ms = Math.min(PING_MS_MAX, this.#timeout_ms / 4);
    if (!this.#is_ready || queued > 0 || now_ms - this.#ping_ms < every_ms) return null;
    this.#ping_ms = now_ms;
    this.#pings += 1;
    return this.#pings;
  }
}
