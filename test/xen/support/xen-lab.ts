/**
 * Two real Xen hosts under QEMU's emulation with a real cluster, for tests (see the script `xen-lab` above this folder;
 * `xen-lab help` says what each word does).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClientOptions, OutsideClient } from '../../cluster/lab/client.js';
import { type LabResult, cloneDir, runScript } from '../../cluster/lab/command.js';
import { type Domain, type LabExecOptions, Nodes, succeeded } from '../../cluster/lab/nodes.js';

/** The Debian release in the hosts. */
export type XenSuite = 'bookworm' | 'trixie';

/** The image is built in minutes, or in many when the machine has other work. */
const UP_MS = 30 * 60_000;
/** A command in a dom0: seconds, or many when the machine has other work. */
const EXEC_MS = 120_000;

/** The path of the lab's script. */
export function xenLabCommand(): string {
  return join(cloneDir(), 'test', 'xen', 'xen-lab');
}

/** For the shell at the other end of ssh. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A line of `xl list`. */
function toDomain(node: string, line: string): Domain | undefined {
  const match = /^(\S+)\s+(\d+)\s+\d+\s+\d+\s+([a-z-]{6})\s+[\d.]+$/.exec(line.trim());
  if (match === null || match[2] === '0') return undefined;
  const [, name = '', domid = '', state = ''] = match;
  const running = !/[psdc]/.test(state);
  return { node, domid: Number(domid), name, paused: state.includes('p'), running };
}

/** The lab; only one can be up on a machine. */
export class XenLab extends Nodes {
  /** Software emulation: a first copy alone takes 20 s when nothing else runs on the machine. */
  readonly patience_ms = 600_000;
  protected override readonly poll_ms = 1000;
  protected override readonly rest = 2;
  readonly dir = process.env.REMUS_XEN_LAB ?? '/run/remus-xen';

  async up(suite: XenSuite): Promise<void> {
    await this.lab(['up', '--suite', suite], { timeout_ms: UP_MS, tell: true });
  }

  /** Why this machine is too small for the lab; null when it is not. What is missing but can be installed is an error. */
  static async lacks(): Promise<string | null> {
    const { code, stderr } = await runScript(xenLabCommand(), ['check'], { timeout_ms: EXEC_MS });
    if (code === 0) return null;
    if (code === 3) return stderr.trim();
    throw new Error(stderr.trim());
  }

  /** Takes everything away; with `logs` the hosts' logs are kept in that directory. */
  async down(logs?: string): Promise<void> {
    await this.lab(logs === undefined ? ['down'] : ['down', '--logs', logs], {
      timeout_ms: 2 * EXEC_MS,
    });
  }

  /** The release in the hosts of the lab that is up; undefined when none is. */
  suite(): string | undefined {
    try {
      return readFileSync(join(this.dir, 'suite'), 'utf8').trim();
    } catch {
      return undefined;
    }
  }

  /** The logs of the hosts that are on, and of QEMU. */
  collectLogs(dir: string): Promise<void> {
    return this.lab(['logs', dir], { timeout_ms: 4 * EXEC_MS });
  }

  nodes(): string[] {
    return ['xen1', 'xen2'];
  }

  power(node: string): 'on' | 'off' | 'frozen' {
    if (existsSync(join(this.dir, `${node}.frozen`))) return 'frozen';
    try {
      process.kill(Number(readFileSync(join(this.dir, `${node}.pid`), 'utf8')), 0);
      return 'on';
    } catch {
      return 'off';
    }
  }

  exec(node: string, argv: readonly string[], options: LabExecOptions = {}): Promise<LabResult> {
    return this.call(['exec', node, ...argv.map(quoted)], options);
  }

  async hypervisor(node: string): Promise<Domain[]> {
    if (this.power(node) !== 'on') return [];
    const lines = (await this.sh(node, ['xl', 'list'])).split('\n');
    return lines
      .map((line) => toDomain(node, line))
      .filter((domain): domain is Domain => domain !== undefined);
  }

  /** A power cut. */
  kill(node: string): Promise<void> {
    return this.lab(['kill', node]);
  }

  /** Power on, and wait until it answers and the cluster has formed. */
  async boot(node: string): Promise<void> {
    await this.lab(['boot', node]);
    await this.lab(['wait', '900'], { timeout_ms: 1_000_000 });
  }

  freeze(node: string): Promise<void> {
    return this.lab(['freeze', node]);
  }

  thaw(node: string): Promise<void> {
    return this.lab(['thaw', node]);
  }

  cutReplication(): Promise<void> {
    return this.lab(['cut-replication']);
  }

  healReplication(): Promise<void> {
    return this.lab(['heal-replication']);
  }

  /** Writes /etc/xen/NAME.cfg on both hosts. */
  vmConfig(name: string): Promise<void> {
    return this.lab(['vm-config', name]);
  }

  /** Adds the VM as a promotable clone NAME-ha. */
  addVm(name: string, params: Readonly<Record<string, string>> = {}): Promise<void> {
    const words = Object.entries(params).flatMap(([key, value]) => ['--param', `${key}=${value}`]);
    return this.lab(['add-vm', name, ...words]);
  }

  /** Starts an outside client on the guests' LAN. */
  client(options: ClientOptions = {}): Promise<OutsideClient> {
    return OutsideClient.start({ ...options, inside: [xenLabCommand(), 'client'] });
  }

  private call(
    argv: readonly string[],
    options: LabExecOptions & { readonly tell?: boolean } = {},
  ): Promise<LabResult> {
    return runScript(xenLabCommand(), argv, {
      timeout_ms: options.timeout_ms ?? EXEC_MS,
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
      ...(options.tell === true ? { tell: (text: string) => process.stdout.write(text) } : {}),
    });
  }

  private async lab(
    argv: readonly string[],
    options: LabExecOptions & { readonly tell?: boolean } = {},
  ): Promise<void> {
    succeeded(`xen-lab ${argv.join(' ')}`, await this.call(argv, options));
  }
}
