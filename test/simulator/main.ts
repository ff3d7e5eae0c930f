#!/usr/bin/env node
/** `npm run simulate -- --seeds 1000 [--seed N] [--trace] [--nodes 2|3] [--jobs N] [--mutations]` */
import { parseArgs } from 'node:util';
import { run } from './run.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    nodes: { type: 'string', default: '2' },
    trace: { type: 'boolean', default: false },
  },
});
const nodes = values.nodes === '3' ? 3 : 2;
const first = Number(values.seed ?? 1);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const began = performance.now();
let events = 0;
let bad = 0;
for (let seed = first; seed < first + count; seed += 1) {
  const outcome = await run({ seed, nodes, trace: values.trace });
  events += outcome.events;
  if (values.trace) console.log(outcome.trace.join('\n'));
  if (outcome.violation !== null) {
    console.log(`seed ${seed}: ${outcome.violation}`);
    bad += 1;
  }
  if (count === 1)
    console.log(outcome.activations, outcome.boots, outcome.well_after_ms, outcome.events);
}
console.log(
  `${count} seeds, ${bad} bad, ${Math.round(performance.now() - began)} ms, ${events} events`,
);
