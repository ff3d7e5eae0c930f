/** 1. What the guest feels: the time that a checkpoint takes out of xl's pipe, from its first byte until the guest would run again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../../support/median.js';
import { type Contestant, Lane, present, rotated } from '../contestants.js';
import { type Context, type Item, type ItemResult, type Row, met } from '../item.js';
import { Xl } from '../xl.js';

/** As long as xl's interval may be at the least: by then the sender has made the pipe narrow again. */
const GAP_MS = 30;

interface Sample {
  readonly run: number;
  readonly mib: number;
  /** Milliseconds, by contestant. */
  readonly suspended_ms: Readonly<Record<string, number>>;
}

function ratios(samples: readonly Sample[], other: string): number[] {
  return samples.flatMap(({ suspended_ms }) => {
    const [a, b] = [suspended_ms['ours'], suspended_ms[other]];
    return a === undefined || b === undefined ? [] : [a / b];
  });
}

async function measure(lanes: readonly Lane[], context: Context): Promise<Sample[]> {
  const sizes = context.tiny ? [1] : [1, 10, 100];
  for (const lane of lanes) await lane.arrived(await lane.first(16));
  const samples: Sample[] = [];
  // The first round warms up: caches, code, TCP's windows.
  for (let run = 0; run <= context.runs; run += 1) {
    for (const mib of sizes) {
      const suspended_ms: Record<string, number> = {};
      for (const lane of rotated(lanes, run)) {
        await sleep(GAP_MS);
        const written = await lane.checkpoint(mib);
        await lane.arrived(written);
        suspended_ms[lane.name] = written.resumed_ms - written.begun_ms;
      }
      if (run > 0) samples.push({ run, mib, suspended_ms });
      context.say(`${run === 0 ? 'warm-up' : `run ${run}`}, ${mib} MiB: ${figures(suspended_ms)}`);
    }
  }
  return samples;
}

export function figures(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value.toFixed(1)}`)
    .join('  ');
}

function rows(samples: readonly Sample[], names: readonly string[]): Row[] {
  const sizes = [...new Set(samples.map(({ mib }) => mib))];
  return sizes.map((mib) => {
    const of_size = samples.filter((sample) => sample.mib === mib);
    const medians = names.map((name) => {
      const ms = median(of_size.flatMap((sample) => sample.suspended_ms[name] ?? []));
      return `${name} ${ms?.toFixed(1) ?? '-'}`;
    });
    const floor = median(ratios(of_size, 'floor'))?.toFixed(2) ?? '-';
    const ssh = median(ratios(of_size, 'ssh'))?.toFixed(2) ?? '-';
    return { what: `${mib} MiB`, value: `ms: ${medians.join(', ')}; /floor ${floor}, /ssh ${ssh}` };
  });
}

async function run(context: Context): Promise<ItemResult> {
  const { contestants, place } = context;
  const all: Contestant[] = [
    contestants.floor(),
    contestants.ours({ name: 'ours' }),
    contestants.ours({ name: 'ours-netbuf-off', hold: false }),
    contestants.ssh('ssh', []),
    contestants.socat('socat-tls', true),
  ];
  const xl = new Xl(place);
  const lanes: Lane[] = [];
  for (const contestant of present(all, context.lacks)) {
    lanes.push(await Lane.open(place, xl, contestant));
  }
  const samples = await measure(lanes, context);
  for (const lane of lanes) await lane.close();
  await xl.close();
  const numbers = {
    drain_vs_floor: median(ratios(samples, 'floor')),
    drain_vs_ssh: median(ratios(samples, 'ssh')),
  };
  const goals = Object.entries(numbers).map(([name, value]) => ({
    what: name,
    value: value?.toFixed(2) ?? '-',
    met: met(name, value),
  }));
  const names = lanes.map(({ name }) => name);
  return { numbers, rows: [...rows(samples, names), ...goals], raw: samples };
}

export const drain: Item = {
  name: 'drain',
  title: "a checkpoint out of xl's pipe: what the guest feels",
  run,
};
