import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const GRACE_MS = 2000;
const POLL_MS = 2;

/** A process of the bench's own, ended by its pid. */
export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  #failed: Error | null = null;
  #over = false;

  constructor(argv: readonly string[], stdio: StdioOptions, env: NodeJS.ProcessEnv = process.env) {
    const [program = '', ...rest] = argv;
    this.process = spawn(program, rest, { stdio, env });
    this.ended = new Promise((resolve) => {
      const over = (): void => {
        this.#over = true;
        resolve();
      };
      this.process.once('exit', over);
      this.process.once('error', (error) => {
        this.#failed = error;
        over();
      });
    });
  }

  /** Throws when it could not be started. */
  get running(): boolean {
    if (this.#failed !== null) throw this.#failed;
    return !this.#over;
  }

  async stop(): Promise<void> {
    if (this.#over) return;
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), GRACE_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

/** Asks until there is an answer; an error after `deadline_ms`. */
export async function waitFor<T>(
  what: string,
  deadline_ms: number,
  ask: () => T | null | undefined | false,
): Promise<T> {
  const late = performance.now() + deadline_ms;
  for (;;) {
    const answer = ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (performance.now() > late) {
      throw new Error(`waited ${deadline_ms / 1000} s in vain: ${what}`);
    }
    await sleep(POLL_MS);
  }
}
