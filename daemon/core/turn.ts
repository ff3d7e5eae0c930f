/** One turn of the machine: collects the new state and the effects. Lives for one call of `step` only. */
import type { Effect, Task } from './effect.js';
import type { OpRef, Phase, State, VmConfig } from './state.js';
import { OCF } from './ocf.js';

export class Turn {
  readonly effects: Effect[] = [];
  state: State;
  readonly now_ms: number;

  constructor(state: State, now_ms: number) {
    this.state = state;
    this.now_ms = now_ms;
  }

  /** The configuration of a registered VM. Every phase but `stopped` and `probing` has one. */
  get config(): VmConfig {
    if (this.state.config === null)
      throw new Error('the machine has no configuration in this phase');
    return this.state.config;
  }

  to(phase: Phase): void {
    this.state = { ...this.state, phase };
  }

  patch(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
  }

  run(task: Task): number {
    const tag = this.tag();
    this.effects.push({ type: 'run', tag, task });
    return tag;
  }

  /** Ask the hypervisor for the VM; a VM that is not registered here brings its own configuration. */
  look(config: VmConfig = this.config): number {
    return this.run({ task: 'look', domain: config.domain });
  }

  timer(ms: number): number {
    const tag = this.tag();
    this.effects.push({ type: 'timer', tag, ms: Math.max(0, Math.round(ms)) });
    return tag;
  }

  /** Never fires: for a state that waits for nothing. */
  static readonly NO_TAG = 0;

  reply(op: OpRef, rc: number, reason: string | null = null, data?: unknown): void {
    const mine = this.state.joined.filter(({ to }) => to === op.id);
    if (mine.length > 0) this.patch({ joined: this.state.joined.filter(({ to }) => to !== op.id) });
    for (const { id } of [op, ...mine.map((one) => one.op)])
      this.effects.push({
        type: 'reply',
        op: id,
        rc,
        reason,
        ...(data === undefined ? {} : { data }),
      });
  }

  /** `op` asks for what is being done for `first` already: it gets the same answer. */
  join(op: OpRef, first: OpRef): void {
    this.patch({ joined: [...this.state.joined, { op, to: first.id }] });
  }

  ok(op: OpRef): void {
    this.reply(op, OCF.SUCCESS);
  }

  progress(op: OpRef | null, text: string): void {
    if (op !== null) this.effects.push({ type: 'progress', op: op.id, text });
  }

  note(text: string, data: Readonly<Record<string, unknown>> = {}): void {
    this.effects.push({ type: 'note', text, data });
  }

  push(effect: Effect): void {
    this.effects.push(effect);
  }

  /** Milliseconds until the action's deadline, less the margin for what comes after; at least 1 s. */
  left(op: OpRef, margin_ms: number): number {
    return Math.max(1_000, op.deadline_ms - this.now_ms - margin_ms);
  }

  private tag(): number {
    const tag = this.state.next_tag;
    this.state = { ...this.state, next_tag: tag + 1 };
    return tag;
  }
}
