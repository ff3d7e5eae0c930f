/** Every task has its executor: a new task without one does not compile. */
import type { Task, TaskName, TaskResults } from '../core/effect.js';
import type { VmConfig } from '../core/state.js';

/** The VM on whose behalf a task runs. */
export interface Context {
  readonly resource: string;
  readonly node: string;
  readonly config: VmConfig | null;
}

export type Executor<K extends TaskName> = (
  task: Extract<Task, { task: K }>,
  context: Context,
) => Promise<TaskResults[K]>;

export type Executors = { readonly [K in TaskName]: Executor<K> };

/** The configuration of a VM that has one; tasks that need it are never run without. */
export function configOf(context: Context): VmConfig {
  if (context.config === null) throw new Error(`${context.resource} has no configuration`);
  return context.config;
}
