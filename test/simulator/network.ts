/** Who reaches whom: corosync's ring, and the replication and control links, which fail alone or together. */
import type { Machine } from './machine/machine.js';
import type { World } from './world.js';

export class Network {
  readonly #world: World;
  /** Partition of each node on the ring. */
  readonly #ring = new Map<string, number>();
  readonly #cut = new Set<string>();
  readonly #waiting: { readonly a: Machine; readonly b: Machine; readonly run: () => void }[] = [];
  ringChanged: () => void = () => undefined;

  constructor(world: World) {
    this.#world = world;
    for (const name of world.names) this.#ring.set(name, 0);
  }

  /** On the ring: messages between them arrive now. */
  ringed(a: Machine, b: Machine): boolean {
    if (!a.powered || !b.powered || a.frozen || b.frozen) return false;
    return this.sameSide(a.name, b.name);
  }

  sameSide(a: string, b: string): boolean {
    return this.#ring.get(a) === this.#ring.get(b);
  }

  linked(a: Machine, b: Machine): boolean {
    return a.powered && b.powered && !this.#cut.has(pair(a.name, b.name));
  }

  onceLinked(a: Machine, b: Machine, run: () => void): void {
    this.#waiting.push({ a, b, run });
  }

  /** Both the ring and the links of the nodes fall apart. */
  partition(sides: ReadonlyMap<string, number>, links: boolean): void {
    for (const [name, side] of sides) this.#ring.set(name, side);
    if (links) {
      for (const [a, side_a] of sides)
        for (const [b, side_b] of sides) if (side_a !== side_b) this.#cut.add(pair(a, b));
    }
    this.#world.say(
      'net',
      () => `partition: ${[...this.#ring].map(([n, s]) => `${n}=${s}`).join(' ')}`,
    );
    this.ringChanged();
  }

  cutLink(a: string, b: string): void {
    this.#world.say('net', () => `link ${a}-${b} is cut`);
    this.#cut.add(pair(a, b));
  }

  heal(): void {
    this.#world.say('net', () => 'all links are whole');
    for (const name of this.#ring.keys()) this.#ring.set(name, 0);
    this.#cut.clear();
    this.ringChanged();
    for (const { run } of this.#waiting.splice(0)) run();
  }

  mendLink(a: string, b: string): void {
    if (!this.#cut.delete(pair(a, b))) return;
    this.#world.say('net', () => `link ${a}-${b} is back`);
    for (const { run } of this.#waiting.splice(0)) run();
  }
}

function pair(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
