/**
 * The agent, ocf/remus: one question to the daemon, and with the daemon down or hung, monitor, stop and demote alone
 * with xl. The order of its steps is the script's.
 */
import type { ControlAnswer } from '../../../daemon/adapters/control-protocol.js';
import type { Machine } from '../machine/machine.js';
import type { Process } from '../machine/process.js';
import type { Domain } from '../machine/xen.js';
import { destroyDomain, shutGuestDown } from '../remusd/xl.js';
import { Receiver } from '../relay/receiver.js';
import type { Action } from '../world.js';

export interface AgentParts {
  readonly machine: Machine;
  readonly process: Process;
  readonly timeout_ms: number;
  readonly noGrant: () => boolean;
  readonly forgetAttributes: () => void;
}

type Trouble = 'down' | 'cut' | 'hung';
type Answer = { readonly rc: number } | Trouble;

const STRAYS = ['xl-create', 'xl-destroy', 'xl-shutdown', 'crm-write'];
const LOOK_MS = 500;

export class Agent {
  readonly #parts: AgentParts;

  #started_ms = 0;

  constructor(parts: AgentParts) {
    this.#parts = parts;
  }

  async run(action: Action): Promise<number> {
    this.#started_ms = this.#machine.clock_ms;
    await this.#delay(10, 40);
    const answer = await this.#ask(action);
    if (typeof answer === 'object') return answer.rc;
    this.#machine.say(() => `agent: remusd is ${answer}, ${action} without it`);
    switch (action) {
      case 'probe':
      case 'monitor':
        return this.#monitorAlone(action === 'probe');
      case 'start':
      case 'promote':
        return 1;
      case 'stop':
      case 'demote':
        return this.#downAlone(action);
    }
  }

