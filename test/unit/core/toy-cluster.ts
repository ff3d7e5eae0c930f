/**
 * The world's two daemons (the machine under test behind a small driver with the real lanes) and a toy
 * Pacemaker: one action a node at a time, demote before promote, a failed stop is a fencing, and nothing is
 * promoted while the other node is neither a member nor known down.
 */
import { parseRecord } from '../../../daemon/core/record.js';
import type { Effect, Task } from '../../../daemon/core/effect.js';
import type { Done, Event } from '../../../daemon/core/event.js';
import { initialState, type State } from '../../../daemon/core/state.js';
import { step } from '../../../daemon/core/step.js';
import { laneOf, type Lane } from '../../../daemon/tasks/lanes.js';
import { CONFIG } from './rig.js';
import { type Name, other, type ToyNode, Violation, World } from './toy-world.js';

type Action = 'start' | 'stop' | 'promote' | 'demote' | 'monitor';

/** remusd on one node, for one life of its. */
class Daemon {
  state: State;
  alive = true;
  readonly #cluster: Cluster;
  readonly #node: ToyNode;
  readonly #lanes = new Map<Lane, (() => void)[]>();

  constructor(cluster: Cluster, node: ToyNode) {
    this.#cluster = cluster;
    this.#node = node;
    this.state = initialState(node.name, 'vm1');
  }

