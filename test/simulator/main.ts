#!/usr/bin/env node
/**
 * npm run simulate -- [--seeds 1000] [--first 1] [--nodes 2|3] [--jobs 1]   many lives of a cluster
 * npm run simulate -- --seed N [--trace] [--nodes 2|3] [--mutation NAME]    one of them
 * ... --scene NAME                                                          with what test/simulator/scenes.ts plays in it
 * ... --mode remus|restart                                                  only VMs of this mode, not by chance
 * npm run simulate -- --mutations [--seeds 2000]                           is each planted bug found?
 *
 * Exit code 1: a promise was broken, or a planted bug was not found.
 */
import { toolOptions } from '../support/tool-options.js';
import { runMany } from './many.js';
import { MUTATIONS } from './mutations/all.js';
import { hunt } from './mutations/hunt.js';
import type { Mutation } from './mutations/mutation.js';
import { run } from './run.js';
import { SCENES, type SceneName } from './scenes.js';
import type { Tally } from './tally.js';

const TRACE_LINES = 250;

const values = toolOptions(import.meta.url, {
  seeds: { type: 'string' },
  seed: { type: 'string' },
  first: { type: 'string' },
  nodes: { type: 'string', default: '2' },
  jobs: { type: 'string', default: '1' },
  mutation: { type: 'string' },
  mutations: { type: 'boolean', default: false },
  trace: { type: 'boolean', default: false },
  scene: { type: 'string' },
  mode: { type: 'string' },
});

const nodes = values.nodes === '3' ? 3 : 2;
const first = Number(values.first ?? 1);
const scene = sceneNamed(values.scene);
const mode = modeNamed(values.mode);
const chosen = mutationNamed(values.mutation);

function wrong(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}

/** @returns null when none is asked for */
function mutationNamed(name: string | undefined): Mutation | null {
  const found = MUTATIONS.find((one) => one.name === name);
  if (name === undefined || found !== undefined) return found ?? null;
  wrong(
    `no planted bug is called ${name}; there are ${MUTATIONS.map((one) => one.name).join(', ')}`,
  );
}

function sceneNamed(name: string | undefined): SceneName | undefined {
  const found = (Object.keys(SCENES) as SceneName[]).find((one) => one === name);
  if (name === undefined || found !== undefined) return found;
  wrong(`no scene is called ${name}; there are ${Object.keys(SCENES).join(', ')}`);
}

function modeNamed(name: string | undefined): 'remus' | 'restart' | undefined {
  if (name === undefined || name === 'remus' || name === 'restart') return name;
  wrong(`--mode ${name}: remus or restart`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function one(seed: number, whole: boolean): Promise<boolean> {
  const outcome = await run({ seed, nodes, scene, mode, trace: true }, chosen);
  if (whole || outcome.violation !== null)
    say(outcome.trace.slice(whole ? 0 : -TRACE_LINES).join('\n'));
  const { activations, boots, well_after_ms, violation } = outcome;
  say(
    violation ??
      `seed ${seed}: all is well ${well_after_ms} ms after the last fault; ${activations} activations, ${boots} cold starts`,
  );
  return violation === null;
}

async function many(): Promise<boolean> {
  const began_ms = performance.now();
  let told = 0;
  const tally = await runMany({
    ...{
      first,
      nodes,
      scene,
      mode,
      jobs: Number(values.jobs),
      count: Number(values.seeds ?? 1000),
    },
    progress: (so_far) => {
      for (const { seed, violation } of so_far.bad.slice(told)) say(`seed ${seed}: ${violation}`);
      told = so_far.bad.length;
      if (so_far.seeds % 5_000 < 50) say(`  ${so_far.seeds} seeds, ${told} bad`);
    },
  });
  say(summary(tally, performance.now() - began_ms));
  const [bad] = [...tally.bad].sort((a, b) => a.seed - b.seed);
  if (bad === undefined) return true;
  await one(bad.seed, false);
  say(
    `again: npm run simulate -- --nodes ${nodes} --seed ${bad.seed} --trace${typed('scene', scene)}${typed('mode', mode)}`,
  );
  return false;
}

function typed(option: string, value: string | undefined): string {
  return value === undefined ? '' : ` --${option} ${value}`;
}

function summary(tally: Tally, ms: number): string {
  const well = [...tally.well_after_ms].sort((a, b) => a - b);
  const at = (share: number): string =>
    ((well[Math.floor(share * (well.length - 1))] ?? 0) / 1000).toFixed(0);
  return [
    `${tally.seeds} seeds on ${nodes} nodes, ${tally.bad.length} bad, in ${(ms / 1000).toFixed(0)} s (${(ms / tally.seeds).toFixed(1)} ms a seed)`,
    `simulated ${(tally.simulated_ms / 3_600_000).toFixed(1)} hours, ${tally.events} events: ${tally.activations} activations, ${tally.boots} cold starts`,
    `protected again after the last fault: median ${at(0.5)} s, 99 % ${at(0.99)} s, longest ${at(1)} s`,
  ].join('\n');
}

async function mutations(): Promise<boolean> {
  let all = true;
  for (const mutation of chosen === null ? MUTATIONS : [chosen]) {
    const found = await hunt(
      mutation,
      nodes,
      values.first === undefined ? (beginning(mutation) ?? 1) : first,
      Number(values.seeds ?? 2_000),
    );
    const result =
      found === null
        ? 'NOT FOUND'
        : `after ${found.after} (seed ${found.seed}): ${found.violation}`;
    say(`${mutation.name.padEnd(26)} ${result}`);
    all &&= found !== null;
  }
  return all;
}

function beginning({ first: of_two, first_of_three }: Mutation): number | undefined {
  return nodes === 3 ? first_of_three : of_two;
}

const well = values.mutations
  ? await mutations()
  : values.seed === undefined
    ? await many()
    : await one(Number(values.seed), values.trace);
process.exitCode = well ? 0 : 1;
