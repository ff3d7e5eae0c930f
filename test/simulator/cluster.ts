/** A whole simulated cluster: machines with power and systemd, Pacemaker, remusd on each, and what an operator does. */
import { Network } from './network.js';
import { Machine } from './machine/machine.js';
import type { Process } from './machine/process.js';
import type { Mutation } from './mutations/mutation.js';
import { clusterPort } from './pacemaker/cluster-port.js';
import { Controller } from './pacemaker/controller.js';
import { Fencing } from './pacemaker/fencing.js';
import { Lrm } from './pacemaker/lrm.js';
import { type Member, SCORE } from './pacemaker/member.js';
import { Pacemaker } from './pacemaker/pacemaker.js';
import { Daemon } from './remusd/daemon.js';
import type { Command, World } from './world.js';

/** systemd's watchdog: a daemon that is hung for so long is killed. */
const WATCHDOG_MS = 30_000;

export class Cluster {
  readonly world: World;
  readonly network: Network;
  readonly pacemaker: Pacemaker;
  readonly #mutation: Mutation | null;
  readonly #controller: Controller;
  readonly #fencing: Fencing;

  constructor(world: World, mutation: Mutation | null) {
    this.world = world;
    this.#mutation = mutation;
    this.network = new Network(world);
    this.pacemaker = new Pacemaker(world, this.network);
    this.pacemaker.blind_writes = mutation?.blind_writes === true;
    this.#fencing = new Fencing(world, this.pacemaker, (name) => this.cutPower(name));
    this.#controller = new Controller(world, this.pacemaker, this.#fencing);
    for (const member of this.pacemaker.members) this.#boot(member);
  }

  /** The machines that are on. */
  machines: readonly Machine[] = [];
  #reloads = false;
  #commands = 0;

