#!/usr/bin/env node
/**
 * npm run fuzz -- --target NAME|all [--minutes 1] [--inputs N] [--seed 1] [--out DIR] [--findings 5]
 * npm run fuzz -- --target NAME --replay FILE ...    inputs that were kept, one after another
 *
 * Targets: stream frames packed dump      in this process
 *          hello receiver control         a real receiver, over TLS and its control socket
 *          tls-before tls-after agent-socket   a real remusd, alone in a cluster of stub programs
 *
 * Exit code 1: something was found; the inputs are in --out.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolOptions } from '../support/tool-options.js';
import { attempt, fuzz } from './run.js';
import type { Target } from './target.js';
import { makeTarget, TARGETS } from './targets/all.js';

const values = toolOptions(import.meta.url, {
  target: { type: 'string', default: 'all' },
  minutes: { type: 'string', default: '1' },
  inputs: { type: 'string', default: 'Infinity' },
  seed: { type: 'string', default: '1' },
  out: { type: 'string', default: join(tmpdir(), 'remus-fuzz') },
  findings: { type: 'string', default: '5' },
  replay: { type: 'string', multiple: true },
});

const OUTCOMES_SHOWN = 40;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

function say(text: string): void {
  process.stdout.write(text);
}

async function replay(target: Target, files: readonly string[]): Promise<boolean> {
  let well = true;
  await target.open();
  try {
    for (const file of files) {
      const outcome = await attempt(target, readFileSync(file));
      say(`${outcome instanceof Error ? (outcome.stack ?? outcome.message) : outcome}\n`);
      well &&= typeof outcome === 'string';
    }
    return well;
  } finally {
    await target.close();
  }
}

async function long(name: string): Promise<boolean> {
  const { inputs, findings, outcomes } = await fuzz(makeTarget(name), {
    name,
    seed: Number(values.seed),
    inputs: Number(values.inputs),
    minutes: Number(values.minutes),
    out: values.out,
    findings_max: Number(values.findings),
    say,
    stop: stop.signal,
  });
  const sorted = [...outcomes].sort(([, a], [, b]) => b - a);
  for (const [outcome, count] of sorted.slice(0, OUTCOMES_SHOWN))
    say(`${String(count).padStart(9)}  ${outcome}\n`);
  say(
    `${name}: ${inputs} inputs, ${findings.length} findings, ${outcomes.size} different outcomes\n`,
  );
  return findings.length === 0;
}

async function main(): Promise<boolean> {
  const names = values.target === 'all' ? TARGETS : [values.target];
  const unknown = names.find((name) => !TARGETS.includes(name));
  if (unknown !== undefined) {
    say(`there is no target ${unknown}: ${TARGETS.join(' ')}\n`);
    return false;
  }
  if (values.replay !== undefined) return replay(makeTarget(values.target), values.replay);
  let well = true;
  for (const name of names) if (!stop.signal.aborted) well = (await long(name)) && well;
  return well;
}

process.exitCode = (await main()) ? 0 : 1;
