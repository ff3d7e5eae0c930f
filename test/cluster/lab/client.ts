/**
 * The outside client: a process in the client's network namespace that talks to a guest all the while, and tells what a
 * user of the VM would have seen.
 */
import { fileURLToPath } from 'node:url';
import type { Summary, Violation } from './tally.js';
import { labCommand } from './command.js';
import { labDir } from './hosts.js';
import { LineChild } from './line-child.js';

/** What to talk to, and how often. */
export interface ClientOptions {
  /** The guest's address; default 10.77.2.50. */
  readonly to?: string;
  /** The client's name in the guest; one word, at most 31 bytes. */
  readonly id?: string;
  /** Milliseconds between an answer and the next request; default 25. */
  readonly every_ms?: number;
  /** Every answer is appended to this file, a JSON object a line. */
  readonly log?: string;
  readonly lab?: string;
  /** The command that runs another one where the client belongs; default `lab client`. */
  readonly inside?: readonly string[];
}

/** Starts, asks and stops a client process. */
export class OutsideClient {
  private readonly child: LineChild;

  private constructor(child: LineChild) {
    this.child = child;
  }

  /** Resolves when it is asking. */
  static async start(options: ClientOptions = {}): Promise<OutsideClient> {
    const main = fileURLToPath(new URL('client-main.js', import.meta.url));
    const argv = [...(options.inside ?? [labCommand(), 'client']), process.execPath, main];
    if (options.to !== undefined) argv.push('--to', options.to);
    if (options.id !== undefined) argv.push('--id', options.id);
    if (options.every_ms !== undefined) argv.push('--every', String(options.every_ms));
    if (options.log !== undefined) argv.push('--log', options.log);
    const env = { ...process.env, REMUS_LAB: options.lab ?? labDir() };
    const child = new LineChild('the outside client', argv, env);
    await child.line();
    return new OutsideClient(child);
  }

  /** What it has seen since the last mark. */
  async report(): Promise<Summary> {
    return this.call({ do: 'report' });
  }

  /** Begins a new measuring window. */
  async mark(name: string): Promise<void> {
    await this.call({ do: 'mark', name });
  }

  /** Tells the guest to power itself off, to reboot or to crash. */
  async say(word: 'poweroff' | 'reboot' | 'crash'): Promise<void> {
    await this.call({ do: 'say', word });
  }

  /** The last report; then the process ends, whatever came of the report. */
  async stop(): Promise<Summary> {
    return this.report().finally(() => this.child.end());
  }

  private async call(command: Record<string, string>): Promise<Summary> {
    return JSON.parse(await this.child.ask(JSON.stringify(command))) as Summary; // our own process, same build
  }
}

/** Violations of one kind or another in a report, without a reboot of the guest when that was to be expected. */
export function violationCount(
  summary: Summary,
  except: readonly Violation['kind'][] = [],
): number {
  return Object.entries(summary.counts)
    .filter(([kind]) => !(except as readonly string[]).includes(kind))
    .reduce((sum, [, count]) => sum + count, 0);
}
