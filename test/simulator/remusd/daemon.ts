/**
 * remusd on one machine, for one life: the product's own node, requests, tasks, driver and machine, put together as
 * daemon/main.ts does it, over the simulated ports.
 */
import { sentenceOf } from '../../../daemon/adapters/errors.js';
import type { ControlAnswer, ControlRequest } from '../../../daemon/adapters/control-protocol.js';
import type { Logger } from '../../../daemon/adapters/log.js';
import type { PacemakerCluster } from '../../../daemon/adapters/pacemaker.js';
import { parseHello } from '../../../daemon/adapters/peer-frames.js';
import type { PeerControl } from '../../../daemon/adapters/peer-control.js';
import type { History, Registrations } from '../../../daemon/adapters/store.js';
import type { VmConfig } from '../../../daemon/core/state.js';
import { RemusNode } from '../../../daemon/node.js';
import { PeerCalls } from '../../../daemon/peer-calls.js';
import { peerHandlers } from '../../../daemon/peer-requests.js';
import { PeerDirectory } from '../../../daemon/peers.js';
import { Requests } from '../../../daemon/requests.js';
import { executors } from '../../../daemon/tasks/all.js';
import type { Executors } from '../../../daemon/tasks/table.js';
import type { Registration } from '../../../daemon/vm.js';
import type { Loaded } from '../../../daemon/vm-config.js';
import type { Control, Machine } from '../machine/machine.js';
import { Process } from '../machine/process.js';
import type { Network } from '../network.js';
import type { Mutation } from '../mutations/mutation.js';
import { simHost } from './host.js';
import { SimLine } from './line.js';
import { SimXl } from './xl.js';

export interface DaemonParts {
  readonly machine: Machine;
  readonly network: Network;
  readonly machineOf: (name: string) => Machine | null;
  /** The Cluster port, as called by this process. */
  readonly cluster: (caller: Process) => PacemakerCluster;
  readonly mutation: Mutation | null;
}

const ROOMS = { run: '/run', state: '/var', lib: '/lib' };
const PORT = 7900;
const NEVER = new AbortController().signal;
const FINGERPRINT = 'f0'.repeat(32);
type Handlers = ReturnType<typeof peerHandlers>;

export class Daemon implements Control {
  readonly process: Process;
  readonly #parts: DaemonParts;
  readonly #requests: Requests;
  readonly #node: RemusNode;
  readonly handlers: Handlers;
  readonly #protocol: number;
  /** It listens for peers. */
  #listens = false;

  constructor(parts: DaemonParts) {
    const { machine, mutation } = parts;
    this.#parts = parts;
    this.#protocol = machine.protocol;
    this.process = new Process(machine, 'remusd');
    const { process } = this;
    const real = parts.cluster(process);
    const cluster = mutation?.cluster?.(real, machine) ?? real;
    const xl = new SimXl(process);
    const host = simHost({ ...parts, daemon: process, twist: mutation?.relay ?? {} });
    const directory = new PeerDirectory(cluster);
    const log = this.#log();
    const history = {
      append: () => Promise.resolve(),
      newest: () => Promise.resolve([]),
    } as unknown as History;
    const node = new RemusNode({
      ...{ node: machine.name, rooms: ROOMS, clock: process.clock, host, xl, cluster, directory },
      ...{ log, registrations: this.#registrations(), changed: () => undefined },
      history,
      published: () =>
        this.#listens ? { address: machine.name, port: PORT, fingerprint: FINGERPRINT } : null,
      connect: (path, _clock, events) => new SimLine(process, path, events),
    });
    const calls = new SimCalls(this.#peerControl(), directory, xl);
    const vm = (resource: string): ReturnType<RemusNode['vm']> => {
      const known = node.vm(resource);
      mutation?.driver?.(known.driver, machine);
      return known;
    };
    const table = executors({
      ...{
        rooms: ROOMS,
        host,
        xl,
        cluster,
        directory,
        calls,
        clock: process.clock,
        vm: (resource) => vm(resource),
      },
      address: () => machine.name,
    });
    node.use(this.#executors(mutation?.executors?.(table, machine) ?? table));
    let begin: () => void = () => undefined;
    const recovered = new Promise<void>((resolve) => (begin = resolve)).then(() => {
      if (machine.registration !== null) vm('vm1');
      return node.recover();
    });
    this.handlers = peerHandlers(node, calls, recovered, history, process.clock);
    this.#requests = new Requests({
      ...{ node, cluster, xl, clock: process.clock, calls, directory, release: '0', recovered },
      history,
      view: { look: () => Promise.resolve({ peers: [], fencing: null }) },
      load: () => Promise.resolve(loaded(machine.world.config)),
    });
    this.#node = node;
    this.process.onEnd(() => {
      if (machine.control === this) machine.control = null;
      node.close();
    });
    void this.#run(begin, recovered, directory);
  }

  async #run(begin: () => void, recovered: Promise<void>, directory: PeerDirectory): Promise<void> {
    const { machine } = this.process;
    await this.process.delay(100, 600);
    machine.control = this;
    begin();
    await recovered;
    await this.process.delay(5, 50);
    this.#listens = true;
    await directory.refresh().catch(() => undefined);
    this.#node.begin();
  }

