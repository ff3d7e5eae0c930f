/**
 * Two nodes, one VM, and what is between them, small: guests that count, output that is held or let go, a
 * replica's memory, a CIB copy a node, a link, power. Checks P1 to P3 at the moment something happens; knows
 * nothing of the machines. Time is a queue of closures; chance is seeded.
 */
import { formatRecord } from '../../../daemon/core/record.js';
import type { Task } from '../../../daemon/core/effect.js';
import type { Guest, Look, Peer, VmConfig } from '../../../daemon/core/state.js';
import type { ReceiverState, ReplicaId, SenderState } from '../../../daemon/relay/control.js';
import { peerNamed, receiverState, senderState } from './rig.js';

export type Name = 'pm1' | 'pm2';

export interface Copy {
  state: 'running' | 'suspended' | 'ended';
  /** Which cold start this memory comes from. */
  readonly boot: number;
  /** The guest's memory: how far it has counted. */
  tick: number;
}

interface Sender {
  readonly replica: ReplicaId;
  phase: SenderState['phase'];
  acked: number;
  stalled_since: number | null;
}

interface Receiver {
  readonly replica: ReplicaId;
  phase: ReceiverState['phase'];
  complete: number;
  memory: { boot: number; tick: number } | null;
}

/** A machine and what lives on it; all of it but `cib` is gone after a power cut. */
export interface ToyNode {
  readonly name: Name;
  powered: boolean;
  guest: Copy | null;
  incoming: boolean;
  sender: Sender | null;
  receiver: Receiver | null;
  /** Output is held: what the guest says stays here until it is let go. */
  held: boolean;
  /** What the guest said last while held. */
  queued: { boot: number; tick: number } | null;
  registered: { config: VmConfig; primary: boolean } | null;
  note: { peer: Peer; replica: ReplicaId } | null;
  from: string | null;
  cib: string | null;
  score: number | null;
}

export function other(name: Name): Name {
  return name === 'pm1' ? 'pm2' : 'pm1';
}

function emptyNode(name: Name, cib: string | null): ToyNode {
  return {
    ...{ name, powered: true, guest: null, incoming: false, sender: null, receiver: null },
    ...{ held: false, queued: null, registered: null, note: null, from: null, cib, score: null },
  };
}

