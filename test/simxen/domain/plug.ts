/** What `tc ... plug` can ask for. */
export type PlugAction = 'block' | 'release' | 'release_indefinite' | 'limit';

/** The figures `tc -s qdisc show` prints. */
export interface PlugStats {
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly dropped: number;
  readonly backlogBytes: number;
  readonly backlogPackets: number;
}

interface Held {
  readonly bytes: number;
  readonly transmit: () => void;
}

/**
 * The plug qdisc, counting as Linux does. `block` closes an epoch: its count becomes "the last epoch's", and the count of the
 * epoch before, if nobody released it, is forgotten (its packets wait at the head of the queue, so later releases let go of
 * fewer than they should). `release` lets go as many packets as the last closed epoch had. A new plug holds.
 */
export class PlugQueue {
  private readonly queue: Held[] = [];
  private limitBytes: number;
  private indefinite = false;
  private throttled = true;
  private current = 0;
  private last = 0;
  private toRelease = 0;
  private sentBytes = 0;
  private sentPackets = 0;
  private dropped = 0;
  private backlogBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  enqueue(bytes: number, transmit: () => void): void {
    if (this.backlogBytes + bytes > this.limitBytes) {
      this.dropped++;
      return;
    }
    if (!this.indefinite) this.current++;
    this.backlogBytes += bytes;
    this.queue.push({ bytes, transmit });
    this.drain();
  }

  change(action: PlugAction, limitBytes = 0): void {
    switch (action) {
      case 'block':
        this.last = this.current;
        this.current = 0;
        if (this.indefinite) this.throttled = true;
        this.indefinite = false;
        break;
      case 'release':
        this.toRelease += this.last;
        this.last = 0;
        this.throttled = false;
        break;
      case 'release_indefinite':
        this.indefinite = true;
        this.toRelease = 0;
        this.last = 0;
        this.current = 0;
        this.throttled = false;
        break;
      case 'limit':
        this.limitBytes = limitBytes;
        break;
    }
    this.drain();
  }

  stats(): PlugStats {
    return {
      sentBytes: this.sentBytes,
      sentPackets: this.sentPackets,
      dropped: this.dropped,
      backlogBytes: this.backlogBytes,
      backlogPackets: this.queue.length,
    };
  }

  private drain(): void {
    for (let held = this.dequeue(); held !== undefined; held = this.dequeue()) {
      this.backlogBytes -= held.bytes;
      this.sentBytes += held.bytes;
      this.sentPackets++;
      held.transmit();
    }
  }

  private dequeue(): Held | undefined {
    if (this.throttled) return undefined;
    if (!this.indefinite) {
      if (this.toRelease === 0) {
        this.throttled = true;
        return undefined;
      }
      this.toRelease--;
    }
    return this.queue.shift();
  }
}