  #powerChanged(): void {
    this.machines = this.pacemaker.members.flatMap(({ machine }) =>
      machine?.powered === true ? [machine] : [],
    );
  }

  machine(name: string): Machine | null {
    const { machine } = this.pacemaker.member(name);
    return machine?.powered === true ? machine : null;
  }

  /** It comes back by itself. */
  cutPower(name: string): void {
    const member = this.pacemaker.member(name);
    const { machine } = member;
    if (machine?.powered !== true) return;
    machine.say(() => 'loses its power');
    machine.cutPower();
    this.#powerChanged();
    this.pacemaker.down(member);
    this.world.after(3_000, 12_000, () => this.#boot(member));
  }

  freeze(name: string): void {
    const machine = this.machine(name);
    if (machine === null) return;
    machine.say(() => 'hangs');
    machine.freeze();
    this.pacemaker.corosync.changed();
  }

  thaw(name: string): void {
    const machine = this.machine(name);
    if (machine?.frozen !== true) return;
    machine.say(() => 'goes on');
    machine.thaw();
    this.pacemaker.corosync.changed();
  }

  #boot(member: Member): void {
    const { world } = this;
    const machine = new Machine(world, member.name);
    machine.say(() => 'boots');
    member.machine = machine;
    this.#powerChanged();
    this.#startStack(member, machine);
    world.after(100, 1_000, () => this.startDaemon(machine, member));
  }

  #startStack(member: Member, machine: Machine): void {
    member.lrm = new Lrm({
      machine,
      noGrant: () => {
        const record = member.record();
        return record === null || record.endsWith(' grant=none');
      },
      forgetAttributes: () => {
        void this.pacemaker.writeAttribute(member, member.name, SCORE, null);
      },
    });
    this.pacemaker.boot(member, machine);
  }

  /** `pcs cluster stop` on a node, and `start` later. */
  leave(name: string): void {
    const member = this.pacemaker.member(name);
    const { machine } = member;
    if (machine === null || !member.up || member.leaving) return;
    machine.say(() => 'operator: stops the cluster stack');
    member.leaving = true;
    const look = (): void => {
      if (member.machine !== machine || !machine.powered || !member.up) return;
      if (member.lrm?.role !== 'stopped' || member.lrm.busy !== null) {
        this.world.time.at(300, look);
        return;
      }
      machine.say(() => 'has left the cluster');
      this.pacemaker.leave(member);
      this.world.after(2_000, 15_000, () => {
        if (member.machine === machine && machine.powered && !member.up)
          this.#startStack(member, machine);
      });
    };
    look();
  }

  /** corosync dies: whatever runs here runs on, until the others have it fenced. */
  crashStack(name: string): void {
    const member = this.pacemaker.member(name);
    const { machine } = member;
    if (machine?.powered !== true || !member.up) return;
    machine.say(() => 'the cluster stack crashes');
    for (const agent of machine.processesCalled('agent')) agent.end();
    this.pacemaker.down(member);
    // Nobody could fence it: somebody pulls the plug at last.
    this.world.time.at(40_000, () => {
      if (member.machine === machine && !member.up) this.cutPower(name);
    });
  }

  /** `xl create` by hand, before the VM was put into the cluster. */
  startByHand(): void {
    const { xen, name } = this.world.random.pick(this.machines);
    this.world.say(name, () => 'operator: xl create');
    xen.unpause(xen.create('vm1', this.world.lines.begin(null)));
  }

  /** systemd starts it anew whenever it ends. */
  startDaemon(machine: Machine, member: Member): void {
    if (!machine.powered || machine.processesCalled('remusd').length > 0) return;
    machine.say(() => 'remusd starts');
    const daemon = new Daemon({
      machine,
      network: this.network,
      machineOf: (name) => this.machine(name),
      cluster: (caller: Process) =>
        clusterPort(
          {
            pacemaker: this.pacemaker,
            controller: this.#controller,
            fencing: this.#fencing,
            self: member,
          },
          caller,
        ),
      mutation: this.#mutation,
    });
    daemon.process.onEnd(() => {
      if (!machine.powered) return;
      machine.say(() => 'remusd is dead');
      this.world.after(500, 2_500, () => this.startDaemon(machine, member));
    });
  }

  /** SIGSTOP; for a daemon, the watchdog ends it after a while. */
  stopProcess(process: Process, ms: number): void {
    process.machine.say(() => `${process.name} is stopped for ${ms} ms`);
    process.stop();
    this.world.time.at(ms, () => {
      if (process.alive) process.machine.say(() => `${process.name} goes on`);
      process.continue();
    });
    if (process.name !== 'remusd' || ms < WATCHDOG_MS) return;
    this.world.time.at(WATCHDOG_MS, () => {
      if (process.stopped) process.end();
    });
  }

  /** `remusctl ACTION`, typed on a node. */
  remusctl(name: string, action: Command, more: Readonly<Record<string, string>> = {}): void {
    const control = this.machine(name)?.control;
    if (control === null || control === undefined) return;
    this.world.say(name, () => `operator: remusctl ${action}`);
    const options = action === 'failover' ? { force: '1' } : more;
    const id = (this.#commands += 1);
    this.world.observe('commanded', action, id, null);
    control.process.deliver(() => {
      void control
        .handle({
          ...{ action, resource: 'vm1', timeout_ms: 60_000, probe: false, check_level: 0 },
          ...{ params: {}, options },
        })
        .then(({ rc, reason }) => {
          this.world.say(name, () => `remusctl ${action}: rc ${rc} ${reason ?? ''}`);
          this.world.observe('commanded', action, id, rc);
        });
    });
  }

  /** A change of the configuration, typed on some node that can. */
  configure(key: string, value: string | null): void {
    const able = this.pacemaker.members.find(
      (one) =>
        one.up && one.machine?.frozen === false && this.pacemaker.quorate(one) && one.dc !== null,
    );
    if (able === undefined) return;
    this.world.say(able.name, () => `operator: ${key} = ${value ?? '-'}`);
    this.pacemaker.writeCib(able, key, value).catch(() => undefined);
  }

  /** Removes the record, or types nonsense into it: `null` or the text. */
  typeRecord(text: string | null): void {
    this.world.typed.add(text);
    this.configure('record', text);
  }

  /** Another release is installed, and its remusd started. */
  install(machine: Machine, protocol: number): void {
    machine.say(() => `a remusd that speaks protocol ${protocol} is installed`);
    machine.protocol = protocol;
    for (const process of machine.processesCalled('remusd')) process.end();
  }

  /** crm_resource -p on_no_replica -v start: Pacemaker reloads what runs. */
  allowColdStarts(): void {
    const { world } = this;
    this.#reloads ||= world.config.on_no_replica === 'refuse';
    if (!this.#reloads) return;
    world.config = { ...world.config, on_no_replica: 'start' };
    this.#reload('on_no_replica=start');
  }

  /** Typed again by whoever sets things right: a reload may have been lost. */
  changeMode(mode: 'remus' | 'restart'): void {
    const { world } = this;
    this.#reloads = true;
    world.config = { ...world.config, mode };
    this.#reload(`mode=${mode}`);
  }

  #reload(typed: string): void {
    const { world } = this;
    for (const { control, name } of this.machines) {
      world.say(name, () => `operator: ${typed}`);
      control?.process.deliver(() => {
        void control.handle({
          ...{ action: 'reload-agent', resource: 'vm1', timeout_ms: 20_000, probe: false },
          ...{ check_level: 0, params: {}, options: {} },
        });
      });
    }
  }

  /** crm_resource -C */
  cleanup(): void {
    for (const { lrm } of this.pacemaker.members) lrm?.cleanup();
  }
}
