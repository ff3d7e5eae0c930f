/** What goes wrong: at any step, several at once, all of it over after a while. */
import { PEER_PROTOCOL } from '../../daemon/adapters/peer-frames.js';
import type { Cluster } from './cluster.js';
import type { Machine } from './machine/machine.js';
import type { Process } from './machine/process.js';
import type { Observer, World } from './world.js';

type Fault = (faults: Faults) => void;

/** How likely each is, relative to the others. */
const FAULTS: readonly (readonly [number, Fault])[] = [
  [4, (faults) => faults.cutPower()],
  [2, (faults) => faults.freeze()],
  [4, (faults) => faults.partition()],
  [5, (faults) => faults.cutLink()],
  [5, (faults) => faults.linkThenPower()],
  [8, (faults) => faults.kill(DATA)],
  [7, (faults) => faults.kill(['remusd'])],
  [6, (faults) => faults.stop(DATA)],
  [5, (faults) => faults.stop(['remusd'])],
  [2, (faults) => faults.jump()],
  [5, (faults) => faults.switchover()],
  [1, (faults) => faults.failover()],
  [3, (faults) => faults.standby()],
  [2, (faults) => faults.stopResource()],
  [4, (faults) => faults.guestEnds()],
  [3, (faults) => faults.failMonitor()],
  [16, (faults) => faults.ambush()],
  [2, (faults) => faults.leave()],
  [2, (faults) => faults.crashStack()],
];

const DATA = ['sender', 'receiver', 'xl-remus', 'xl-receive', 'tc'];
const PROGRAMS = ['xl-create', 'xl-destroy', 'xl-list', 'crm-write', 'agent'];

type Trigger =
  'start' | 'stop' | 'promote' | 'demote' | 'grant' | 'withdrawal' | 'activation' | 'destruction';

const TRIGGERS: readonly Trigger[] = [
  ...(['start', 'stop', 'promote', 'promote', 'demote', 'demote'] as const),
  ...(['grant', 'withdrawal', 'withdrawal', 'activation', 'destruction'] as const),
];

type Blow = (faults: Faults, node: string) => void;

/** Against one node. */
const BLOWS: readonly Blow[] = [
  (faults, node) => faults.cutPower(node),
  (faults, node) => faults.cutPower(node),
  (faults, node) => faults.freeze(node),
  (faults, node) => faults.kill(['remusd'], node),
  (faults, node) => faults.kill(['remusd'], node),
  (faults, node) => faults.stop(['remusd'], node),
  (faults, node) => faults.kill(DATA, node),
  (faults, node) => faults.stop(DATA, node),
  (faults, node) => faults.kill(PROGRAMS, node),
  (faults, node) => faults.crashStack(node),
  (faults) => faults.partition(),
  (faults) => void faults.cutLink(),
];

const CAUSES: readonly Fault[] = [
  (faults) => faults.switchover(),
  (faults) => faults.standby(),
  (faults) => faults.cutPower(),
  (faults) => void faults.cutLink(),
  (faults) => faults.stopResource(),
  (faults) => faults.leave(),
  (faults) => faults.kill(DATA),
];

/** What somebody has typed into the record. */
const NONSENSE = 'g=one primary=?';

const TOTAL = FAULTS.reduce((sum, [weight]) => sum + weight, 0);

export class Faults {
  readonly #world: World;
  readonly #cluster: Cluster;
  #ambush: { readonly on: Trigger; readonly run: Blow } | null = null;

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  /** One more, now. */
  strike(): void {
    let left = this.#world.random.next() * TOTAL;
    for (const [weight, fault] of FAULTS) {
      left -= weight;
      if (left >= 0) continue;
      fault(this);
      return;
    }
  }

  /** No more of it; an operator sets right what he has changed. */
  end(): void {
    const { trouble } = this.#world;
    this.#ambush = null;
    Object.assign(trouble, { fails: 0, hangs: 0, fencing_fails: 0, slow_writes: 0 });
    this.#cluster.network.heal();
    for (const machine of this.#cluster.machines) {
      if (machine.protocol !== PEER_PROTOCOL) this.#cluster.install(machine, PEER_PROTOCOL);
      this.#cluster.thaw(machine.name);
      for (const process of [...machine.processes]) if (process.stopped) process.continue();
    }
  }

