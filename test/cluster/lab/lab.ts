/**
 * The cluster lab for tests and for the demo: a real corosync + Pacemaker cluster of namespace nodes (see the script
 * `lab` beside this file; `lab help` says what each word does).
 */
import { type LabResult, runLab } from './command.js';
import { type LabExecOptions, Nodes, succeeded } from './nodes.js';
import { type SimDomain, domainsOf, labDir, labNodes, nodePower } from './hosts.js';
import { Watcher } from './watcher.js';
import { type ClientOptions, OutsideClient } from './client.js';

/** How a lab is made. */
export interface LabOptions {
  readonly bare?: boolean;
  readonly systemd?: boolean;
  /** The cluster property, e.g. 2s. */
  readonly priorityFencingDelay?: string;
  /** A fenced node is powered on again. */
  readonly fenceBoot?: boolean;
  /** The cluster property, e.g. 20s. */
  readonly stonithTimeout?: string;
  /** Corosync's token timeout, milliseconds; default 1000. */
  readonly token_ms?: number;
  /** Take down a lab that is still up. */
  readonly replace?: boolean;
  readonly pacemakerEnv?: Readonly<Record<string, string>>;
}

/** A VM's configuration in the nodes. */
export interface VmOptions {
  readonly ip?: string;
  readonly mac?: string;
  readonly memory?: number;
  readonly dirty?: number;
  readonly tick?: number;
  /** Only on this node. */
  readonly node?: string;
}

/** The VM's Pacemaker resource. */
export interface AddVmOptions {
  readonly agent?: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly meta?: Readonly<Record<string, string>>;
}

/** The interval of a test's recurring monitors, seconds: a user has 10, a test sees more in the same time with less. */
export const MONITOR_S = 5;
const UP_MS = 60_000;
const EXEC_MS = 30_000;

function upArguments(nodes: number, options: LabOptions): string[] {
  const argv = ['up', String(nodes)];
  if (options.bare === true) argv.push('--bare');
  if (options.systemd === true) argv.push('--systemd');
  if (options.replace === true) argv.push('--replace');
  if (options.fenceBoot !== undefined) argv.push('--fence-boot', options.fenceBoot ? '1' : '0');
  if (options.priorityFencingDelay !== undefined) {
    argv.push('--priority-fencing-delay', options.priorityFencingDelay);
  }
  if (options.stonithTimeout !== undefined) argv.push('--stonith-timeout', options.stonithTimeout);
  return argv;
}

function words(values: Readonly<Record<string, string | number | undefined>>): string[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
}

/** One lab. Only one can be up on a machine. */
export class Lab extends Nodes {
  /** Generous: two cores, shared with others. */
  readonly patience_ms = 90_000;
  readonly dir: string;

  constructor(dir = labDir()) {
    super();
    this.dir = dir;
  }

  /** Makes the lab, and waits until the cluster has formed (not with `bare`). */
  async up(nodes: number, options: LabOptions = {}): Promise<void> {
    const env: Record<string, string> = {};
    if (options.token_ms !== undefined) env.REMUS_LAB_TOKEN = String(options.token_ms);
    if (options.pacemakerEnv) env.REMUS_LAB_PCMK_ENV = words(options.pacemakerEnv).join(' ');
    await this.lab(upArguments(nodes, options), { env });
    if (options.bare !== true) await this.formed();
  }

  /** Takes everything away; with `logs` the nodes' logs are kept in that directory. */
  async down(logs?: string): Promise<void> {
    await this.lab(logs === undefined ? ['down'] : ['down', '--logs', logs]);
  }

  /** Waits until all nodes that are on are online, with a DC and quorum. */
  async formed(deadline_ms = UP_MS): Promise<void> {
    await this.lab(['wait', String(Math.ceil(deadline_ms / 1000))], {
      timeout_ms: deadline_ms + 5000,
    });
  }

  nodes(): string[] {
    return labNodes(this.dir);
  }

  power(node: string): 'on' | 'off' | 'frozen' {
    return nodePower(node, this.dir);
  }