  handle(request: ControlRequest): Promise<ControlAnswer> {
    return this.#requests.handle(request, () => undefined, NEVER);
  }

  get serves(): boolean {
    return this.#listens;
  }

  /** The first line of a connection. @returns why that node's remusd cannot be understood, or null. */
  greeted({ name, protocol }: Machine): string | null {
    const hello = { remus_control: protocol, release: `0.${protocol}`, node: name };
    try {
      parseHello(JSON.stringify(hello), name, this.#protocol);
      return null;
    } catch (error) {
      return sentenceOf(error);
    }
  }

  /** For the trace, not for checkers. */
  get phase(): string {
    return this.#node.vm('vm1').driver.state.phase.kind;
  }

  #registrations(): Registrations<Registration> {
    const { machine } = this.process;
    const { process } = this;
    return {
      put: async (_resource: string, registration: Registration) => {
        await process.delay(1, 10);
        machine.registration = registration;
      },
      has: () => machine.registration !== null,
      remove: async () => {
        await process.delay(1, 10);
        machine.registration = null;
      },
      all: async () => {
        await process.delay(1, 10);
        const found = new Map<string, Registration>();
        if (machine.registration !== null) found.set('vm1', machine.registration);
        return { found, damaged: [] };
      },
    } as unknown as Registrations<Registration>;
  }

  /** Chance of ours, not of node:crypto. */
  #executors(table: Executors): Executors {
    const { random } = this.process.machine.world;
    return {
      ...table,
      'find-peers': async (task, context) => ({
        ...(await table['find-peers'](task, context)),
        session: random.hex(8),
      }),
    };
  }

  #log(): Logger {
    const { machine } = this.process;
    const say = (message: string, fields?: Readonly<Record<string, unknown>>): void =>
      machine.say(() => `remusd: ${message}${fields === undefined ? '' : ` ${inShort(fields)}`}`);
    const log: Logger = {
      debug: () => undefined,
      info: say,
      warn: say,
      error: say,
      with: () => log,
    };
    return log;
  }

  #peerControl(): PeerControl {
    return {
      call: (peer: { readonly node: string }, method: string, params: unknown, ms: number) =>
        this.#call(peer.node, method, params, ms),
    } as unknown as PeerControl;
  }

  #call(node: string, method: string, params: unknown, ms: number): Promise<unknown> {
    const { process } = this;
    const { machine } = process;
    return new Promise((resolve, reject) => {
      process.after(ms, () => reject(new Error(`remusd on ${node} gave no answer in time`)));
      const hop = (run: () => void): unknown => machine.world.after(2, 20, run);
      const fail = (text: string): void => process.deliver(() => reject(new Error(text)));
      hop(() => {
        const there = this.#parts.machineOf(node);
        if (there === null || !this.#parts.network.linked(machine, there)) return;
        const daemon = there.control;
        if (!(daemon instanceof Daemon) || !daemon.serves) {
          fail(`remusd on ${node} refuses the connection`);
          return;
        }
        const back = (run: () => void): unknown =>
          hop(() => {
            if (this.#parts.network.linked(machine, there)) process.deliver(run);
          });
        daemon.process.onEnd(() => back(() => reject(new Error('the connection broke'))));
        daemon.process.deliver(() => {
          const unheard = daemon.greeted(machine);
          daemon.#node.peerGreeted(machine.name, unheard);
          if (unheard !== null) {
            back(() => reject(new Error(this.greeted(there) ?? '')));
            return;
          }
          const handler = daemon.handlers[method];
          handler?.(params, machine.name).then(
            (value) => back(() => resolve(value)),
            (error: unknown) => back(() => reject(new Error(sentenceOf(error)))),
          );
        });
      });
    });
  }
}

/** Both ends have the same configuration file and Xen. */
class SimCalls extends PeerCalls {
  override facts(config: VmConfig): ReturnType<PeerCalls['facts']> {
    const xen = { major: 4, minor: 17 };
    return Promise.resolve({ domain: config.domain, config_digest: 'd', xen });
  }

  override disagreement(): Promise<string | null> {
    return Promise.resolve(null);
  }
}

function loaded(config: VmConfig): Loaded {
  return { params: { allow_unfenced: false }, xl: {}, config } as unknown as Loaded;
}

function inShort(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .filter(([key]) => key !== 'vm')
    .map(([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`)
    .join(' ');
}
