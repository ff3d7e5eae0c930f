/**
 * The driver of one VM: one queue, one machine. Events come in, `step` decides, effects go out. Tasks run
 * beside the queue and come back as events; what they may not do at the same time is kept apart by lanes.
 */
import { sentenceOf } from './adapters/errors.js';
import type { Effect, Task, TaskName } from './core/effect.js';
import type { Done, Event } from './core/event.js';
import { initialState, type OpRef, type State } from './core/state.js';
import { step } from './core/step.js';
import type { Clock } from './ports.js';
import type { Executors } from './tasks/table.js';
import { deadlineOf } from './tasks/deadlines.js';
import { laneOf, Lanes, waitsForRecords } from './tasks/lanes.js';
import { Underway } from './tasks/underway.js';

/** The answer to a waiting request. */
export interface Answer {
  readonly rc: number;
  readonly reason: string | null;
  readonly data?: unknown;
}

/** What the driver tells the rest of the daemon. */
export interface DriverHooks {
  note(resource: string, text: string, data: Readonly<Record<string, unknown>>): void;
  publishWords(resource: string, words: string | null): void;
  publishScore(resource: string, score: number | null): void;
  reportFailure(resource: string, reason: string): void;
  /** A turn of the machine is complete. */
  turned(driver: VmDriver): void;
}

interface Waiting {
  readonly settle: (answer: Answer) => void;
  readonly progress: (text: string) => void;
}

interface PeerAnswer {
  readonly port: number;
}

export class VmDriver {
  #state: State;
  readonly #queue: Event[] = [];
  #running = false;
  #nextOp = 1;
  readonly #waiting = new Map<number, Waiting>();
  readonly #peerWaiting = new Map<
    number,
    { resolve(value: PeerAnswer): void; reject(error: Error): void }
  >();
  readonly #timers = new Map<number, { cancel(): void }>();
  readonly #lanes = new Lanes();
  readonly #underway: Underway;
  #turns = 0;
  readonly #executors: Executors;
  readonly #clock: Clock;
  readonly #hooks: DriverHooks;

  constructor(
    node: string,
    resource: string,
    executors: Executors,
    clock: Clock,
    hooks: DriverHooks,
  ) {
    this.#state = initialState(node, resource);
    this.#executors = executors;
    this.#clock = clock;
    this.#underway = new Underway(clock);
    this.#hooks = hooks;
  }

  get state(): State {
    return this.#state;
  }

  get resource(): string {
    return this.#state.resource;
  }

  /** Anything that happened, from whatever source. Never throws, never waits. */
  post(event: Event): void {
    this.#queue.push(event);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
        this.#turn(next);
    } finally {
      this.#running = false;
    }
    this.#hooks.turned(this);
  }

  /** A request that gets an answer: an OCF action or an operator's command. */
  request(
    make: (op: OpRef) => Event,
    timeout_ms: number,
    progress: (text: string) => void = () => undefined,
  ): Promise<Answer> {
    const op: OpRef = { id: this.#nextOp++, deadline_ms: this.#clock.now_ms() + timeout_ms };
    return new Promise((settle) => {
      this.#waiting.set(op.id, { settle, progress });
      this.post(make(op));
    });
  }

  /** The peer's request for a receiver. Rejects with the sentence for the peer. */
  peerPrepare(make: (request: number) => Event): Promise<PeerAnswer> {
    const request = this.#nextOp++;
    return new Promise((resolve, reject) => {
      this.#peerWaiting.set(request, { resolve, reject });
      this.post(make(request));
    });
  }

  /** Goes through the queue like everything else. @returns what is wrong, as sentences. */
  pulse(): readonly string[] {
    const before = this.#turns;
    try {
      this.post({ type: 'pulse' });
    } catch (error) {
      return [`its machine fails: ${sentenceOf(error)}`];
    }
    const stuck = this.#turns === before ? ['its machine completes no turn'] : [];
    return [...stuck, ...this.#underway.overdue()];
  }

  /** The daemon ends; the VM does not. */
  dispose(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #turn(event: Event): void {
    const { state, effects } = step(this.#state, event, this.#clock.now_ms());
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
    this.#turns += 1;
  }

  #carryOut(effect: Effect): void {
    const { resource } = this.#state;
    switch (effect.type) {
      case 'run':
        this.#start(effect.tag, effect.task);
        return;
      case 'timer':
        this.#startTimer(effect.tag, effect.ms);
        return;
      case 'reply':
        this.#reply(effect.op, { rc: effect.rc, reason: effect.reason, data: effect.data });
        return;
      case 'progress':
        this.#waiting.get(effect.op)?.progress(effect.text);
        return;
      case 'answer-peer':
        this.#answerPeer(effect);
        return;
      case 'note':
        this.#hooks.note(resource, effect.text, effect.data);
        return;
      case 'publish-words':
        this.#hooks.publishWords(resource, effect.words);
        return;
      case 'publish-score':
        this.#hooks.publishScore(resource, effect.score);
        return;
      case 'report-failure':
        this.#hooks.reportFailure(resource, effect.reason);
    }
  }

  #reply(op: number, answer: Answer): void {
    this.#waiting.get(op)?.settle(answer);
    this.#waiting.delete(op);
  }

  #answerPeer(effect: Extract<Effect, { type: 'answer-peer' }>): void {
    const waiting = this.#peerWaiting.get(effect.request);
    this.#peerWaiting.delete(effect.request);
    if (effect.ok) waiting?.resolve({ port: effect.port });
    else waiting?.reject(new Error(effect.error));
  }

  #startTimer(tag: number, ms: number): void {
    const timer = this.#clock.after(ms, () => {
      this.#timers.delete(tag);
      this.post({ type: 'timer', tag });
    });
    this.#timers.set(tag, timer);
  }

  #start(tag: number, task: Task): void {
    const { config, resource, node } = this.#state;
    const run = async (): Promise<unknown> => {
      if (waitsForRecords(task.task)) await this.#lanes.drained('records');
      const execute = this.#executors[task.task] as (
        task: Task,
        context: { resource: string; node: string; config: State['config'] },
      ) => Promise<unknown>;
      const ms = deadlineOf(task.task, config);
      return this.#underway.run(task.task, ms, () => execute(task, { resource, node, config }));
    };
    void this.#lanes.run(laneOf(task.task), run).then(
      (value) => this.post({ type: 'done', tag, task: task.task, value } as Done),
      (error: unknown) => this.#failed(tag, task.task, error),
    );
  }

  #failed(tag: number, task: TaskName, error: unknown): void {
    this.post({ type: 'failed', tag, task, error: sentenceOf(error) });
  }
}
