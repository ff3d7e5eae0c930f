/**
 * What the demo prints: titles, short sentences, command lines with the real screens of the real commands, and progress
 * while something is waited for. Plain ASCII; colours on a terminal only.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { labCommand } from '../lab/command.js';

const TICK_MS = 500;
/** Off a terminal a wait prints a line when its words change, and at least so often. */
const QUIET_MS = 15_000;
const COMMAND_MS = 180_000;

const terminal = process.stdout.isTTY;
const coloured = terminal && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb';

function paint(code: string, text: string): string {
  return coloured ? `\u001b[${code}m${text}\u001b[0m` : text;
}

function line(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** A new scene. */
export function title(number: number, text: string): void {
  line(`\n${paint('1;36', `== ${number}. ${text} ${'='.repeat(Math.max(3, 84 - text.length))}`)}`);
}

/** Sentences between the screens; none is longer than a line. */
export function say(...sentences: readonly string[]): void {
  line();
  for (const sentence of sentences) line(sentence);
}

/** A row of a table or a list. */
export function row(text: string): void {
  line(text);
}

/** Something that is as it should be, or is not. */
export function verdict(good: boolean, text: string): void {
  line(`\n${paint(good ? '1;32' : '1;31', text)}`);
}

/** A command line as in a shell on that machine. */
export function prompt(machine: string, command: string): void {
  line(`\n${paint('1', `${machine}#`)} ${command}`);
}

/** Runs a command line in a node; its output goes to the screen as it comes. Rejects when it fails. */
export async function inNode(node: string, command: string): Promise<void> {
  prompt(node, command);
  const child = spawn(labCommand(), ['exec', node, 'sh', '-c', command], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: COMMAND_MS,
    killSignal: 'SIGKILL',
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', resolve);
  });
  if (code !== 0) throw new Error(`on ${node}, "${command}" ended with ${code ?? 'a signal'}`);
}

/** A wait that shows that it is one: what for, how long so far, and what is known meanwhile. */
export class Progress {
  private readonly what: string;
  private readonly began_ms = performance.now();
  private readonly timer: NodeJS.Timeout;
  private words = '';
  private shown = '';
  private shown_ms = -Infinity;

  constructor(what: string) {
    this.what = what;
    line();
    this.timer = setInterval(() => this.show(), TICK_MS);
  }

  /** What is known now; shown at the next tick. */
  know(words: string): void {
    this.words = words;
  }

  /** The wait is over. */
  end(outcome: string): void {
    clearInterval(this.timer);
    const text = `... ${this.what}: ${outcome} after ${this.seconds()} s`;
    line(terminal ? `\r\u001b[K${paint('2', text)}` : text);
  }

  private show(): void {
    const text = `... ${this.what}${this.words === '' ? '' : ` (${this.words})`}`;
    if (terminal) {
      process.stdout.write(
        `\r\u001b[K${paint('2', `${text} ${this.seconds()} s`.slice(0, width()))}`,
      );
      return;
    }
    const now_ms = performance.now();
    if (text === this.shown && now_ms - this.shown_ms < QUIET_MS) return;
    this.shown = text;
    this.shown_ms = now_ms;
    line(`${text} ${this.seconds()} s`);
  }

  private seconds(): string {
    return ((performance.now() - this.began_ms) / 1000).toFixed(1);
  }
}

function width(): number {
  return (process.stdout.columns || 80) - 1; // some terminals say 0
}

/** Waits for `work`, and shows it. */
export async function progress<T>(
  what: string,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const shown = new Progress(what);
  try {
    const value = await work(shown);
    shown.end('done');
    return value;
  } catch (error) {
    shown.end('given up');
    throw error;
  }
}

let input: AsyncIterator<string> | undefined;

/** Waits for Enter; at the end of the input it does not wait any more. */
export async function waitForEnter(): Promise<void> {
  process.stdout.write(`\n${paint('7', '[Enter goes on]')} `);
  // One reader for all: it may have read ahead.
  input ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const { done } = await input.next();
  if (done === true || !process.stdin.isTTY) line();
}
