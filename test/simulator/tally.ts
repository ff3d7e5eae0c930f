/** The sum of many runs. */
import type { Outcome } from './run.js';
import type { SceneName } from './scenes.js';

/** Which seeds a thread runs: `count` of them, from `first` on, every `step`th. */
export interface Share {
  readonly first: number;
  readonly step: number;
  readonly count: number;
  readonly nodes: 2 | 3;
  readonly scene?: SceneName | undefined;
  readonly mode?: 'remus' | 'restart' | undefined;
}

export interface Tally {
  readonly seeds: number;
  readonly events: number;
  readonly simulated_ms: number;
  readonly activations: number;
  readonly boots: number;
  readonly well_after_ms: readonly number[];
  readonly bad: readonly { readonly seed: number; readonly violation: string }[];
}

export function Tally(): Tally {
  return {
    ...{ seeds: 0, events: 0, simulated_ms: 0, activations: 0, boots: 0 },
    ...{ well_after_ms: [], bad: [] },
  };
}

export function add(tally: Tally, one: Outcome): Tally {
  const { seed, violation } = one;
  return {
    seeds: tally.seeds + 1,
    events: tally.events + one.events,
    simulated_ms: tally.simulated_ms + one.simulated_ms,
    activations: tally.activations + one.activations,
    boots: tally.boots + one.boots,
    well_after_ms: [...tally.well_after_ms, one.well_after_ms],
    bad: violation === null ? tally.bad : [...tally.bad, { seed, violation }],
  };
}

export function sum(a: Tally, b: Tally): Tally {
  return {
    seeds: a.seeds + b.seeds,
    events: a.events + b.events,
    simulated_ms: a.simulated_ms + b.simulated_ms,
    activations: a.activations + b.activations,
    boots: a.boots + b.boots,
    well_after_ms: a.well_after_ms.concat(b.well_after_ms),
    bad: [...a.bad, ...b.bad],
  };
}