  get #here(): boolean {
    return this.alive && this.#cluster.world.nodes[this.#node.name] === this.#node;
  }

  recover(): void {
    const { world } = this.#cluster;
    const node = this.#node;
    if (node.registered === null) return;
    const quiet = world.chance() < 0.2;
    this.post({
      type: 'recovered',
      findings: {
        config: node.registered.config,
        look: world.look(node),
        record: quiet ? null : parseRecord(node.cib),
        sender: node.sender === null ? null : world.senderNews(node.sender),
        receiver: node.receiver === null ? null : world.receiverNews(node.receiver),
        peer: node.note?.peer ?? null,
        replica: node.note?.replica ?? node.receiver?.replica ?? null,
        from: node.from,
        was_primary: node.registered.primary,
      },
    });
  }

  post(event: Event): void {
    if (!this.#here) return;
    const { state, effects } = step(this.state, event, this.#cluster.world.now_ms);
    this.state = state;
    const node = this.#node;
    const { kind } = state.phase;
    if (event.type !== 'timer' && event.type !== 'sender' && event.type !== 'receiver') {
      const what = 'task' in event ? `${event.type} ${event.task}` : event.type;
      this.#cluster.world.say(`${node.name} ${what} -> ${kind} ${inner(state)}`);
    }
    if (node.registered !== null)
      node.registered.primary = kind === 'primary' || kind === 'guest-ended' || kind === 'demoting';
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    const { world } = this.#cluster;
    switch (effect.type) {
      case 'run':
        this.#enqueue(effect.tag, effect.task);
        return;
      case 'timer':
        world.after(effect.ms, () => this.post({ type: 'timer', tag: effect.tag }));
        return;
      case 'reply':
        this.#cluster.replied(this.#node.name, effect.op, effect.rc);
        return;
      case 'answer-peer':
        this.#cluster.peerAnswer(effect.request, effect.ok ? effect.port : null, effect.error);
        return;
      case 'publish-score':
        this.#node.score = effect.score;
        return;
      case 'report-failure':
        this.#cluster.failed(this.#node.name);
        return;
      case 'publish-words':
      case 'progress':
      case 'note':
        return;
    }
  }

  #enqueue(tag: number, task: Task): void {
    const lane = laneOf(task.task);
    const start = (): void => this.#start(tag, task, lane);
    if (lane === 'free') {
      start();
      return;
    }
    const queue = this.#lanes.get(lane) ?? [];
    this.#lanes.set(lane, queue);
    queue.push(start);
    if (queue.length === 1) start();
  }

  /** Begun work goes on even when the daemon dies; what waits behind it in its lane does not. */
  #start(tag: number, task: Task, lane: Lane): void {
    const { world } = this.#cluster;
    const ms = 10 + Math.floor(world.chance() * (lane === 'free' ? 150 : 600));
    const fails = world.chance() < world.trouble;
    const works = !fails || world.chance() < 0.5;
    const settle = (event: Event): void => {
      if (lane !== 'free') {
        const queue = this.#lanes.get(lane);
        queue?.shift();
        if (this.#here) queue?.[0]?.();
      }
      this.post(event);
    };
    const failed = (error: string): void => settle({ type: 'failed', tag, task: task.task, error });
    world.after(ms, () => {
      if (world.nodes[this.#node.name] !== this.#node || !this.#node.powered) return;
      const done = (value: unknown): void => {
        if (fails) failed('timed out');
        else settle({ type: 'done', tag, task: task.task, value } as Done);
      };
      try {
        if (!works) throw new Error('failed');
        if (!this.#cluster.peerTask(this.#node, task, done, failed))
          done(world.carryOut(this.#node, task));
      } catch (error) {
        if (error instanceof Violation) throw error;
        failed(String(error));
      }
    });
  }
}

function inner(state: State): string {
  const { phase } = state;
  if (phase.kind === 'primary') {
    const { protection } = phase;
    return 'step' in protection ? `${protection.kind}/${protection.step}` : protection.kind;
  }
  return 'step' in phase ? phase.step : '';
}

interface Running {
  readonly action: Action;
  readonly op: number;
}

/** What Pacemaker believes of a node. */
interface Believed {
  role: 'unknown' | 'stopped' | 'unpromoted' | 'promoted';
  running: Running | null;
  /** A demote or stop has not come to its end since the last promote was ordered. */
  promote_ordered: boolean;
  /** Must be taken down (and is then started again). */
  failed: boolean;
}

export class Cluster {
  readonly world: World;
  readonly daemons: Record<Name, Daemon | null> = { pm1: null, pm2: null };
  readonly believed: Record<Name, Believed> = { pm1: fresh(), pm2: fresh() };
  /** The role moves to the best score even while it is held: an operator's wish. */
  readonly #peer_waiting = new Map<
    number,
    { done: (value: unknown) => void; failed: (error: string) => void }
  >();
  readonly #known_down = new Set<Name>();
  #next_op = 1;

  constructor(world: World) {
    this.world = world;
    world.promoting = (name) => this.believed[name].promote_ordered;
    world.fenced = (name) => this.#known_down.has(name);
    world.onProcessGone = (node, what, session) =>
      this.daemons[node.name]?.post({ type: `${what}-gone`, session, reason: 'it was killed' });
    world.onNews = (node, news) =>
      this.daemons[node.name]?.post(
        news.role === 'sender'
          ? { type: 'sender', state: news }
          : { type: 'receiver', state: news },
      );
    this.startDaemon('pm1');
    this.startDaemon('pm2');
    world.every(500, () => this.#think());
  }

  startDaemon(name: Name): void {
    const node = this.world.nodes[name];
    if (!node.powered || this.daemons[name]?.alive === true) return;
    this.world.say(`${name} daemon starts`);
    const daemon = new Daemon(this, node);
    this.daemons[name] = daemon;
    daemon.recover();
  }

  killDaemon(name: Name): void {
    const daemon = this.daemons[name];
    if (daemon?.alive !== true) return;
    this.world.say(`${name} daemon is killed`);
    daemon.alive = false;
    const { running } = this.believed[name];
    // The agent sees the socket close.
    if (running !== null) this.replied(name, running.op, 1);
    this.world.after(1_500, () => this.startDaemon(name));
  }

  cutPower(name: Name): void {
    if (!this.world.nodes[name].powered) return;
    this.world.powerOff(name);
    this.daemons[name] = null;
    this.believed[name].running = null;
    this.world.after(800, () => this.#nowDown(name));
    this.world.after(9_000, () => this.#boot(name));
  }

  /** Both of the node's links: corosync's and the replication's. */
  partition(): void {
    if (!this.world.cluster_up) return;
    this.world.say('partition');
    this.world.cluster_up = false;
    this.world.link_up = false;
    const victim = this.world.chance() < 0.5 ? 'pm1' : 'pm2';
    this.world.after(1_500, () => {
      if (this.world.nodes[other(victim)].powered) this.cutPower(victim);
    });
    this.world.after(6_000, () => {
      this.world.cluster_up = true;
      this.world.link_up = true;
    });
  }

  switchover(name: Name): void {
    const op = { id: this.#next_op++, deadline_ms: this.world.now_ms + 60_000 };
    this.daemons[name]?.post({ type: 'op-switchover', op, to: null });
  }

  #nowDown(name: Name): void {
    this.world.say(`${name} is known down`);
    this.#known_down.add(name);
    this.believed[name] = { ...fresh(), role: 'stopped' };
  }

  #boot(name: Name): void {
    if (!this.world.cluster_up || this.world.nodes[name].powered) {
      this.world.after(1_000, () => this.#boot(name));
      return;
    }
    this.#known_down.delete(name);
    this.believed[name] = fresh();
    this.world.powerOn(name);
    this.startDaemon(name);
  }

  replied(name: Name, op: number, rc: number): void {
    const believed = this.believed[name];
    const { running } = believed;
    if (running?.op !== op) return;
    believed.running = null;
    const { action } = running;
    this.world.say(`${name} pacemaker: ${action} rc=${rc}`);
    if (action === 'monitor') {
      const wrong = believed.role === 'promoted' ? rc !== 8 && rc !== 191 : rc !== 0 && rc !== 190;
      if (believed.role === 'unknown')
        believed.role = rc === 8 || rc === 191 ? 'promoted' : 'stopped';
      else if (wrong) believed.failed = true;
      return;
    }
    if (rc !== 0) {
      if (action === 'stop') this.cutPower(name);
      else believed.failed = true;
      return;
    }
    const { guest, incoming } = this.world.nodes[name];
    const left = guest !== null || (action === 'stop' && incoming);
    if (left && (action === 'stop' || action === 'demote'))
      throw new Violation(`P6: a ${action} has left something`);
    if (action === 'promote') believed.role = 'promoted';
    else if (action === 'stop') believed.role = 'stopped';
    else believed.role = 'unpromoted';
    if (action === 'stop') believed.failed = false;
    if (action === 'stop' || action === 'demote') believed.promote_ordered = false;
  }

  failed(name: Name): void {
    this.believed[name].failed = true;
  }

  #order(name: Name, action: Action, timeout_ms = 90_000): void {
    const believed = this.believed[name];
    const id = this.#next_op++;
    believed.running = { action, op: id };
    if (action === 'promote') believed.promote_ordered = true;
    this.world.say(`${name} pacemaker orders ${action}`);
    const op = { id, deadline_ms: this.world.now_ms + timeout_ms };
    const daemon = this.daemons[name];
    this.world.after(timeout_ms, () => this.replied(name, id, 1));
    if (daemon?.alive !== true) {
      this.world.after(100, () => this.replied(name, id, 1));
      return;
    }
    const config = CONFIG;
    if (action === 'promote' || action === 'demote') daemon.post({ type: `op-${action}`, op });
    else if (action === 'monitor') daemon.post({ type: 'op-monitor', op, config, probe: false });
    else daemon.post({ type: `op-${action}`, op, config });
  }

  /** Where the promoted role belongs by the scores. */
  best(): Name | null {
    const able = (['pm1', 'pm2'] as const).filter(
      (name) => this.world.nodes[name].powered && this.world.nodes[name].score !== null,
    );
    able.sort((a, b) => (this.world.nodes[b].score ?? 0) - (this.world.nodes[a].score ?? 0));
    return able[0] ?? null;
  }

  #think(): void {
    const { nodes } = this.world;
    for (const name of ['pm1', 'pm2'] as const) {
      const settled = nodes[other(name)].powered || this.#known_down.has(other(name));
      // While fencing is pending nothing is moved.
      if (!nodes[name].powered || !settled || !this.world.cluster_up) continue;
      if (this.believed[name].running === null) this.#forNode(name);
    }
  }

  #forNode(name: Name): void {
    const mine = this.believed[name];
    const theirs = this.believed[other(name)];
    if (this.daemons[name]?.alive !== true) return;
    if (mine.failed) this.#order(name, mine.role === 'promoted' ? 'demote' : 'stop', 80_000);
    else if (mine.role === 'unknown') this.#order(name, 'monitor');
    else if (mine.role === 'stopped') this.#order(name, 'start');
    else if (mine.role === 'promoted' && this.best() === other(name)) this.#order(name, 'demote');
    else if (this.#mayPromote(mine, theirs) && this.best() === name) this.#order(name, 'promote');
    else if (this.world.chance() < 0.2) this.#order(name, 'monitor');
    if (mine.failed && mine.running?.action === 'demote') mine.role = 'unpromoted';
  }

  #mayPromote(mine: Believed, theirs: Believed): boolean {
    const free = theirs.role === 'stopped' || theirs.role === 'unpromoted';
    return mine.role === 'unpromoted' && free && !theirs.failed && !theirs.promote_ordered;
  }

  /** @returns true when the task is one between daemons, or Pacemaker's. */
  peerTask(
    node: ToyNode,
    task: Task,
    done: (value: unknown) => void,
    failed: (error: string) => void,
  ): boolean {
    const there = this.daemons[other(node.name)];
    const reachable = this.world.connected() && there?.alive === true;
    switch (task.task) {
      case 'planned-promotion':
        done({ node: this.best() });
        return true;
      case 'prepare-peer': {
        if (!reachable) throw new Error('remusd does not answer there');
        const request = this.#next_op++;
        this.#peer_waiting.set(request, { done, failed });
        there.post({ type: 'peer-prepare', request, from: node.name, replica: task.replica });
        this.world.after(10_000, () => this.peerAnswer(request, null, 'no answer'));
        return true;
      }
      case 'drop-peer':
        if (reachable) there.post({ type: 'peer-drop', replica: task.replica });
        done(undefined);
        return true;
      case 'tell-activated':
        if (reachable)
          there.post({ type: 'peer-activated', node: node.name, generation: task.generation });
        done(undefined);
        return true;
      default:
        return false;
    }
  }

  peerAnswer(request: number, port: number | null, error: string): void {
    const waiting = this.#peer_waiting.get(request);
    this.#peer_waiting.delete(request);
    if (port === null) waiting?.failed(error);
    else waiting?.done({ port });
  }
}

function fresh(): Believed {
  return { role: 'unknown', running: null, promote_ordered: false, failed: false };
}
