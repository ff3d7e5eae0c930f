/**
 * The data connection between sender and receiver. Bytes arrive late, in order, in pieces, or not at all: what is
 * under way when an end dies may be lost from any point on. A cut link delays; only an end that closes, and can be
 * heard, ends it for the other.
 */
import type { Frame } from '../../../daemon/stream/frames.js';
import type { Process } from '../machine/process.js';
import type { Network } from '../network.js';

export interface End {
  readonly process: Process;
  onFrame(frame: Frame): void;
  onLost(reason: string): void;
}

class Direction {
  readonly #network: Network;
  readonly #from: Process;
  readonly #to: End;
  /** Nothing overtakes. */
  #floor_ms = 0;
  #sent = 0;
  #arrived = 0;
  /** The rest of what was under way is lost. */
  #torn = false;
  #ended = false;

  constructor(network: Network, from: Process, to: End) {
    this.#network = network;
    this.#from = from;
    this.#to = to;
  }

  /** Bytes in no buffer of the other side yet. */
  get queued(): number {
    return this.#network.linked(this.#from.machine, this.#to.process.machine)
      ? 0
      : this.#sent - this.#arrived;
  }

  get taken(): number {
    return this.#sent - this.queued;
  }

  send(frame: Frame): void {
    if (this.#ended) return;
    for (const piece of this.#pieces(frame)) {
      const bytes = piece.type === 'data' ? piece.bytes.length : 16;
      this.#sent += bytes;
      this.#arrive(() => {
        this.#arrived += bytes;
        this.#to.onFrame(piece);
      });
    }
  }

  /** The sending end is gone. @param torn its last words may be lost. */
  end(reason: string, torn: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    if (torn && this.#from.machine.world.random.chance(0.5)) this.#torn = true;
    this.#arrive(() => this.#to.onLost(reason), true);
  }

  #pieces(frame: Frame): readonly Frame[] {
    if (frame.type !== 'data' || frame.bytes.length < 2) return [frame];
    const { random } = this.#from.machine.world;
    if (!random.chance(0.3)) return [frame];
    const at = random.between(1, frame.bytes.length - 1);
    return [
      { type: 'data', bytes: frame.bytes.subarray(0, at) },
      { type: 'data', bytes: frame.bytes.subarray(at) },
    ];
  }

  #arrive(run: () => void, last = false): void {
    const { world } = this.#from.machine;
    this.#floor_ms = Math.max(this.#floor_ms, world.now_ms + world.random.between(1, 8));
    world.time.at(this.#floor_ms - world.now_ms, () => this.#whenLinked(run, last));
  }

  #whenLinked(run: () => void, last: boolean): void {
    const from = this.#from.machine;
    const to = this.#to.process.machine;
    if (!to.powered || (!from.powered && !last)) return;
    if (!from.powered) return;
    if (this.#torn && !last) return;
    if (this.#network.linked(from, to)) this.#to.process.deliver(run);
    else this.#network.onceLinked(from, to, () => this.#whenLinked(run, last));
  }
}

export class Connection {
  readonly #there: Direction;
  readonly #back: Direction;

  constructor(network: Network, client: End, server: End) {
    this.#there = new Direction(network, client.process, server);
    this.#back = new Direction(network, server.process, client);
    client.process.onEnd(() => this.#there.end('closed', true));
    server.process.onEnd(() => this.#back.end('closed', true));
  }

  get client(): Direction {
    return this.#there;
  }

  get server(): Direction {
    return this.#back;
  }
}