  /** Typed again until it is so. */
  setRight(): void {
    for (const name of this.#world.names) this.#cluster.configure(`standby ${name}`, 'off');
    this.#cluster.configure('target-role', 'Started');
    this.#cluster.cleanup();
    // As the refused promotion says.
    for (const { cib } of this.#cluster.pacemaker.members)
      if (cib.entries.get('record') === NONSENSE) this.#cluster.typeRecord(null);
    for (const { name, cib } of this.#cluster.pacemaker.members)
      if (cib.entries.get('paused') !== undefined) this.#cluster.remusctl(name, 'resume');
    this.#cluster.allowColdStarts();
  }

  /** Strikes right after the next that happens of something, where it happens, or elsewhere. */
  ambush(): void {
    const { random } = this.#world;
    const on = random.pick(TRIGGERS);
    this.#ambush = { on, run: random.pick(BLOWS) };
    this.#world.say('----', () => `an ambush waits for: ${on}`);
    // Something that leads to it.
    if (random.chance(0.6)) random.pick(CAUSES)(this);
  }

  #happened(on: Trigger, node: string): void {
    const ambush = this.#ambush;
    if (ambush?.on !== on) return;
    this.#ambush = null;
    const { random, names } = this.#world;
    const where = random.chance(0.7) ? node : random.pick(names);
    this.#world.after(0, random.pick([30, 300, 1_500]), () => ambush.run(this, where));
  }

  /** For the world's observers. */
  readonly observer: Observer = {
    ordered: (node, action) => {
      if (action !== 'probe' && action !== 'monitor') this.#happened(action, node);
    },
    recorded: (node, text) =>
      this.#happened(text.endsWith('grant=none') ? 'withdrawal' : 'grant', node),
    activated: (node) => this.#happened('activation', node),
    destroyed: (node) => this.#happened('destruction', node),
  };

  #some(): Machine | null {
    const { machines } = this.#cluster;
    return machines.length === 0 ? null : this.#world.random.pick(machines);
  }

  /** Most of what matters happens where the VM runs. */
  #primary(): Machine | null {
    const running = this.#cluster.machines.find(({ xen }) => xen.find('vm1') !== null);
    return running !== undefined && this.#world.random.chance(0.7) ? running : this.#some();
  }

