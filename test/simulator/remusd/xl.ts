/** The Xl port over a simulated hypervisor: each call is a program that takes its time. */
import type { Domain as Listed, XenInfo, Xl } from '../../../daemon/ports.js';
import type { Machine } from '../machine/machine.js';
import type { Process } from '../machine/process.js';
import { runProgram } from '../machine/program.js';
import type { Domain } from '../machine/xen.js';
import type { XlReceive } from '../relay/xl-receive.js';

const CALL_MS = 10_000;
const CREATE_MS = 30_000;
const REASONS = { poweroff: 0, reboot: 1, crash: 3 } as const;

export class SimXl implements Xl {
  readonly #caller: Process;

  constructor(caller: Process) {
    this.#caller = caller;
  }

  get #machine(): Machine {
    return this.#caller.machine;
  }

  #call<T>(name: string, work: (child: Process) => T | Promise<T>, max_ms = 60): Promise<T> {
    const program = { name, min_ms: 5, max_ms, timeout_ms: CALL_MS };
    return runProgram(this.#caller, program, work);
  }

  info(): Promise<XenInfo> {
    return this.#call('xl-info', () => ({
      ...{ xen_major: 4, xen_minor: 17, xen_version: '4.17', free_memory_mib: 1000 },
      total_memory_mib: 4000,
      virt_caps: ['pv', 'hvm', 'hap'],
    }));
  }

  list(): Promise<readonly Listed[]> {
    return this.#call('xl-list', () => this.#machine.xen.domains.map(listed));
  }

  create(config_path: string): Promise<void> {
    const { xen, world } = this.#machine;
    const argv = ['xl', 'create', '-e', config_path];
    const program = { name: 'xl-create', argv, min_ms: 20, max_ms: 200, timeout_ms: CREATE_MS };
    return runProgram(this.#caller, program, async (child) => {
      if (xen.find('vm1') !== null) throw new Error('Domain with name "vm1" already exists.');
      const domain = xen.create('vm1', world.lines.begin(null));
      await child.delay(50, 600);
      if (!xen.has(domain)) throw new Error('the domain is gone');
      this.#machine.say(() => `the VM boots: memory ${domain.memory.line}`);
      world.observe('booted', this.#machine.name);
      xen.unpause(domain);
    });
  }

  shutdown(name: string): Promise<void> {
    return this.#onDomain('xl-shutdown', name, (domain) => shutGuestDown(this.#machine, domain));
  }

  destroy(name: string): Promise<void> {
    const { xen } = this.#machine;
    const program = { name: 'xl-destroy', min_ms: 20, max_ms: 300, timeout_ms: CREATE_MS };
    return runProgram(this.#caller, program, () => {
      const domain = xen.find(name);
      if (domain !== null) destroyDomain(this.#machine, domain);
    });
  }

  pause(name: string): Promise<void> {
    return this.#onDomain('xl-pause', name, (domain) => this.#machine.xen.freeze(domain));
  }

  unpause(name: string): Promise<void> {
    return this.#onDomain('xl-unpause', name, (domain) => this.#machine.xen.thaw(domain));
  }

  #onDomain(program: string, name: string, work: (domain: Domain) => void): Promise<void> {
    return this.#call(program, () => {
      const domain = this.#machine.xen.find(name);
      if (domain === null) throw new Error(`${name} is an invalid domain identifier`);
      work(domain);
    });
  }

  async resume(domid: number, name: string): Promise<void> {
    const { xen } = this.#machine;
    const domain = await this.#call('xl-resume', () => {
      const found = xen.domains.find((one) => one.domid === domid);
      if (found?.name !== name) throw new Error(`${name} is not there any more`);
      xen.resume(found);
      return found;
    });
    const look = await this.list();
    if (look.some((one) => one.domid === domain.domid && one.suspended))
      throw new Error(`${name} is still suspended`);
  }

  vifs(domid: number): Promise<readonly string[]> {
    return this.#call('xl-network-list', () => [`vif${domid}.0`]);
  }
}

function listed(domain: Domain): Listed {
  const { name, domid, state, how, frozen } = domain;
  const over = state === 'suspended' || state === 'ended';
  return {
    ...{ name, domid, mem_mib: 96, vcpus: 1, blocked: state === 'running', running: false },
    paused: state === 'paused' || frozen,
    shutdown: over,
    suspended: state === 'suspended',
    crashed: state === 'ended' && how === 'crash',
    ...{ dying: false, state: '------' },
    shutdown_reason: over ? (state === 'suspended' ? 2 : REASONS[how]) : null,
  };
}

export function destroyDomain(machine: Machine, domain: Domain): void {
  machine.say(() => `domain ${domain.name} (${domain.domid}) is destroyed`);
  machine.world.observe('destroyed', machine.name, domain.name, domain.state);
  machine.xen.destroy(domain);
  const receive = machine.receiving as XlReceive | null;
  receive?.domainGone(domain);
}

/** While it is replicated the request may be lost: a suspend overwrites the same xenstore key. */
export function shutGuestDown(machine: Machine, domain: Domain): void {
  const { random } = machine.world;
  const replicated = machine.processesCalled('xl-remus').length > 0;
  if (replicated ? random.chance(0.7) : random.chance(0.05)) return;
  machine.world.after(300, 3_000, () => machine.xen.guestEnds(domain, 'poweroff'));
}
