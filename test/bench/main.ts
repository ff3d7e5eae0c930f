/**
 * npm run bench -- [--only NAME[,NAME]] [--runs N] [--json]
 *
 * Measures the data path: the product's sender and receiver between a fake xl and a sink, on the loopback, against ssh, socat with
 * TLS, plain TCP and cat >/dev/null, in turns. See test/bench/README.md for what each number means.
 *
 *   --only NAME          drain, throughput, wire, ack, vms, rate, monitor; several with commas
 *   --runs N             repetitions, 5
 *   --json               one JSON object on stdout, every single measurement in it
 *   --compression MODE   for the product's sender, when it has that option
 *   --profile DIR        CPU profiles of senders and receivers into DIR (for Chromium's DevTools or speedscope)
 *   --tiny               only to see that the bench works
 *
 * Progress is on stderr. Installs nothing: what is missing is said, with what to type.
 */
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { toolOptions } from '../support/tool-options.js';
import { Contestants } from './contestants.js';
import type { Context, Item } from './item.js';
import { ack } from './items/ack.js';
import { drain } from './items/drain.js';
import { many } from './items/many.js';
import { monitor } from './items/monitor.js';
import { rate } from './items/rate.js';
import { throughput } from './items/throughput.js';
import { wire } from './items/wire.js';
import { knowsCompression } from './ours.js';
import { Place } from './place.js';
import { type Machine, type Measured, object, table } from './report.js';

const EXIT = { done: 0, failed: 1, wrong: 2, interrupted: 130 } as const;
const ITEMS: readonly Item[] = [drain, throughput, wire, ack, many, rate, monitor];
const RUNS_MAX = 100;

const values = toolOptions(import.meta.url, {
  only: { type: 'string' },
  runs: { type: 'string', default: '5' },
  json: { type: 'boolean', default: false },
  tiny: { type: 'boolean', default: false },
  compression: { type: 'string' },
  profile: { type: 'string' },
});

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function wrong(why: string): never {
  say(why);
  process.exit(EXIT.wrong);
}

function chosen(): readonly Item[] {
  const names = values.only?.split(',') ?? ITEMS.map(({ name }) => name);
  const unknown = names.find((name) => !ITEMS.some((item) => item.name === name));
  const known = ITEMS.map(({ name }) => name).join(', ');
  if (unknown !== undefined) wrong(`--only ${unknown}: there are ${known}`);
  return ITEMS.filter(({ name }) => names.includes(name));
}

function repetitions(): number {
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1 || runs > RUNS_MAX) {
    wrong(`--runs ${values.runs}: a number from 1 to ${RUNS_MAX}`);
  }
  return runs;
}

function compression(): string | null {
  const mode = values.compression ?? null;
  if (mode !== null && !knowsCompression()) {
    wrong(`--compression ${mode}: this sender does not have that option`);
  }
  return mode;
}

function machine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? '?',
    kernel: release(),
    node: process.version,
    load: loadavg()[0] ?? 0,
  };
}

async function main(): Promise<number> {
  const items = chosen();
  const runs = repetitions();
  const mode = compression();
  const here = machine();
  const place = new Place();
  const profile_dir = values.profile ?? null;
  const missing = new Set<string>();
  const lacks = (why: string): void => {
    if (!missing.has(why)) say(`not all is measured: ${why}`);
    missing.add(why);
  };
  const contestants = new Contestants(place, mode, profile_dir);
  const context: Context = {
    ...{ place, contestants, runs, profile_dir, lacks },
    tiny: values.tiny,
    say: (line) => say(`  ${line}`),
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      void place.cleanup.run(say).finally(() => process.exit(EXIT.interrupted));
    });
  }
  const measured: Measured[] = [];
  try {
    for (const item of items) {
      say(`${item.name}: ${item.title}`);
      measured.push({ item, result: await item.run(context) });
    }
  } finally {
    await place.cleanup.run(say);
  }
  const report = { machine: here, runs, tiny: values.tiny, measured, missing: [...missing] };
  process.stdout.write(values.json ? `${JSON.stringify(object(report))}\n` : table(report));
  return EXIT.done;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = EXIT.failed;
}
