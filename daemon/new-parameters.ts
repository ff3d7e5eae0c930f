/**
 * Parameters that are changed while the VM is started. A wrong one is no reason to stop it: Pacemaker recovers a resource whose
 * reload fails, and a "not configured" (6) of any action stops it on every node (asked of crm_simulate). So what cannot be
 * taken is told by each monitor, and what was set before stays.
 */
import { type Params, validateParameters } from '../agent/parameters.js';
import type { ControlAnswer } from './adapters/control-protocol.js';
import { OCF } from './core/ocf.js';
import type { VmConfig } from './core/state.js';
import type { Clock } from './ports.js';
import { reloadable } from './vm-config.js';

type Raw = Readonly<Record<string, string>>;

export interface NewParameters {
  /** What is to be in force from now on; null: nothing is new, or nothing of it can be. */
  readonly config: VmConfig | null;
  /** What is wrong with them, as a sentence; null: nothing. */
  readonly problem: string | null;
}

/**
 * What has come with a monitor, also what no reload has brought, for remusd was down then.
 * @param current null: the VM is not started here
 */
export function newParameters(current: VmConfig | null, raw: Raw): NewParameters {
  if (Object.keys(raw).length === 0) return { config: null, problem: null };
  const checked = validateParameters(raw);
  if (!checked.ok) return { config: null, problem: notTaken(checked.problems.join('; ')) };
  const config = current === null || !differs(current, checked.params) ? null : current;
  return { config: config && { ...config, ...reloadable(checked.params) }, problem: null };
}

/** So long after a reload Pacemaker may still run a recurring monitor that it has begun with the parameters of before. */
const OLD_MONITORS_MS = 60_000;

/** What a reload has replaced: a monitor that brings just that brings nothing new (seen on Pacemaker 2.1.5, two seconds after it). */
export class Superseded {
  readonly #clock: Pick<Clock, 'now_ms'>;
  readonly #before = new Map<string, { readonly text: string; readonly until_ms: number }>();

  constructor(clock: Pick<Clock, 'now_ms'>) {
    this.#clock = clock;
  }

  /** A reload is about to put `after` in the place of `before`. */
  reloaded(resource: string, before: VmConfig | null, after: VmConfig): void {
    if (before === null || textOf(before) === textOf(after)) return;
    const until_ms = this.#clock.now_ms() + OLD_MONITORS_MS;
    this.#before.set(resource, { text: textOf(before), until_ms });
  }

  has(resource: string, config: VmConfig): boolean {
    const before = this.#before.get(resource);
    return before?.text === textOf(config) && this.#clock.now_ms() < before.until_ms;
  }
}

function textOf(config: VmConfig): string {
  const { mode, interval_ms, shutdown_timeout_ms, replication_timeout_ms } = config;
  const { compression, netbuf, on_no_replica } = config;
  const timeouts = { interval_ms, shutdown_timeout_ms, replication_timeout_ms };
  return JSON.stringify({ mode, ...timeouts, compression, netbuf, on_no_replica });
}

export function notTaken(problem: string): string {
  return `${problem}; what was set before stays`;
}

/** A monitor's answer, with what the operator is to know of the parameters that came with it. */
export function withProblem(answer: ControlAnswer, problem: string | null): ControlAnswer {
  const degraded = DEGRADED.get(answer.rc);
  return degraded === undefined || problem === null
    ? answer
    : { ...answer, rc: degraded, reason: problem };
}

const DEGRADED: ReadonlyMap<number, number> = new Map([
  [OCF.SUCCESS, OCF.DEGRADED],
  [OCF.RUNNING_PROMOTED, OCF.DEGRADED_PROMOTED],
]);

function differs(config: VmConfig, params: Params): boolean {
  return Object.entries(reloadable(params)).some(
    ([key, value]) => config[key as keyof VmConfig] !== value,
  );
}
