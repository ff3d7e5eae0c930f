/**
 * A cluster that tests look at and work on: nodes that run commands, whatever they are (network namespaces, or Xen hosts
 * under emulation).
 */
import { type CrmStatus, nodesInRole, parseCrmMon } from './crm-status.js';
import type { LabResult } from './command.js';

/** A command in a node. */
export interface LabExecOptions {
  readonly timeout_ms?: number;
  readonly stdin?: string;
}

/** A domain by its hypervisor's own word, without Domain-0. */
export interface Domain {
  readonly node: string;
  readonly domid: number;
  readonly name: string;
  readonly paused: boolean;
  /** It executes guest code now: neither paused nor shut down or suspended. */
  readonly running: boolean;
}

/** Something went wrong in the lab itself. */
export class LabError extends Error {}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What the labs have in common. */
export abstract class Nodes {
  /** How long anything may take here before a test gives up, milliseconds: generous. */
  abstract readonly patience_ms: number;
  /** Between two looks of waitFor. */
  protected readonly poll_ms: number = 100;
  /** waitFor rests so many times as long as its last look took: where a look is dear, the test must not be the load. */
  protected readonly rest: number = 0;

  abstract nodes(): string[];
  abstract power(node: string): 'on' | 'off' | 'frozen';
  /** Runs a program in a node, with the environment that everything there has. Never rejects for its exit code. */
  abstract exec(
    node: string,
    argv: readonly string[],
    options?: LabExecOptions,
  ): Promise<LabResult>;
  /** The domains of a node; none when it is off. */
  abstract hypervisor(node: string): readonly Domain[] | Promise<readonly Domain[]>;

  /** Runs a program in a node; its stdout. Rejects unless it ends with 0. */
  async sh(node: string, argv: readonly string[], options: LabExecOptions = {}): Promise<string> {
    const result = await this.exec(node, argv, options);
    return succeeded(`${node}: ${argv.join(' ')}`, result).stdout;
  }

  /** The cluster as a node sees it. */
  async crmMon(node: string): Promise<CrmStatus> {
    return parseCrmMon(await this.sh(node, ['crm_mon', '-1', '--output-as=xml']));
  }

  /** The nodes with a role of a resource, as `node` sees it. */
  async inRole(node: string, resource: string, role: 'Promoted' | 'Unpromoted'): Promise<string[]> {
    return nodesInRole(await this.crmMon(node), resource, role);
  }

  /** The first node that is on; throws when there is none. */
  anyNode(): string {
    const node = this.nodes().find((each) => this.power(each) === 'on');
    if (node === undefined) throw new LabError('no node of the lab is on: boot one');
    return node;
  }

  /**
   * Polls until `probe` gives a value (not undefined, not false; a throw counts as "not yet"). At the deadline it rejects with
   * what was waited for, the last trouble, and the state of all nodes.
   */
  async waitFor<T>(
    description: string,
    probe: () => T | undefined | false | Promise<T | undefined | false>,
    deadline_ms: number,
  ): Promise<T> {
    const end_ms = performance.now() + deadline_ms;
    let trouble = '';
    while (performance.now() < end_ms) {
      const began_ms = performance.now();
      try {
        const value = await probe();
        if (value !== undefined && value !== false) return value;
        trouble = '';
      } catch (error) {
        trouble = `\nlast trouble: ${String(error)}`;
      }
      await pause(Math.max(this.poll_ms, this.rest * (performance.now() - began_ms)));
    }
    const state = await this.describe();
    throw new LabError(`waited ${deadline_ms} ms in vain for: ${description}${trouble}\n${state}`);
  }

  /** All nodes in words, for error messages. */
  async describe(): Promise<string> {
    const parts = await Promise.all(this.nodes().map((node) => this.describeNode(node)));
    return parts.join('\n');
  }

  private async describeNode(node: string): Promise<string> {
    const power = this.power(node);
    const domains = (await this.hypervisor(node)).map(
      (d) =>
        `${d.name}(${d.domid}${d.running ? ' running' : ''}${d.paused ? ' paused' : ''}${d.running || d.paused ? '' : ' shut down or suspended'})`,
    );
    const head = `=== ${node}: power ${power}; domains: ${domains.join(' ') || 'none'}`;
    if (power !== 'on') return head;
    const mon = await this.exec(node, ['crm_mon', '-1Arf']);
    return `${head}\n${mon.stdout.trim()}${mon.stderr.trim()}`;
  }
}

/** The result, when the command has ended with 0; otherwise an error with all that it said. */
export function succeeded(what: string, result: LabResult): LabResult {
  if (result.code === 0) return result;
  const why = result.timed_out
    ? `no end within ${result.duration_ms} ms`
    : `exit ${result.code ?? 'by a signal'}`;
  throw new LabError(`${what}: ${why}: ${result.stderr.trim()} ${result.stdout.trim()}`);
}
