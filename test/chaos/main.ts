/**
 * npm run chaos -- [--minutes 20] [--seed N] [--nodes 2|3] [--round N]   rounds of faults from a seed; one of them
 * npm run chaos -- --schedule FILE [--times N]                           the rounds of a file
 * npm run chaos -- --seed N --rounds N --print                           only the schedule, as such a file
 *
 * Needs root, as the cluster tests do. Exit code 1: a promise was broken.
 */
import { readFileSync } from 'node:fs';
import { Lab } from '../cluster/lab/lab.js';
import { toolOptions } from '../support/tool-options.js';
import { roundOf } from './generate.js';
import { summary } from './report.js';
import type { RoundResult } from './round.js';
import { runChaos } from './run.js';
import { type Round, parseSchedule, scheduleText } from './schedule.js';

const EXIT = { kept: 0, broken: 1, interrupted: 130 } as const;

const values = toolOptions(import.meta.url, {
  minutes: { type: 'string', default: '20' },
  seed: { type: 'string', default: '1' },
  nodes: { type: 'string', default: '2' },
  round: { type: 'string' },
  rounds: { type: 'string' },
  schedule: { type: 'string' },
  times: { type: 'string', default: '1' },
  print: { type: 'boolean', default: false },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Without an end: the minutes end them. */
function* fromSeed(seed: number, count: number): Generator<Round> {
  for (let number = 1; number <= count; number += 1) yield roundOf(seed, number);
}

function* repeated(rounds: readonly Round[], times: number): Generator<Round> {
  for (let left = times; left > 0; left -= 1) yield* rounds;
}

interface Plan {
  readonly nodes: 2 | 3;
  readonly seed: number | null;
  readonly rounds: Iterable<Round>;
}

function plan(): Plan {
  if (values.schedule !== undefined) {
    const { seed, nodes, rounds } = parseSchedule(readFileSync(values.schedule, 'utf8'));
    return { seed, nodes, rounds: repeated(rounds, Number(values.times)) };
  }
  const seed = Number(values.seed);
  const nodes = values.nodes === '3' ? 3 : 2;
  const rounds =
    values.round === undefined
      ? fromSeed(seed, Number(values.rounds ?? Infinity))
      : [roundOf(seed, Number(values.round))];
  return { seed, nodes, rounds };
}

async function main(): Promise<number> {
  const { seed, nodes, rounds } = plan();
  if (values.print) {
    say(scheduleText({ seed, nodes, rounds: [...rounds] }).trimEnd());
    return EXIT.kept;
  }
  const lab = new Lab();
  if (lab.nodes().length > 0) throw new Error('a lab is up already: test/cluster/lab/lab down');
  say(`chaos on ${nodes} nodes, seed ${seed ?? 'by hand'}`);
  const began_ms = Date.now();
  const results: RoundResult[] = [];
  const tellAll = (): void => say(summary(results, Date.now() - began_ms));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      tellAll();
      void lab.down().finally(() => process.exit(EXIT.interrupted));
    });
  }
  const ended = (result: RoundResult): void => void results.push(result);
  await runChaos({ nodes, seed, rounds, minutes: Number(values.minutes), say, lab, ended });
  tellAll();
  return results.every(({ violations }) => violations.length === 0) ? EXIT.kept : EXIT.broken;
}

process.exitCode = await main();
