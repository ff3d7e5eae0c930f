/**
 * 4. From the last byte of a checkpoint to its acknowledgement, against the round trip of the link: a TLS message of the checkpoint's
 * size and its answer, and one of 13 bytes, between processes that do nothing else.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../../support/median.js';
import { Lane, present } from '../contestants.js';
import { type Context, type Item, type ItemResult, met } from '../item.js';
import { Ping } from '../ping.js';
import { Xl } from '../xl.js';

const MIB = 1024 * 1024;
const SMALL_BYTES = 13;
const SIZES_MIB = [0.25, 1, 4];
const TURNS_A_RUN = 10;
const GAP_MS = 30;

interface Sample {
  readonly mib: number;
  /** The sender's own clock: the last byte read from xl's pipe, to the acknowledgement. */
  readonly ack_ms: number;
  readonly rtt_ms: number;
  readonly small_rtt_ms: number;
}

async function measure(lane: Lane, ping: Ping, mib: number): Promise<Sample> {
  await sleep(GAP_MS);
  const small_rtt_ms = await ping.roundTrip(SMALL_BYTES);
  const rtt_ms = await ping.roundTrip(mib * MIB);
  await sleep(GAP_MS);
  await lane.arrived(await lane.checkpoint(mib));
  const ack_ms = lane.way.pair?.sender.stats.last_ack_ms ?? NaN;
  return { mib, ack_ms, rtt_ms, small_rtt_ms };
}

async function run(context: Context): Promise<ItemResult> {
  const { contestants, place, runs, tiny, say } = context;
  const [ours] = present([contestants.ours({ name: 'ours' })], context.lacks);
  if (ours === undefined) return result([]);
  const xl = new Xl(place);
  const ping = await Ping.start(place);
  const lane = await Lane.open(place, xl, ours);
  await lane.arrived(await lane.first(8));
  const samples: Sample[] = [];
  const warm_up = tiny ? 1 : 5;
  for (const mib of tiny ? [1] : SIZES_MIB) {
    const turns = tiny ? 1 : runs * TURNS_A_RUN;
    for (let turn = 0; turn < warm_up + turns; turn += 1) {
      const sample = await measure(lane, ping, mib);
      if (turn >= warm_up) samples.push(sample);
    }
    const of_size = samples.filter((sample) => sample.mib === mib);
    say(`${mib} MiB: acknowledged after ${ms(median(of_size.map(({ ack_ms }) => ack_ms)))} ms`);
  }
  await lane.close();
  await ping.close();
  await xl.close();
  return result(samples);
}

function ms(value: number | null): string {
  return value?.toFixed(2) ?? '-';
}

function result(samples: readonly Sample[]): ItemResult {
  const middle = (of: readonly Sample[], pick: (sample: Sample) => number): number | null =>
    median(of.map(pick));
  const ack_minus_rtt_ms = middle(samples, (one) => one.ack_ms - one.rtt_ms);
  const ack_minus_small_rtt_ms = middle(samples, (one) => one.ack_ms - one.small_rtt_ms);
  const sizes = [...new Set(samples.map(({ mib }) => mib))];
  const rows = sizes.map((mib) => {
    const of = samples.filter((sample) => sample.mib === mib);
    const ack = ms(middle(of, (one) => one.ack_ms));
    const rtt = ms(middle(of, (one) => one.rtt_ms));
    const small = ms(middle(of, (one) => one.small_rtt_ms));
    const value = `acknowledged after ${ack} ms; round trip of ${mib} MiB ${rtt} ms, of 13 bytes ${small} ms`;
    return { what: `${mib} MiB`, value };
  });
  const goals = Object.entries({ ack_minus_rtt_ms, ack_minus_small_rtt_ms }).map(
    ([name, value]) => ({ what: name, value: ms(value), met: met(name, value) }),
  );
  return {
    numbers: { ack_minus_rtt_ms, ack_minus_small_rtt_ms },
    rows: [...rows, ...goals],
    raw: samples,
  };
}

export const ack: Item = {
  name: 'ack',
  title: 'from the last byte of a checkpoint to its acknowledgement',
  run,
};
