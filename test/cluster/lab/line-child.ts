/** A process of the lab's that answers each line on its stdin by a line on its stdout, and ends with its stdin. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { type Interface, createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

const ANSWER_MS = 5000;

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** Starts, asks and stops such a process. */
export class LineChild {
  private readonly what: string;
  private readonly child: Child;
  private readonly lines: Interface;
  private turn: Promise<unknown> = Promise.resolve();

  /** `what` it is, for errors. */
  constructor(what: string, argv: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const [program = '', ...rest] = argv;
    this.what = what;
    this.child = spawn(program, rest, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdin.on('error', () => undefined);
    this.lines = createInterface({ input: this.child.stdout });
  }

  /** One line at a time: answers come in order. Rejects when none comes within 5 s, or the process has ended. */
  ask(line: string): Promise<string> {
    const next = this.turn.then(() => {
      const answer = this.line();
      this.child.stdin.write(`${line}\n`);
      return answer;
    });
    this.turn = next.catch(() => undefined);
    return next;
  }

  /** The next line, asked for or not. */
  line(): Promise<string> {
    return new Promise((resolve, reject) => {
      const done = (finish: () => void): void => {
        clearTimeout(timer);
        this.lines.removeListener('line', heard);
        this.child.removeListener('exit', gone);
        finish();
      };
      const heard = (line: string): void => done(() => resolve(line));
      const gone = (): void =>
        done(() => reject(new Error(`${this.what} has ended: is the lab up?`)));
      const timer = setTimeout(
        () => done(() => reject(new Error(`${this.what} did not answer within ${ANSWER_MS} ms`))),
        ANSWER_MS,
      );
      this.lines.once('line', heard);
      this.child.once('exit', gone);
    });
  }

  /** Its stdin is closed; resolves when it has ended. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.end();
    await ended;
  }
}
