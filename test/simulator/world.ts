/**
 * What all parts of a simulated cluster share: time, chance, the machines, the trace, and the events that checkers
 * see. Checkers learn of nothing but domains, packets, checkpoints, records and what Pacemaker has ordered.
 */
import type { VmConfig } from '../../daemon/core/state.js';
import { Lines, type Memory } from './memory.js';
import { Random } from './random.js';
import type { SceneName } from './scenes.js';
import { Timeline } from './timeline.js';

export interface Observer {
  /** A packet of the guest has left the host for good. */
  released?(node: string, packet: Memory): void;
  /** A replica has become the running VM. `session` and `memory` of the checkpoint that it runs from. */
  activated?(node: string, session: string, memory: Memory): void;
  /** The VM was started from its configuration. */
  booted?(node: string): void;
  /** A domain was destroyed by a program, not by a power cut. */
  destroyed?(node: string, domain: string, state: string): void;
  /** The VM's record has reached the CIB of the node that wrote it. */
  recorded?(node: string, text: string): void;
  /** An operator has typed a command of remusctl; `rc` when it has been answered. */
  commanded?(action: Command, id: number, rc: number | null): void;
  /** Pacemaker has ordered an action of the agent. */
  ordered?(node: string, action: Action): void;
  /** The agent has answered Pacemaker. */
  answered?(node: string, action: Action, rc: number): void;
  /** Something has happened: look at everything. */
  tick?(): void;
}

export type Action = 'probe' | 'monitor' | 'start' | 'stop' | 'promote' | 'demote';

export type Command = 'switchover' | 'failover' | 'pause' | 'pause-for' | 'resume' | 'resync';

export interface Shape {
  readonly seed: number;
  readonly nodes: 2 | 3;
  readonly trace: boolean;
  /** Instead of faults by chance; a planted bug may bring its own. */
  readonly scene?: SceneName | undefined;
  /** Absent: by chance. */
  readonly mode?: 'remus' | 'restart' | undefined;
}

/** How often what is asked of a program fails, or takes its time. Faults set it; in the end it is 0. */
export interface Trouble {
  fails: number;
  hangs: number;
  fencing_fails: number;
  /** Writes to the CIB that are under way for long, whatever becomes of the program that has sent them. */
  slow_writes: number;
}

export class World {
  readonly time = new Timeline();
  readonly random: Random;
  readonly lines = new Lines();
  /** Of the operator who pauses: chance of its own, so that the other lives are as they were without him. */
  readonly operator: Random;
  /** There is an operator who pauses and resumes. */
  readonly pauses: boolean;
  /** Of what happens outside of the cluster's rules: hands in the CIB, a link that stays cut, another release, slow writes. */
  readonly meddler: Random;
  readonly meddles: boolean;
  /** What operators have typed into the record. */
  readonly typed = new Set<string | null>();
  /** mode=restart, from the start or from some moment on, maybe back again. */
  readonly modes: Random;
  readonly shape: Shape;
  readonly names: readonly string[];
  readonly observers: Observer[] = [];
  readonly trouble: Trouble = { fails: 0, hangs: 0, fencing_fails: 0, slow_writes: 0 };
  readonly trace: string[] = [];
  /** 4.17 and 4.20 differ in what xl does when a guest ends. */
  readonly xen: '4.17' | '4.20';
  /** Operators change it. */
  config: VmConfig;
  violation: string | null = null;
  #pids = 100;

  constructor(shape: Shape) {
    this.shape = shape;
    this.random = new Random(shape.seed);
    this.operator = new Random(shape.seed ^ 0x0a_11_5e);
    this.pauses = this.operator.chance(0.25);
    this.meddler = new Random(shape.seed ^ 0x3d_0b_17);
    this.meddles = this.meddler.chance(0.3);
    this.modes = new Random(shape.seed ^ 0x52_e5_7a);
    this.names = ['pm1', 'pm2', 'pm3'].slice(0, shape.nodes);
    this.xen = this.random.pick(['4.17', '4.20']);
    this.config = {
      resource: 'vm1',
      domain: 'vm1',
      config_path: '/etc/xen/vm1.cfg',
      mode: shape.mode ?? (this.modes.chance(0.15) ? 'restart' : 'remus'),
      interval_ms: this.random.pick([500, 1_000]),
      shutdown_timeout_ms: 10_000,
      replication_timeout_ms: 5_000,
      compression: 'auto',
      netbuf: 'on',
      on_no_replica: this.random.chance(0.15) ? 'refuse' : 'start',
      on_poweroff: this.random.pick(['destroy', 'restart']),
      on_reboot: this.random.pick(['destroy', 'restart', 'restart']),
      on_crash: this.random.pick(['destroy', 'restart']),
    };
  }

  get now_ms(): number {
    return this.time.now_ms;
  }

  pid(): number {
    return (this.#pids += 1);
  }

  /** One line of the merged timeline; `text` is only made when somebody reads it. */
  say(node: string, text: () => string): void {
    if (!this.shape.trace) return;
    const at = (this.now_ms / 1000).toFixed(3).padStart(9);
    this.trace.push(`${at} ${node.padEnd(4)} ${text()}`);
  }

  /** Packets that leave, many in a row, in one line. */
  sayPacket(node: string, count: string): void {
    if (!this.shape.trace) return;
    const last = this.trace.at(-1) ?? '';
    const known = new RegExp(`^ *[0-9.]+ ${node} +packets (\\S+)`).exec(last)?.[1];
    if (known === undefined) this.say(node, () => `packets ${count} leave`);
    else
      this.trace.splice(
        -1,
        1,
        last.replace(/ packets .*/, ` packets ${known.split('..')[0] ?? ''}..${count} leave`),
      );
  }

  /** A broken promise: the first one counts. */
  violate(text: string): void {
    if (this.violation !== null) return;
    this.violation = text;
    this.say('!!', () => text);
  }

  observe<K extends keyof Observer>(what: K, ...seen: Parameters<NonNullable<Observer[K]>>): void {
    for (const one of this.observers) {
      const see = one[what] as ((...seen: unknown[]) => void) | undefined;
      see?.apply(one, seen);
    }
  }

  after(min_ms: number, max_ms: number, run: () => void): void {
    this.time.at(this.random.between(min_ms, max_ms), run);
  }
}
