/**
 * Membership and messages. Messages are delivered in one order everywhere, but not at one moment: a writer that dies
 * right after its own delivery may be the only one that ever had it (corosync's agreed delivery is not safe delivery).
 */
import type { Network } from '../network.js';
import type { World } from '../world.js';
import type { Member } from './member.js';

const TOKEN_MIN_MS = 900;
const TOKEN_MAX_MS = 1_300;
const BLOCKED_MS = 100;

interface Message {
  readonly from: Member;
  readonly apply: (at: Member) => void;
  readonly delivered: Set<Member>;
  /** Decided when its sender has died before all had it. */
  kept: boolean | null;
}

interface Delivery {
  readonly message: Message;
  readonly to: Member;
  /** @param last the membership ends: now or never. */
  readonly run: (last: boolean) => void;
  over: boolean;
}

export interface Changed {
  readonly members: readonly Member[];
  readonly lost: ReadonlySet<string>;
  readonly joined: ReadonlySet<string>;
}

export class Corosync {
  readonly #world: World;
  readonly #network: Network;
  readonly #members: readonly Member[];
  #underway: Delivery[] = [];
  onChange: (change: Changed) => void = () => undefined;

  constructor(world: World, network: Network, members: readonly Member[]) {
    this.#world = world;
    this.#network = network;
    this.#members = members;
    network.ringChanged = () => this.changed();
  }

  ringed(a: Member, b: Member): boolean {
    if (!a.up || !b.up || a.machine === null || b.machine === null) return false;
    return this.#network.ringed(a.machine, b.machine);
  }

  /** Who is lost or back is noticed a token later. */
  changed(): void {
    this.#world.after(TOKEN_MIN_MS, TOKEN_MAX_MS, () => this.#form());
  }

  #form(): void {
    for (const member of this.#members) {
      if (!member.up || member.machine?.frozen !== false) continue;
      const there = this.#members.filter((one) => one === member || this.ringed(member, one));
      if (same(member.view, there)) continue;
      this.#formed(there);
    }
  }

  #formed(members: readonly Member[]): void {
    this.flush(members);
    const now = new Set(members.map(({ name }) => name));
    const lost = new Set<string>();
    const joined = new Set<string>();
    for (const { view } of members) {
      for (const name of view) if (!now.has(name)) lost.add(name);
      for (const name of now) if (!view.has(name)) joined.add(name);
    }
    for (const member of members) {
      member.view = now;
      if (now.size === this.#members.length) member.seen_all = true;
    }
    this.#world.say('ring', () => `membership: ${[...now].join(' ')}`);
    this.onChange({ members, lost, joined });
  }

  /** What was sent in a membership is delivered in it, or not at all. */
  flush(members: readonly Member[]): void {
    for (const delivery of this.#underway) if (members.includes(delivery.to)) delivery.run(true);
    this.#underway = this.#underway.filter(({ over }) => !over);
  }

  /** @param mine called when the sender itself has it. */
  send(from: Member, apply: (at: Member) => void, mine: () => void): void {
    const { machine } = from;
    const post = (): void => {
      if (from.machine !== machine || !from.up || machine?.powered !== true) return;
      const view = this.#members.filter(({ name }) => from.view.has(name));
      // The token does not come round: until there is a new membership nothing is sent.
      if (machine.frozen || view.some((one) => one !== from && !this.ringed(from, one))) {
        this.#world.time.at(BLOCKED_MS, post);
        return;
      }
      const message: Message = { from, apply, delivered: new Set(), kept: null };
      for (const to of view) this.#deliver(message, to, machine, to === from ? mine : null);
    };
    this.#world.after(2, 20, post);
  }

  #deliver(
    message: Message,
    to: Member,
    sender: Member['machine'],
    mine: (() => void) | null,
  ): void {
    const { random, time, now_ms } = this.#world;
    const late = random.chance(0.1) ? random.between(50, 400) : random.between(1, 15);
    to.floor_ms = Math.max(to.floor_ms, now_ms + late);
    const there = to.machine;
    const delivery: Delivery = {
      ...{ message, to, over: false },
      run: (last) => {
        if (delivery.over) return;
        const gone = to.machine !== there || !to.up || there?.powered !== true;
        if (!last && !gone && this.#mustWait(delivery, sender)) {
          time.at(BLOCKED_MS, () => delivery.run(false));
          return;
        }
        delivery.over = true;
        if (gone || !this.#reaches(message, to, sender)) return;
        message.delivered.add(to);
        message.apply(to);
        mine?.();
      },
    };
    this.#underway = this.#underway.filter(({ over }) => !over);
    this.#underway.push(delivery);
    time.at(to.floor_ms - now_ms, () => delivery.run(false));
  }

  /** A ring that is whole again before anybody's token runs out has lost nothing; and nothing overtakes what waits. */
  #mustWait(delivery: Delivery, sender: Member['machine']): boolean {
    const { message, to } = delivery;
    const { from } = message;
    const first = this.#underway.find((one) => one.to === to && !one.over);
    if (first !== undefined && first !== delivery) return true;
    return to !== from && from.machine === sender && from.up && !this.ringed(from, to);
  }

  /** Those who stay together agree: what one of them has, all get. */
  #reaches(message: Message, to: Member, sender: Member['machine']): boolean {
    const { from, delivered } = message;
    if (to === from) return true;
    if (from.machine === sender && this.ringed(from, to)) return true;
    if ([...delivered].some((one) => one !== from && this.ringed(one, to))) return true;
    message.kept ??= this.#world.random.chance(0.5);
    return message.kept;
  }
}

function same(view: ReadonlySet<string>, members: readonly Member[]): boolean {
  return view.size === members.length && members.every(({ name }) => view.has(name));
}