/** mulberry32 */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class World {
  now_ms = 0;
  readonly nodes: Record<Name, ToyNode> = {
    pm1: emptyNode('pm1', null),
    pm2: emptyNode('pm2', null),
  };
  /** Corosync's and the replication link. */
  cluster_up = true;
  link_up = true;
  /** What the client outside has seen: the newest memory, by boot. */
  seen = { boot: 0, tick: 0 };
  readonly chance: () => number;
  readonly log: string[] = [];
  /** How often a replica has taken over. */
  activations = 0;
  /** Chance that a task fails; half of those have done their work all the same. */
  trouble = 0;
  promoting: (name: Name) => boolean = () => false;
  onProcessGone: (node: ToyNode, what: 'sender' | 'receiver', session: string) => void = () =>
    undefined;
  onNews: (node: ToyNode, news: SenderState | ReceiverState) => void = () => undefined;
  #boots = 0;
  #sessions = 0;
  #queue: { at: number; n: number; run: () => void }[] = [];
  #n = 0;

  constructor(seed: number) {
    this.chance = seeded(seed);
    this.every(250, () => this.#turn());
  }

  after(ms: number, run: () => void): void {
    this.#queue.push({ at: this.now_ms + ms, n: (this.#n += 1), run });
  }

  every(ms: number, run: () => void): void {
    this.after(ms, () => {
      run();
      this.every(ms, run);
    });
  }

  runFor(ms: number): void {
    const end = this.now_ms + ms;
    for (;;) {
      let first = this.#queue[0];
      for (const one of this.#queue)
        if (first === undefined || one.at < first.at || (one.at === first.at && one.n < first.n))
          first = one;
      if (first === undefined || first.at > end) break;
      this.#queue.splice(this.#queue.indexOf(first), 1);
      this.now_ms = first.at;
      first.run();
      this.#oneCopy();
    }
    this.now_ms = end;
  }

  say(text: string): void {
    this.log.push(`${this.now_ms} ${text}`);
    if (this.log.length > 160) this.log.shift();
  }

  /** P1 */
  #oneCopy(): void {
    const running = Object.values(this.nodes).filter(
      (node) => node.powered && node.guest?.state === 'running',
    );
    if (running.length > 1) throw new Error('P1: two hosts run the VM');
  }

  powerOff(name: Name): void {
    if (!this.nodes[name].powered) return;
    this.say(`${name} loses its power`);
    this.nodes[name] = { ...emptyNode(name, this.nodes[name].cib), powered: false };
  }

  powerOn(name: Name): void {
    const cib = this.nodes[other(name)].powered
      ? this.nodes[other(name)].cib
      : this.nodes[name].cib;
    this.say(`${name} boots`);
    this.nodes[name] = emptyNode(name, cib);
  }

  killSender(node: ToyNode, reason: string): void {
    const { sender } = node;
    if (sender === null) return;
    this.say(`${node.name} sender ends: ${reason}`);
    node.sender = null;
    if (node.guest?.state === 'suspended') node.guest.state = 'running';
    this.onProcessGone(node, 'sender', sender.replica.session);
  }

  killReceiver(node: ToyNode): void {
    const { receiver } = node;
    if (receiver === null) return;
    this.say(`${node.name} receiver ends`);
    node.receiver = null;
    this.onProcessGone(node, 'receiver', receiver.replica.session);
  }

  connected(): boolean {
    return this.link_up && this.nodes.pm1.powered && this.nodes.pm2.powered;
  }

  #turn(): void {
    for (const node of Object.values(this.nodes)) {
      if (!node.powered) continue;
      this.#guestRuns(node);
      this.#checkpoint(node);
    }
  }

  #guestRuns(node: ToyNode): void {
    const { guest } = node;
    if (guest?.state !== 'running') return;
    guest.tick += 1;
    const said = { boot: guest.boot, tick: guest.tick };
    if (node.held) node.queued = said;
    else this.#released(said);
  }

  #released(said: { boot: number; tick: number }): void {
    if (said.boot > this.seen.boot || said.tick > this.seen.tick) this.seen = { ...said };
  }

  /** A checkpoint that reaches the peer, or one more moment of waiting for it. */
  #checkpoint(node: ToyNode): void {
    const { sender, guest } = node;
    if (sender === null || sender.phase === 'finished' || guest === null) return;
    const receiver = this.nodes[other(node.name)].receiver;
    if (guest.state === 'ended' || !this.#reaches(sender, receiver)) {
      sender.stalled_since ??= this.now_ms;
      if (this.now_ms - sender.stalled_since > 5_000) this.killSender(node, 'no progress');
      return;
    }
    sender.stalled_since = null;
    if (sender.acked >= 1) node.held = true;
    const memory = { boot: guest.boot, tick: guest.tick };
    receiver.memory = memory;
    receiver.complete += 1;
    receiver.phase = 'ready';
    sender.acked += 1;
    if (sender.phase === 'first-copy') sender.phase = 'flowing';
    // Everything said up to the checkpoint is the backup's too.
    if (node.queued !== null) this.#released(node.queued);
    node.queued = null;
    this.onNews(node, this.senderNews(sender));
    this.onNews(this.nodes[other(node.name)], this.receiverNews(receiver));
  }

  #reaches(sender: Sender, receiver: Receiver | null): receiver is Receiver {
    return (
      this.connected() &&
      receiver?.replica.session === sender.replica.session &&
      (receiver.phase === 'listening' || receiver.phase === 'ready')
    );
  }

  senderNews(sender: Sender): SenderState {
    const { replica, phase, acked } = sender;
    return senderState(replica, { phase, acked, holding: acked >= 2 });
  }

  receiverNews(receiver: Receiver): ReceiverState {
    return receiverState(receiver.replica, receiver.phase, receiver.complete, this.connected());
  }

  look(node: ToyNode): Look {
    const { guest, incoming } = node;
    const seen: Guest =
      guest === null
        ? { kind: 'absent' }
        : guest.state === 'ended'
          ? { kind: 'ended', domid: 1, how: 'crash' }
          : { kind: guest.state, domid: 1 };
    return { guest: seen, incoming };
  }

  /** What a task does to the world, at one moment. Throws when it cannot be done. */
  carryOut(node: ToyNode, task: Task): unknown {
    switch (task.task) {
      case 'look':
        return this.look(node);
      case 'clean':
        this.#clean(node, task.domain);
        return undefined;
      case 'register':
        node.registered = { config: task.config, primary: false };
        return undefined;
      case 'unregister':
        node.registered = null;
        return undefined;
      case 'read-record':
        return this.#read(node, task.at);
      case 'write-record':
      case 'withdraw':
      case 'grant':
        this.#write(node, formatRecord(task.record));
        if (task.task === 'grant' || task.task === 'withdraw') this.#setScore(node, task.score);
        return undefined;
      case 'membership':
        if (this.cluster_up && this.nodes[other(node.name)].powered) return 'member';
        return this.fenced(other(node.name)) ? 'fenced' : 'neither';
      case 'find-peers':
        return this.#findPeers(node);
      case 'launch-remus':
        this.#launch(node, task.replica, task.peer);
        return undefined;
      case 'end-replication':
        node.sender = null;
        if (node.guest?.state === 'suspended') node.guest.state = 'running';
        return undefined;
      case 'lift-hold':
        this.#lift(node);
        return undefined;
      case 'destroy-handed-over':
      case 'destroy-guest':
        this.#destroy(node);
        return undefined;
      case 'launch-receiver':
        return this.#receive(node, task.replica, task.from);
      case 'activate':
        this.#activate(node);
        return undefined;
      case 'create':
        this.#create(node);
        return undefined;
      case 'shutdown-guest':
        if (node.guest !== null && node.sender === null) node.guest.state = 'ended';
        return undefined;
      case 'finish-sender':
        this.#finish(node);
        return undefined;
      case 'prepare-peer':
      case 'drop-peer':
      case 'planned-promotion':
      case 'tell-activated':
        throw new Error(`${task.task} is not the world's`);
    }
  }

  fenced: (name: Name) => boolean = () => false;

  #clean(node: ToyNode, domain: boolean): void {
    node.receiver = null;
    node.incoming = false;
    if (domain) this.#destroy(node);
  }

  #destroy(node: ToyNode): void {
    node.sender = null;
    node.guest = null;
    node.queued = null;
    node.held = false;
    node.note = null;
  }

  #read(node: ToyNode, at: 'dc' | { readonly node: string }): string | null {
    if (at === 'dc' || at.node === node.name) return node.cib;
    if (!this.cluster_up || !this.nodes[other(node.name)].powered) throw new Error('no answer');
    return this.nodes[other(node.name)].cib;
  }

  /** Ours at once; the other node's a little later, if the cluster is still there then. */
  #write(node: ToyNode, text: string): void {
    node.cib = text;
    this.after(Math.floor(this.chance() * 400), () => {
      const there = this.nodes[other(node.name)];
      if (this.cluster_up && there.powered && node.powered) there.cib = text;
    });
  }

  #setScore(node: ToyNode, score: number | null): void {
    const there = this.nodes[other(node.name)];
    if (score !== null && this.cluster_up && there.powered) there.score = score;
  }

  #findPeers(node: ToyNode): unknown {
    const there = this.nodes[other(node.name)];
    this.#sessions += 1;
    const peers = this.cluster_up && there.powered ? [peerNamed(there.name)] : [];
    const session = this.#sessions.toString(16).padStart(8, '0');
    return { peers, none_because: 'peer offline', session };
  }

  #launch(node: ToyNode, replica: ReplicaId, peer: Peer): void {
    if (node.guest?.state !== 'running') throw new Error('the domain does not run');
    node.note = { peer, replica };
    // New plumbing passes everything: what was still held would be out.
    this.#lift(node);
    node.sender = { replica, phase: 'first-copy', acked: 0, stalled_since: null };
  }

  #lift(node: ToyNode): void {
    node.held = false;
    if (node.queued !== null) this.#released(node.queued);
    node.queued = null;
  }

  #receive(node: ToyNode, replica: ReplicaId, from: string): unknown {
    if (node.incoming) throw new Error('Domain with name "vm1--incoming" already exists.');
    node.receiver = { replica, phase: 'listening', complete: 0, memory: null };
    node.incoming = true;
    node.from = from;
    return { port: 40_001 };
  }

  /** P2 and P3 */
  #activate(node: ToyNode): void {
    if (!this.promoting(node.name)) throw new Violation('P2: activation without a promote');
    const memory = node.receiver?.memory ?? null;
    if (memory === null) throw new Error('no complete checkpoint');
    const { seen } = this;
    if (memory.boot < seen.boot || (memory.boot === seen.boot && memory.tick < seen.tick))
      throw new Violation(`P3: the client has seen ${seen.tick}, the replica knows ${memory.tick}`);
    node.guest = { state: 'running', ...memory };
    node.incoming = false;
    node.receiver = null;
    this.activations += 1;
    this.say(`${node.name} activates at ${memory.tick}`);
  }

  #create(node: ToyNode): void {
    if (node.guest !== null) throw new Error('Domain with name "vm1" already exists.');
    this.#boots += 1;
    node.guest = { state: 'running', boot: this.#boots, tick: 0 };
    this.say(`${node.name} creates boot ${this.#boots}`);
  }

  #finish(node: ToyNode): void {
    const { sender, guest } = node;
    const receiver = this.nodes[other(node.name)].receiver;
    if (sender === null || guest === null || !this.#reaches(sender, receiver))
      throw new Error('the sender does not answer');
    this.#checkpoint(node);
    sender.phase = 'finished';
    guest.state = 'suspended';
  }
}

/** A broken promise: never a task's own failure. */
export class Violation extends Error {}
