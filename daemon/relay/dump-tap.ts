/**
 * Shows the stream that passes through a sender to whoever asks, and never at the expense of replication: nothing waits for a
 * reader, nothing is written while a checkpoint is read (the guest stands still then), and what is kept is bounded.
 */
import type { Clock } from '../ports.js';
import type { DecodeEvent } from '../stream/decoder.js';
import type { DumpCommand } from './control.js';
import { DUMP_BATCH_MAX, type DumpEnd, type DumpLine } from './dump-lines.js';

/** Who is shown the records. Nothing of it throws. */
export interface DumpReader {
  /** False: he is not to be told more before he has read what there is. */
  send(line: DumpLine): boolean;
  /** Called when he has. */
  onDrain(go: () => void): void;
  onClose(gone: () => void): void;
  /** The last line. */
  end(line: DumpLine): void;
  /** He is not waited for any more. */
  drop(): void;
}

/**
 * Events that are kept while they cannot be written, about 200 bytes each. A record has up to 4 MiB of pages: these are 64 GiB
 * of one checkpoint.
 */
const KEPT_MAX = 16_384;
/** A reader who takes nothing for so long is dropped. */
const STUCK_MS = 5_000;
/** Of what is kept when replication ends: xl, and so the guest, waits for our end. */
const LAST_EVENTS_MAX = 1_024;

type Parts = Pick<Clock, 'after'> & {
  /** Later, when what came in meanwhile has been looked at. */
  readonly soon: (work: () => void) => void;
};

/** Where a sender's stream can be looked at: by one at a time. */
export class DumpTap {
  readonly #parts: Parts;
  #header: DecodeEvent | null = null;
  #image: DecodeEvent | null = null;
  #still = false;
  #dump: Dump | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Somebody is being shown the stream. */
  get busy(): boolean {
    return this.#dump !== null;
  }

  see(event: DecodeEvent): void {
    switch (event.type) {
      case 'record':
        break;
      case 'header':
        this.#header = event;
        break;
      case 'image':
        this.#image = event;
        break;
      case 'checkpoint-begin':
        // The guest runs on during the first copy.
        this.#still = event.number > 1;
        break;
      case 'checkpoint-end':
      case 'end':
        this.#still = false;
    }
    this.#dump?.see(event);
  }

  /** The dump begins with what the stream began with, and goes on with the next checkpoint that begins. */
  begin(reader: DumpReader, command: DumpCommand): void {
    if (this.#dump !== null) {
      reader.end({ type: 'dump-end', why: 'busy', whole: 0 });
      return;
    }
    const about = [this.#header, this.#image].filter((event) => event !== null);
    const still = (): boolean => this.#still;
    const over = (): void => void (this.#dump = null);
    this.#dump = new Dump(reader, command, { ...this.#parts, still, over });
    this.#dump.begin(about);
  }

  /** Replication has ended. */
  end(reason: string): void {
    this.#dump?.cut(reason);
  }
}

type DumpParts = Parts & {
  /** The guest stands still. */
  readonly still: () => boolean;
  readonly over: () => void;
};

/** One reader, from his question to the last line. */
class Dump {
  readonly #reader: DumpReader;
  readonly #command: DumpCommand;
  readonly #parts: DumpParts;
  readonly #late: { cancel(): void };
  #kept: DecodeEvent[] = [];
  /** A whole checkpoint is being shown, or was. */
  #showing = false;
  #whole = 0;
  #why: DumpEnd | null = null;
  #planned = false;
  /** Runs while the reader has to read first. */
  #stuck: { cancel(): void } | null = null;
  #over = false;

  constructor(reader: DumpReader, command: DumpCommand, parts: DumpParts) {
    this.#reader = reader;
    this.#command = command;
    this.#parts = parts;
    this.#late = parts.after(command.timeout_ms, () => this.#finish('late'));
  }

  begin(about: readonly DecodeEvent[]): void {
    this.#reader.onDrain(() => this.#drained());
    this.#reader.onClose(() => this.#close());
    this.#reader.send({ type: 'dump-begun' });
    this.#kept.push(...about);
    this.#plan();
  }

  see(event: DecodeEvent): void {
    if (this.#why === null) this.#take(event);
    this.#plan();
  }

  #take(event: DecodeEvent): void {
    this.#showing ||= event.type === 'checkpoint-begin';
    if (!this.#showing || (event.type === 'record' && !this.#command.records)) return;
    this.#keep(event);
    if (event.type === 'checkpoint-end') this.#checkpointEnds();
  }

  /** Says what it has, without waiting for anybody. */
  cut(reason: string): void {
    if (this.#why === null || this.#kept.length > LAST_EVENTS_MAX) this.#why = 'ended';
    const events = this.#kept.slice(0, LAST_EVENTS_MAX);
    for (let at = 0; at < events.length; at += DUMP_BATCH_MAX)
      this.#reader.send({ type: 'dump', events: events.slice(at, at + DUMP_BATCH_MAX) });
    this.#sayEnd(reason);
  }

  #keep(event: DecodeEvent): void {
    if (this.#kept.length < KEPT_MAX) this.#kept.push(event);
    else if (this.#stuck !== null) this.#drop();
    else this.#finish('too-many');
  }

  #checkpointEnds(): void {
    // There was no room for its end.
    if (this.#why !== null || this.#over) return;
    this.#whole += 1;
    if (this.#whole === this.#command.checkpoints) this.#finish('done');
  }

  #finish(why: DumpEnd): void {
    if (this.#why !== null) return;
    this.#why = why;
    this.#plan();
  }

  #plan(): void {
    if (this.#planned || this.#over || this.#stuck !== null || this.#parts.still()) return;
    if (this.#kept.length === 0 && this.#why === null) return;
    this.#planned = true;
    this.#parts.soon(() => {
      this.#planned = false;
      this.#turn();
    });
  }

  /** One batch: whatever else there is to do comes in between. */
  #turn(): void {
    if (this.#over || this.#parts.still()) return;
    const events = this.#kept.splice(0, DUMP_BATCH_MAX);
    if (events.length > 0 && !this.#reader.send({ type: 'dump', events })) this.#wait();
    if (this.#kept.length > 0 || this.#why === null) this.#plan();
    else this.#sayEnd();
  }

  #wait(): void {
    this.#stuck = this.#parts.after(STUCK_MS, () => this.#drop());
  }

  #drained(): void {
    this.#stuck?.cancel();
    this.#stuck = null;
    this.#plan();
  }

  #sayEnd(reason?: string): void {
    const why = this.#why ?? 'ended';
    const more = why === 'ended' && reason !== undefined ? { reason } : {};
    this.#close();
    this.#reader.end({ type: 'dump-end', why, whole: this.#whole, ...more });
  }

  #drop(): void {
    this.#close();
    this.#reader.drop();
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#kept = [];
    this.#late.cancel();
    this.#stuck?.cancel();
    this.#parts.over();
  }
}