  get #machine(): Machine {
    return this.#parts.machine;
  }

  #delay(min_ms: number, max_ms = min_ms): Promise<void> {
    return this.#parts.process.delay(min_ms, max_ms);
  }

  async #ask(action: Action): Promise<Answer> {
    const seconds = this.#parts.timeout_ms / 1000;
    const patience_ms = this.#patience(action, seconds) * 1000;
    const silence_ms = Math.max(1, Math.min(10, seconds * 0.4)) * 1000;
    const since_ms = this.#machine.clock_ms;
    for (;;) {
      const answer = await this.#askOnce(action, silence_ms);
      if (typeof answer === 'object') return answer;
      if (answer === 'hung') {
        if (action === 'stop' || action === 'demote') {
          // It may wake up at any moment: nothing is done behind its back.
          this.#machine.control?.process.end();
          await this.#delay(100);
        } else if (action !== 'promote') return answer;
      }
      if (this.#machine.clock_ms - since_ms >= patience_ms) return answer;
      await this.#delay(300);
    }
  }

  /** @returns seconds. */
  #patience(action: Action, timeout_s: number): number {
    if (action === 'probe') return 0;
    if (action === 'monitor') return 1;
    const holds = action === 'promote' && this.#machine.processesCalled('receiver').length > 0;
    return holds ? timeout_s * 0.4 : Math.min(5, timeout_s / 6);
  }

  #askOnce(action: Action, silence_ms: number): Promise<Answer> {
    const { control } = this.#machine;
    const { process } = this.#parts;
    if (control === null) return Promise.resolve('down');
    return new Promise((resolve) => {
      const settle = (answer: Answer): void => process.deliver(() => resolve(answer));
      control.process.onEnd(() => settle('cut'));
      control.process.deliver(() => {
        if (!process.alive) return;
        void control.handle(this.#request(action)).then((answer: ControlAnswer) => settle(answer));
      });
      this.#listenForLife(control.process, silence_ms, () => settle('hung'));
    });
  }

  /** The daemon says something every second while it works. */
  #listenForLife(daemon: Process, silence_ms: number, hung: () => void): void {
    let silent_ms = 0;
    const look = (): void => {
      silent_ms = daemon.runs ? 0 : silent_ms + LOOK_MS;
      if (silent_ms > silence_ms) hung();
      else this.#parts.process.after(LOOK_MS, look);
    };
    this.#parts.process.after(LOOK_MS, look);
  }

  #request(action: Action): Parameters<NonNullable<Machine['control']>['handle']>[0] {
    const probe = action === 'probe';
    return {
      action: probe ? 'monitor' : action,
      resource: 'vm1',
      timeout_ms: this.#parts.timeout_ms - (this.#machine.clock_ms - this.#started_ms),
      ...{ probe, check_level: 0, params: {}, options: {} },
    };
  }

  #find(name: string): Domain | null {
    return this.#machine.xen.find(name);
  }

  async #monitorAlone(probe: boolean): Promise<number> {
    await this.#delay(5, 60);
    const domain = this.#find('vm1');
    if (domain?.state === 'ended') return 9;
    if (domain !== null) return probe ? 8 : 191;
    const here = this.#find('vm1--incoming') !== null || this.#machine.registration !== null;
    if (here) return probe ? 0 : 190;
    return 7;
  }

  async #downAlone(action: 'stop' | 'demote'): Promise<number> {
    const machine = this.#machine;
    machine.stopping = machine.registration ?? machine.stopping;
    machine.registration = null;
    this.#kill(...STRAYS);
    await this.#endReplica();
    await this.#endGuest();
    await this.#delay(5, 60);
    for (const [domid, plug] of machine.xen.plugs)
      if (!machine.xen.domains.some((one) => one.domid === domid)) plug.remove();
    const left = ['sender', 'xl-remus', 'receiver', 'xl-receive', ...STRAYS].some(
      (name) => machine.processesCalled(name).length > 0,
    );
    if (left || this.#find('vm1') !== null || this.#find('vm1--incoming') !== null) return 1;
    machine.note = null;
    machine.sockets.clear();
    if (action === 'demote' && machine.stopping !== null)
      machine.registration = { ...machine.stopping, primary: false };
    machine.stopping = null;
    this.#parts.forgetAttributes();
    return 0;
  }

  #kill(...names: string[]): void {
    for (const name of names) for (const one of this.#machine.processesCalled(name)) one.end();
  }

  async #gone(name: string, ms: number): Promise<boolean> {
    for (let left = ms; this.#machine.processesCalled(name).length > 0; left -= 100) {
      if (left <= 0) return false;
      await this.#delay(100);
    }
    return true;
  }

  async #endReplica(): Promise<void> {
    for (const one of this.#machine.ports.values()) if (one instanceof Receiver) one.terminate();
    if (!(await this.#gone('receiver', 2_000))) this.#kill('receiver');
    this.#kill('xl-receive');
    await this.#destroy('vm1--incoming');
    await this.#gone('xl-receive', 2_000);
  }

  async #endReplication(patience_ms: number): Promise<void> {
    this.#kill('sender');
    if (!(await this.#gone('xl-remus', patience_ms))) this.#kill('xl-remus');
  }

  async #endGuest(): Promise<void> {
    const domain = this.#find('vm1');
    if (domain === null) await this.#endReplication(0);
    else if (this.#parts.noGrant()) {
      await this.#endReplication(10_000);
      const now = this.#find('vm1');
      if (now?.state === 'running') await this.#shutDown(now);
    } else await this.#endReplication(0);
    await this.#destroy('vm1');
  }

  async #shutDown(domain: Domain): Promise<void> {
    shutGuestDown(this.#machine, domain);
    for (let left = 10_000; left > 0 && domain.state === 'running'; left -= 500)
      await this.#delay(500);
  }

  async #destroy(name: string): Promise<void> {
    for (let tries = 0; tries < 5; tries += 1) {
      await this.#delay(5, 60);
      const domain = this.#find(name);
      if (domain === null) return;
      await this.#delay(20, 200);
      destroyDomain(this.#machine, domain);
    }
  }
}
