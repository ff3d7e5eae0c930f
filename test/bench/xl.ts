import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Child } from './child.js';
import { within } from './cleanup.js';
import type { Answer, Order, Written } from './fake-xl-protocol.js';
import type { Place } from './place.js';

const program = fileURLToPath(new URL('fake-xl.js', import.meta.url));
/** A gigabyte through a slow cipher on a busy machine. */
const ANSWER_MS = 180_000;
const LOG_TAIL = 1000;

/** The process that stands for `xl remus`. One at a time: it blocks, as the real one does. */
export class Xl {
  readonly #child: Child;
  /** What it and the transports say. */
  readonly #log: string;
  readonly #waiting: ((answer: Answer) => void)[] = [];
  #lines = 0;

  constructor(place: Place) {
    const env = { ...process.env, SIMXEN_RUNDIR: place.fresh('xl') };
    this.#log = place.fresh('xl.log');
    const log = openSync(this.#log, 'a');
    this.#child = new Child([process.execPath, program], ['pipe', 'pipe', log], env);
    closeSync(log);
    place.cleanup.add(() => this.close());
    const { stdout, stdin } = this.#child.process;
    stdin?.on('error', () => undefined);
    if (stdout === null) return;
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => this.#waiting.shift()?.(JSON.parse(line) as Answer));
    lines.on('close', () => {
      for (const answer of this.#waiting.splice(0)) {
        answer({ ok: false, error: 'the fake xl has ended' });
      }
    });
  }

  newLine(): number {
    this.#lines += 1;
    return this.#lines;
  }

  async obey(order: Order): Promise<Written> {
    const answered = new Promise<Answer>((resolve) => this.#waiting.push(resolve));
    this.#child.process.stdin?.write(`${JSON.stringify(order)}\n`);
    try {
      const answer = await within(ANSWER_MS, `the fake xl's ${order.op}`, answered);
      if (!answer.ok)
        throw new Error(`the fake xl's ${order.op} failed: ${answer.error}\n${this.#said()}`);
      return answer;
    } catch (error) {
      // It blocks in a write that nobody takes: nothing more can be asked of it.
      this.#child.process.kill('SIGKILL');
      throw error;
    }
  }

  #said(): string {
    return readFileSync(this.#log, 'utf8').slice(-LOG_TAIL);
  }

  async close(): Promise<void> {
    this.#child.process.stdin?.end();
    await this.#child.stop();
  }
}
