/** What makes a dump one of a VM, and what it asks for when nothing else is said. */
import type { Invocation } from './commands.js';

export const LIVE_DUMP = { checkpoints: 3, timeout_s: 30 } as const;

/** An option that no file has: with it nobody looks for a file of that name. */
export function onlyOfVm({ values }: Pick<Invocation, 'values'>): string | undefined {
  return ['checkpoints', 'timeout'].find((option) => values.has(option));
}
