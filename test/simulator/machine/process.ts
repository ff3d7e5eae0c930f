/**
 * A process: killed, stopped (SIGSTOP) and continued at any moment. Everything that reaches it does so by
 * `deliver`; so a dead one hears nothing, and a stopped one hears it all at once later.
 */
import type { ProcessInfo } from '../../../daemon/adapters/process-table.js';
import type { Clock } from '../../../daemon/ports.js';
import type { Entry } from '../timeline.js';
import type { Machine } from './machine.js';

interface Timer {
  run: (() => void) | null;
  readonly due_ms: number;
  /** Its place in the world's time. */
  entry: Entry | null;
}

export class Process {
  readonly machine: Machine;
  readonly name: string;
  readonly pid: number;
  readonly argv: readonly string[];
  alive = true;
  stopped = false;
  readonly #inbox: (() => void)[] = [];
  readonly #timers = new Set<Timer>();
  readonly #ended: (() => void)[] = [];

  constructor(machine: Machine, name: string, argv: readonly string[] = [name]) {
    this.machine = machine;
    this.name = name;
    this.argv = argv;
    this.pid = machine.world.pid();
    machine.processes.add(this);
  }

  get info(): ProcessInfo {
    return { pid: this.pid, start_ticks: this.pid, ppid: 1, argv: this.argv };
  }

  /** It can do something now. */
  get runs(): boolean {
    return this.alive && !this.stopped && !this.machine.frozen;
  }

  deliver(run: () => void): void {
    if (!this.alive) return;
    if (this.runs) run();
    else this.#inbox.push(run);
  }

  onEnd(run: () => void): void {
    this.#ended.push(run);
  }

  /** However it ended: nothing of it happens any more. */
  end(): void {
    if (!this.alive) return;
    this.alive = false;
    this.machine.processes.delete(this);
    this.#inbox.length = 0;
    for (const timer of this.#timers) this.#disarm(timer);
    this.#timers.clear();
    for (const run of this.#ended) run();
  }

  stop(): void {
    this.stopped = true;
  }

  continue(): void {
    this.stopped = false;
    this.flush();
  }

  /** What has come while it was stopped. */
  flush(): void {
    while (this.runs) {
      const next = this.#inbox.shift();
      if (next === undefined) return;
      next();
    }
  }

  /** On the machine's clock: one that jumps ahead takes the timers with it. */
  after(ms: number, run: () => void): { cancel(): void } {
    const due_ms = this.machine.clock_ms + Math.max(0, ms);
    const timer: Timer = { run, due_ms, entry: null };
    this.#timers.add(timer);
    this.#arm(timer);
    return { cancel: () => this.#drop(timer) };
  }

  clockJumped(): void {
    for (const timer of this.#timers) this.#arm(timer);
  }

  #arm(timer: Timer): void {
    const { machine } = this;
    this.#disarm(timer);
    timer.entry = machine.world.time.at(timer.due_ms - machine.clock_ms, () => {
      if (!this.#timers.delete(timer)) return;
      this.deliver(() => {
        timer.run?.();
        timer.run = null;
      });
    });
  }

  /** What will not happen takes no turn of the world. */
  #disarm({ entry }: Timer): void {
    if (entry !== null) this.machine.world.time.cancel(entry);
  }

  #drop(timer: Timer): void {
    timer.run = null;
    this.#disarm(timer);
    this.#timers.delete(timer);
  }

  /** Resolves after so long, if the process still lives. */
  delay(min_ms: number, max_ms = min_ms): Promise<void> {
    const ms = this.machine.world.random.between(min_ms, max_ms);
    return new Promise((resolve) => this.after(ms, resolve));
  }

  get clock(): Clock {
    return {
      now_ms: () => this.machine.clock_ms,
      wall: () => new Date(this.machine.world.now_ms).toISOString(),
      after: (ms, run) => this.after(ms, run),
    };
  }
}