  /** Runs a program in a node, with the environment that everything there has. Never rejects for its exit code. */
  exec(node: string, argv: readonly string[], options: LabExecOptions = {}): Promise<LabResult> {
    return this.call(['exec', node, ...argv], options);
  }

  async kill(node: string): Promise<void> {
    await this.lab(['kill', node]);
  }

  async boot(node: string): Promise<void> {
    await this.lab(['boot', node]);
  }

  async freeze(node: string): Promise<void> {
    await this.lab(['freeze', node]);
  }

  async thaw(node: string): Promise<void> {
    await this.lab(['thaw', node]);
  }

  /** Orderly stop of Pacemaker, corosync and remusd; the agents' stops may take long. */
  async stop(node: string, deadline_ms = 240_000): Promise<void> {
    await this.lab(['stop', node], { timeout_ms: deadline_ms });
  }

  async start(node: string): Promise<void> {
    await this.lab(['start', node]);
  }

  /** Cuts the cluster link between two groups of nodes. */
  async partition(a: readonly string[], b: readonly string[]): Promise<void> {
    await this.lab(['partition', a.join(','), b.join(',')]);
  }

  async heal(): Promise<void> {
    await this.lab(['heal']);
  }

  async cutReplication(node = 'all'): Promise<void> {
    await this.lab(['cut-replication', node]);
  }

  async healReplication(): Promise<void> {
    await this.lab(['heal-replication']);
  }

  /** Cuts both links between two groups of nodes. */
  async cutAll(a: readonly string[], b: readonly string[]): Promise<void> {
    await this.lab(['cut-all', a.join(','), b.join(',')]);
  }

  async healAll(): Promise<void> {
    await this.lab(['heal-all']);
  }

  /** Fencing of these nodes (of all when none is named) fails from now on. */
  async fenceFail(...nodes: readonly string[]): Promise<void> {
    await this.lab(['fence-fail', ...nodes]);
  }

  async fenceDelay(seconds: number): Promise<void> {
    await this.lab(['fence-delay', String(seconds)]);
  }

  async fenceBoot(boot: boolean): Promise<void> {
    await this.lab(['fence-boot', boot ? '1' : '0']);
  }

  async fenceOk(): Promise<void> {
    await this.lab(['fence-ok']);
  }

  /** Writes /etc/xen/NAME.cfg on every node. */
  async vmConfig(name: string, options: VmOptions = {}): Promise<void> {
    await this.lab(['vm-config', name, ...words({ ...options })]);
  }

  /** Adds the VM as a promotable clone NAME-ha. */
  async addVm(name: string, options: AddVmOptions = {}): Promise<void> {
    const argv = ['add-vm', name, '--monitor', String(MONITOR_S)];
    if (options.agent !== undefined) argv.push('--agent', options.agent);
    for (const word of words(options.params ?? {})) argv.push('--param', word);
    for (const word of words(options.meta ?? {})) argv.push('--meta', word);
    await this.lab(argv);
  }

  /** The simulated domains of a node, read from outside. */
  hypervisor(node: string): SimDomain[] {
    return domainsOf(node, this.dir);
  }

  /** Starts the two-copies watcher. */
  watch(): Promise<Watcher> {
    return Watcher.start(this.dir);
  }

  /** Starts an outside client. */
  client(options: ClientOptions = {}): Promise<OutsideClient> {
    return OutsideClient.start({ ...options, lab: this.dir });
  }

  async collectLogs(dir: string): Promise<void> {
    await this.lab(['logs', dir]);
  }

  private call(
    argv: readonly string[],
    options: LabExecOptions & { readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<LabResult> {
    return runLab(argv, {
      timeout_ms: options.timeout_ms ?? EXEC_MS,
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
      env: { REMUS_LAB: this.dir, ...options.env },
    });
  }

  private async lab(
    argv: readonly string[],
    options: LabExecOptions & { readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<LabResult> {
    return succeeded(`lab ${argv.join(' ')}`, await this.call(argv, options));
  }
}
