/**
 * The outside client: a process in the client's network namespace that talks to a guest all the while, and tells what a
 * user of the VM would have seen.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { type Interface, createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Summary, Violation } from './tally.js';
import { labCommand } from './command.js';
import { labDir } from './hosts.js';

const ANSWER_MS = 5000;

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

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** Starts, asks and stops a client process. */
export class OutsideClient {
  private readonly child: Child;
  private readonly lines: Interface;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(child: Child) {
    this.child = child;
    this.lines = createInterface({ input: child.stdout });
  }

  /** Resolves when it is asking. */
  static async start(options: ClientOptions = {}): Promise<OutsideClient> {
    const main = fileURLToPath(new URL('client-main.js', import.meta.url));
    const [program = '', ...argv] = options.inside ?? [labCommand(), 'client'];
    argv.push(process.execPath, main);
    if (options.to !== undefined) argv.push('--to', options.to);
    if (options.id !== undefined) argv.push('--id', options.id);
    if (options.every_ms !== undefined) argv.push('--every', String(options.every_ms));
    if (options.log !== undefined) argv.push('--log', options.log);
    const child = spawn(program, argv, {
      env: { ...process.env, REMUS_LAB: options.lab ?? labDir() },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.on('error', () => undefined);
    const client = new OutsideClient(child);
    await client.line();
    return client;
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

  /** The last report; then the process ends. */
  async stop(): Promise<Summary> {
    const summary = await this.report();
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.end();
    await ended;
    return summary;
  }

  /** One command at a time: answers come in order. */
  private call(command: Record<string, string>): Promise<Summary> {
    const next = this.turn.then(async () => {
      const answer = this.line();
      this.child.stdin.write(`${JSON.stringify(command)}\n`);
      return JSON.parse(await answer) as Summary; // our own process, same build
    });
    this.turn = next.catch(() => undefined);
    return next;
  }

  private line(): Promise<string> {
    return new Promise((resolve, reject) => {
      const done = (finish: () => void): void => {
        clearTimeout(timer);
        this.lines.removeListener('line', heard);
        this.child.removeListener('exit', gone);
        finish();
      };
      const heard = (line: string): void => done(() => resolve(line));
      const gone = (): void =>
        done(() => reject(new Error('the outside client has ended: is the lab up?')));
      const timer = setTimeout(
        () =>
          done(() => reject(new Error(`the outside client did not answer within ${ANSWER_MS} ms`))),
        ANSWER_MS,
      );
      this.lines.once('line', heard);
      this.child.once('exit', gone);
    });
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
