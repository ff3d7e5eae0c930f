/** What has happened to the VMs on this node since this remusd was started: counted where it is done. */
import type { TaskName } from '../core/effect.js';
import { restarts } from '../core/policy.js';
import type { State } from '../core/state.js';
import type { Clock } from '../ports.js';
import type { Executors } from '../tasks/table.js';

/** The work whose good end is counted, and as what. */
const COUNTED = {
  activate: 'activations',
  'destroy-handed-over': 'switchovers',
  create: 'starts',
  grant: 'grants',
  withdraw: 'withdrawals',
  'launch-remus': 'replications',
} as const satisfies Partial<Record<TaskName, string>>;

export type CountName = (typeof COUNTED)[keyof typeof COUNTED];

export interface VmTally extends Readonly<Record<CountName, number>> {
  /** The VM ran here without a replica that could be promoted. */
  readonly unprotected_ms: number;
}

interface Entry {
  readonly counts: Record<CountName, number>;
  unprotected_ms: number;
  /** Since when it has been so; null when it is not. */
  since_ms: number | null;
}

export class Tally {
  readonly #clock: Pick<Clock, 'now_ms'>;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Pick<Clock, 'now_ms'>) {
    this.#clock = clock;
  }

  /** The same executors; what they get done is counted. */
  counting(executors: Executors): Executors {
    const wrapped = Object.entries(COUNTED).map(([task, count]) => {
      const execute = executors[task as TaskName] as (...of: unknown[]) => Promise<unknown>;
      const counted = async (work: unknown, context: { resource: string }): Promise<unknown> => {
        const result = await execute(work, context);
        this.#entry(context.resource).counts[count] += 1;
        return result;
      };
      return [task, counted] as const;
    });
    return { ...executors, ...(Object.fromEntries(wrapped) as Partial<Executors>) };
  }

  /** A VM has come to this state. */
  turned(state: State): void {
    const entry = this.#entry(state.resource);
    this.#settle(entry);
    entry.since_ms = isUnprotected(state) ? this.#clock.now_ms() : null;
  }

  of(resource: string): VmTally {
    const entry = this.#entry(resource);
    this.#settle(entry);
    return { ...entry.counts, unprotected_ms: entry.unprotected_ms };
  }

  #settle(entry: Entry): void {
    if (entry.since_ms === null) return;
    const now_ms = this.#clock.now_ms();
    entry.unprotected_ms += now_ms - entry.since_ms;
    entry.since_ms = now_ms;
  }

  #entry(resource: string): Entry {
    const known = this.#entries.get(resource);
    if (known !== undefined) return known;
    const counts = Object.fromEntries(Object.values(COUNTED).map((name) => [name, 0]));
    const entry: Entry = {
      counts: counts as Record<CountName, number>,
      unprotected_ms: 0,
      since_ms: null,
    };
    this.#entries.set(resource, entry);
    return entry;
  }
}

/** Runs here, and a failover would be a restart, which nobody has asked for. */
export function isUnprotected({ phase, config }: State): boolean {
  if (restarts(config)) return false;
  if (phase.kind === 'adopting') return true;
  return phase.kind === 'primary' && phase.protection.kind !== 'protected';
}
