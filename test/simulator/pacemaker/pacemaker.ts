/**
 * Pacemaker on all nodes: who is DC, what a lost and a returning node mean, the CIB and the attributes of each
 * partition, quorum. What it orders is in scheduler.ts, fencing in fencing.ts.
 */
import type { Machine } from '../machine/machine.js';
import type { Network } from '../network.js';
import type { World } from '../world.js';
import { type Changed, Corosync } from './corosync.js';
import { Member } from './member.js';

export class Pacemaker {
  readonly world: World;
  readonly members: readonly Member[];
  readonly corosync: Corosync;
  /** A planted bug. */
  blind_writes = false;

  constructor(world: World, network: Network) {
    this.world = world;
    this.members = world.names.map((name) => new Member(name));
    this.corosync = new Corosync(world, network, this.members);
    this.corosync.onChange = (change) => this.#changed(change);
  }

  member(name: string): Member {
    const found = this.members.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  }

  /** The machine has booted: the stack starts with what is on its disk. */
  boot(member: Member, machine: Machine): void {
    member.machine = machine;
    member.up = true;
    member.leaving = false;
    member.view = new Set([member.name]);
    member.pending.clear();
    member.dc = null;
    member.attributes.clear();
    member.known.clear();
    member.confirmed.clear();
    member.seen_all = false;
    member.floor_ms = 0;
    // Who has never been seen may run anything: startup fencing.
    for (const { name } of this.members)
      if (name !== member.name) member.known.set(name, 'unclean');
    this.#elect([member]);
    this.corosync.changed();
  }

  down(member: Member): void {
    member.up = false;
    member.lrm = null;
    // A write that had not reached the disk.
    const { random } = this.world;
    if (random.chance(0.1)) member.cib.version -= 1;
    this.corosync.changed();
  }

  /** A clean end of the cluster stack: the others know that nothing runs there. */
  leave(member: Member): void {
    for (const one of this.partition(member)) one.confirmed.set(member.name, member.machine);
    this.down(member);
  }

  quorate(member: Member): boolean {
    if (!member.up) return false;
    return this.members.length === 2 ? member.seen_all : member.view.size >= 2;
  }

  /** Those that share its membership, the DC's view of it. */
  partition(member: Member): Member[] {
    return this.members.filter((one) => one.up && member.view.has(one.name));
  }

  isDc(member: Member): boolean {
    return member.up && member.dc === member.name && member.machine?.frozen === false;
  }

  /** Nodes outside of the membership that nobody knows to be down. */
  unclean(member: Member): string[] {
    return [...member.known].filter(([, is]) => is === 'unclean').map(([name]) => name);
  }

  /** Everybody in the partition learns it. */
  confirmDown(by: Member, target: string, machine: Machine | null): void {
    for (const one of this.partition(by)) {
      one.confirmed.set(target, machine);
      if (!one.view.has(target)) one.known.set(target, 'clean');
    }
  }

  writeCib(from: Member, key: string, value: string | null): Promise<void> {
    if (!this.quorate(from)) return Promise.reject(new Error('no quorum'));
    return new Promise((resolve) => {
      const apply = (at: Member): void => {
        if (value === null) at.cib.entries.delete(key);
        else at.cib.entries.set(key, value);
        at.cib.version += 1;
        this.world.say(at.name, () => `cib: ${key} = ${value ?? '-'}`);
      };
      this.corosync.send(from, apply, resolve);
    });
  }

  /** An operator's pause that is over, where it is still this one. */
  endPause(from: Member, text: string): Promise<void> {
    if (!this.quorate(from)) return Promise.reject(new Error('no quorum'));
    return new Promise((resolve) => {
      const apply = (at: Member): void => {
        if (at.cib.entries.get('paused') !== text) return;
        at.cib.entries.delete('paused');
        at.cib.version += 1;
        this.world.say(at.name, () => 'cib: the pause is over');
      };
      this.corosync.send(from, apply, resolve);
    });
  }