  #others(than: Machine): Machine | null {
    const others = this.#cluster.machines.filter((one) => one !== than);
    return others.length === 0 ? null : this.#world.random.pick(others);
  }

  cutPower(node?: string): void {
    const machine = node === undefined ? this.#primary() : this.#cluster.machine(node);
    if (machine !== null) this.#cluster.cutPower(machine.name);
  }

  leave(): void {
    const machine = this.#primary();
    if (machine !== null) this.#cluster.leave(machine.name);
  }

  crashStack(node?: string): void {
    const machine = node === undefined ? this.#primary() : this.#cluster.machine(node);
    if (machine !== null) this.#cluster.crashStack(machine.name);
  }

  freeze(node?: string): void {
    const machine = node === undefined ? this.#primary() : this.#cluster.machine(node);
    if (machine === null) return;
    this.#cluster.freeze(machine.name);
    this.#world.after(500, 15_000, () => this.#cluster.thaw(machine.name));
  }

  partition(): void {
    const { random, names } = this.#world;
    const alone = random.pick(names);
    const sides = new Map(names.map((name) => [name, name === alone ? 1 : 0]));
    this.#cluster.network.partition(sides, random.chance(0.7));
    this.#world.after(300, 15_000, () => this.#cluster.network.heal());
  }

  cutLink(): [string, string] | null {
    const a = this.#primary();
    const b = a === null ? null : this.#others(a);
    if (a === null || b === null) return null;
    const { network } = this.#cluster;
    network.cutLink(a.name, b.name);
    this.#world.after(200, 15_000, () => network.mendLink(a.name, b.name));
    return [a.name, b.name];
  }

  /** The worst moment: the primary dies while it withdraws. */
  linkThenPower(): void {
    const link = this.cutLink();
    if (link === null) return;
    const victim = this.#world.random.pick(link);
    this.#world.after(3_000, 9_000, () => this.#cluster.cutPower(victim));
  }

  #process(names: readonly string[], node?: string): Process | null {
    const all = this.#cluster.machines
      .filter(({ name }) => node === undefined || name === node)
      .flatMap(({ processes }) => [...processes]);
    const found = all.filter(({ name, alive }) => alive && names.includes(name));
    return found.length === 0 ? null : this.#world.random.pick(found);
  }

  kill(names: readonly string[], node?: string): void {
    const process = this.#process(names, node);
    process?.machine.say(() => `${process.name} is killed`);
    process?.end();
  }

  stop(names: readonly string[], node?: string): void {
    const process = this.#process(names, node);
    if (process === null) return;
    const { random } = this.#world;
    this.#cluster.stopProcess(process, random.between(100, random.chance(0.3) ? 40_000 : 8_000));
  }

  jump(): void {
    this.#some()?.jumpClock(this.#world.random.between(500, 20_000));
  }

  switchover(): void {
    const machine = this.#primary();
    if (machine !== null) this.#cluster.remusctl(machine.name, 'switchover');
  }

  /** Typed on any node, at any moment from now on; often taken back, or typed again. */
  pauses(): void {
    const { operator, names, pauses } = this.#world;
    if (!pauses) return;
    for (let left = operator.between(1, 4); left > 0; left -= 1) {
      const action = operator.chance(0.7) ? 'pause' : 'resume';
      const node = operator.pick(names);
      const at_ms = operator.between(0, 25_000);
      // By the moment, not by another chance: lives without one are as they were.
      const for_s = action === 'pause' && at_ms % 3 < 1 ? 1 + (at_ms % 20) : null;
      this.#world.time.at(at_ms, () => {
        if (action === 'resume' && at_ms % 4 < 1) this.#cluster.remusctl(node, 'resync');
        if (for_s === null) this.#cluster.remusctl(node, action);
        else this.#cluster.remusctl(node, 'pause-for', { for_s: String(Math.ceil(for_s)) });
      });
    }
  }

  /** crm_resource -p mode, at any moment, once or twice. */
  changesMode(): void {
    const { modes, shape, time } = this.#world;
    if (shape.mode !== undefined || !modes.chance(0.2)) return;
    for (let left = modes.between(1, 2); left > 0; left -= 1) {
      const mode = modes.pick(['remus', 'restart'] as const);
      time.at(modes.between(0, 40_000), () => this.#cluster.changeMode(mode));
    }
  }

  /**
   * Before anything else goes wrong, and while it does.
   * @returns for how long nothing else happens, so that what it leads to can be seen.
   */
  meddle(): number {
    const { meddler, meddles, time, trouble } = this.#world;
    if (!meddles) return 0;
    if (meddler.chance(0.5)) trouble.slow_writes = 0.1;
    if (meddler.chance(0.5)) time.at(meddler.between(0, 60_000), () => this.#typeRecord());
    const quiet_ms = meddler.pick([0, 20_000, 60_000]);
    const kind = meddler.pick(['record', 'link', 'version', 'late grant']);
    if (kind === 'record') this.#typeRecord();
    if (kind === 'link') this.#cutForLong();
    if (kind === 'version') this.#installAnother();
    if (kind === 'late grant') this.#grantLate();
    return quiet_ms;
  }

  /** What replicates goes on otherwise: data processes outlive daemons. */
  #installAnother(): void {
    const { meddler, names, time } = this.#world;
    const machine = this.#cluster.machine(meddler.pick(names));
    if (machine !== null) this.#cluster.install(machine, PEER_PROTOCOL + meddler.pick([-1, 1]));
    time.at(meddler.between(2_000, 5_000), () => this.kill(['sender', 'receiver']));
  }

  /** The writes of the next attempts are slow, and then the link is gone. */
  #grantLate(): void {
    const { meddler, time, trouble } = this.#world;
    this.kill(['sender', 'receiver']);
    trouble.slow_writes = 0.6;
    time.at(meddler.between(5_000, 25_000), () => this.#cutForLong());
    time.at(35_000, () => (trouble.slow_writes = 0));
  }

  #typeRecord(): void {
    this.#cluster.typeRecord(this.#world.meddler.pick([null, NONSENSE]));
  }

  #cutForLong(): void {
    const { meddler, names, time } = this.#world;
    const [a, b] = meddler.chance(0.5) ? [names[0], names[1]] : [names[0], names.at(-1)];
    if (a === undefined || b === undefined) return;
    const { network } = this.#cluster;
    network.cutLink(a, b);
    time.at(55_000, () => network.mendLink(a, b));
  }

  failover(): void {
    const machine = this.#some();
    if (machine !== null) this.#cluster.remusctl(machine.name, 'failover');
  }

  standby(): void {
    const machine = this.#primary();
    if (machine === null) return;
    const key = `standby ${machine.name}`;
    this.#cluster.configure(key, 'on');
    this.#world.after(2_000, 15_000, () => this.#cluster.configure(key, 'off'));
  }

  stopResource(): void {
    this.#cluster.configure('target-role', 'Stopped');
    this.#world.after(1_000, 20_000, () => this.#cluster.configure('target-role', 'Started'));
  }

  guestEnds(): void {
    const { random } = this.#world;
    for (const { xen } of this.#cluster.machines) {
      const domain = xen.find('vm1');
      if (domain?.state === 'running')
        xen.guestEnds(domain, random.pick(['poweroff', 'reboot', 'crash']));
    }
  }

  /** Something of Pacemaker's own: a monitor of the agent that was killed. */
  failMonitor(): void {
    const { members } = this.#cluster.pacemaker;
    this.#world.random.pick(members).lrm?.fail();
  }
}
