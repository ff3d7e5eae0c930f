/**
 * 6. The highest rate of acknowledged checkpoints. xl begins the next one when the guest has run for 2 ms, which is less than any xl takes to
 * resume and suspend it; `flat-out`: at once, then the next one has begun before the pipe can be made narrow, and is not blocked.
 */
import { median } from '../../support/median.js';
import { now_ms } from '../clock.js';
import { Lane, present, rotated } from '../contestants.js';
import { type Context, type Item, type ItemResult, met } from '../item.js';
import { Xl } from '../xl.js';

const SIZES_MIB = [1, 4];
const MANY = 1_000_000;
const GAP_MS = 2;

interface Racer {
  readonly lane: Lane;
  readonly name: string;
  readonly gap_ms: number;
}

interface Sample {
  readonly run: number;
  readonly name: string;
  readonly mib: number;
  readonly per_s: number;
  /** Share of the checkpoints that output was blocked for: of one that came before the pipe was narrow, it is not. */
  readonly blocked: number;
}

async function measure(
  { lane, name, gap_ms }: Racer,
  mib: number,
  run: number,
  for_ms: number,
): Promise<Sample> {
  const { pair } = lane.way;
  const blocks = pair?.blocks ?? 0;
  const written = await lane.burst(mib, MANY, for_ms, gap_ms);
  await lane.acked();
  const per_s = (written.count * 1000) / (now_ms() - written.begun_ms);
  const blocked = ((pair?.blocks ?? 0) - blocks) / written.count;
  await lane.arrived(written);
  return { run, name, mib, per_s, blocked };
}

async function run(context: Context): Promise<ItemResult> {
  const { contestants, place, runs, tiny, say } = context;
  const all = present(
    [
      contestants.ours({ name: 'ours' }),
      contestants.ours({ name: 'ours-netbuf-off', hold: false }),
    ],
    context.lacks,
  );
  const xl = new Xl(place);
  const lanes: Lane[] = [];
  for (const contestant of all) lanes.push(await Lane.open(place, xl, contestant));
  for (const lane of lanes) await lane.arrived(await lane.first(8));
  const racers = lanes.flatMap((lane) => [
    { lane, name: lane.name, gap_ms: GAP_MS },
    { lane, name: `${lane.name}, flat-out`, gap_ms: 0 },
  ]);
  const samples: Sample[] = [];
  for (let turn = 0; turn <= runs; turn += 1) {
    for (const mib of SIZES_MIB) {
      for (const racer of rotated(racers, turn)) {
        const sample = await measure(racer, mib, turn, tiny ? 100 : 2000);
        if (turn > 0) samples.push(sample);
        const held = `output blocked for ${(sample.blocked * 100).toFixed(0)} %`;
        const when = turn === 0 ? 'warm-up' : `run ${turn}`;
        say(`${when}, ${mib} MiB, ${sample.name}: ${sample.per_s.toFixed(0)}/s, ${held}`);
      }
    }
  }
  for (const lane of lanes) await lane.close();
  await xl.close();
  return result(samples);
}

function result(samples: readonly Sample[]): ItemResult {
  const of = (name: string, mib: number): readonly Sample[] =>
    samples.filter((sample) => sample.name === name && sample.mib === mib);
  const rate = (name: string, mib: number): number | null =>
    median(of(name, mib).map(({ per_s }) => per_s));
  const numbers = {
    checkpoints_per_s_1MB: rate('ours', 1),
    checkpoints_per_s_4MB: rate('ours', 4),
  };
  const names = [...new Set(samples.map(({ name }) => name))];
  const rows = names.flatMap((name) =>
    SIZES_MIB.map((mib) => {
      const blocked = median(of(name, mib).map((sample) => sample.blocked)) ?? 0;
      const held = `output blocked for ${(blocked * 100).toFixed(0)} % of them`;
      return {
        what: `${name}, ${mib} MiB`,
        value: `${rate(name, mib)?.toFixed(0) ?? '-'}/s, ${held}`,
      };
    }),
  );
  const value = numbers.checkpoints_per_s_4MB;
  const goal = {
    what: 'checkpoints_per_s_4MB',
    value: value?.toFixed(0) ?? '-',
    met: met('checkpoints_per_s_4MB', value),
  };
  return { numbers, rows: [...rows, goal], raw: samples };
}

export const rate: Item = {
  name: 'rate',
  title: 'the highest rate of acknowledged checkpoints',
  run,
};