  /** What a program has sent goes its way, also when the program is killed meanwhile; now and then it takes long. */
  swapRecord(from: Member, before: string | null, value: string): Promise<boolean> {
    const { machine } = from;
    const { world } = this;
    const { meddler, trouble } = world;
    const late_ms = meddler.chance(trouble.slow_writes) ? meddler.between(500, 30_000) : 0;
    if (!this.quorate(from)) return Promise.reject(new Error('no quorum'));
    return new Promise((resolve) => {
      let swapped = false;
      const apply = (at: Member): void => {
        if (!this.blind_writes && at.record() !== before) return;
        at.cib.entries.set('record', value);
        at.cib.version += 1;
        this.world.say(at.name, () => `cib: record = ${value}`);
        if (at !== from) return;
        swapped = true;
        this.world.observe('recorded', at.name, value);
      };
      const send = (): void => {
        if (from.machine !== machine || !from.up) return;
        this.corosync.send(from, apply, () => resolve(swapped));
      };
      if (late_ms === 0) send();
      else world.time.at(late_ms, send);
    });
  }

  writeAttribute(from: Member, node: string, name: string, value: string | null): Promise<void> {
    return new Promise((resolve) => {
      const apply = (at: Member): void => {
        if (!at.view.has(node)) return;
        const values = at.attributes.get(node) ?? new Map<string, string>();
        at.attributes.set(node, values);
        if (value === null) values.delete(name);
        else values.set(name, value);
        this.world.say(at.name, () => `${node} ${name}: ${value ?? '-'}`);
      };
      this.corosync.send(from, apply, resolve);
    });
  }

  #changed({ members, lost, joined }: Changed): void {
    for (const member of members) {
      for (const name of lost) {
        if (member.view.has(name)) continue;
        member.attributes.delete(name);
        const confirmed = member.confirmed.get(name);
        const down = confirmed !== undefined && confirmed === this.member(name).machine;
        member.known.set(name, down ? 'clean' : 'unclean');
      }
      for (const name of member.view) member.known.delete(name);
    }
    const dcs = new Set(
      members
        .map(({ dc }) => dc)
        .filter((dc) => dc !== null && members.some(({ name }) => name === dc)),
    );
    if (joined.size === 0 && dcs.size === 1) {
      const [dc = null] = dcs;
      for (const member of members) member.dc = dc;
      return;
    }
    for (const member of members) for (const name of joined) member.pending.add(name);
    this.#elect(members);
  }

  #elect(members: readonly Member[]): void {
    for (const member of members) member.dc = null;
    const [view] = members.map((one) => one.view);
    this.world.after(300, 1_500, () => {
      const there = members.filter((one) => one.up && one.view === view);
      if (there.length === members.length || there.length > 0) this.#join(there);
    });
  }

  #join(members: readonly Member[]): void {
    const [first] = members;
    if (first === undefined) return;
    const known = members.find(({ lrm }) => lrm?.seasoned === true) ?? first;
    // The merge is a message, too: it has its place in the order.
    this.corosync.flush(members);
    this.#mergeCib(members);
    this.#mergeAttributes(members);
    const unknown = new Map<string, 'clean' | 'unclean'>();
    for (const { known: theirs } of members)
      for (const [name, is] of theirs) if (unknown.get(name) !== 'unclean') unknown.set(name, is);
    // A node that has just booted knows nothing: those who were there know better.
    for (const [name, is] of known.known) unknown.set(name, is);
    for (const member of members) {
      for (const name of member.view) member.confirmed.delete(name);
      member.dc = known.name;
      member.pending.clear();
      member.known.clear();
      if (member.lrm !== null) member.lrm.seasoned = true;
      for (const [name, is] of unknown) if (!member.view.has(name)) member.known.set(name, is);
    }
    this.world.say('ring', () => `DC: ${known.name}`);
  }

  /** The newest wins, whoever had it. */
  #mergeCib(members: readonly Member[]): void {
    const newest = members.reduce((best, one) => (one.cib.version > best.cib.version ? one : best));
    for (const member of members) {
      if (member === newest) continue;
      const replaced = member.cib.replaced + (member.record() === newest.record() ? 0 : 1);
      const { version, entries } = newest.cib;
      member.cib = { version, replaced, entries: new Map(entries) };
    }
  }

  /** Each node is the authority for its own. */
  #mergeAttributes(members: readonly Member[]): void {
    const own = new Map(members.map((one) => [one.name, one.attributes.get(one.name)]));
    for (const member of members) {
      member.attributes.clear();
      for (const [name, values] of own)
        if (values !== undefined) member.attributes.set(name, new Map(values));
    }
  }
}
