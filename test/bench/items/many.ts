/** 5. Memory and CPU a VM, for 1, 10 and 100 replicating VMs: the sender and the receiver with their helpers, not xl. */
import { setTimeout as sleep } from 'node:timers/promises';
import { availableParallelism } from 'node:os';
import { now_ms } from '../clock.js';
import { type Contestant, Lane, present } from '../contestants.js';
import type { Context, Item, ItemResult } from '../item.js';
import { availableMemory, costOf } from '../procfs.js';
import { Xl } from '../xl.js';

const MIB = 1024 * 1024;
const FIRST_MIB = 8;
const CHECKPOINT_MIB = 1;
/** xl's own default. */
const INTERVAL_MS = 200;
const LONGEST_INTERVAL_MS = 5000;
/** The rest is for xl, the guests and whoever else is on the machine. */
const CPU_SHARE = 0.4;
const MEMORY_SHARE = 0.5;

interface Level {
  readonly vms: number;
  readonly interval_ms: number;
  readonly checkpoints: number;
  /** A VM, both ends together. */
  readonly rss_mib: number;
  readonly pss_mib: number;
  /** CPU milliseconds a checkpoint of 1 MiB, and a second without any. */
  readonly cpu_ms_per_checkpoint: number;
  readonly idle_cpu_ms_per_s: number;
  /** Of one core, a VM. */
  readonly cpu_percent: number;
}

interface Skipped {
  readonly vms: number;
  readonly skipped: string;
}

interface Total {
  rss: number;
  pss: number;
  cpu_ms: number;
}

function total(lanes: readonly Lane[]): Total {
  const sum: Total = { rss: 0, pss: 0, cpu_ms: 0 };
  for (const cost of lanes.flatMap((lane) => lane.pids()).map(costOf)) {
    sum.rss += cost.rss_bytes;
    sum.pss += cost.pss_bytes;
    sum.cpu_ms += cost.cpu_ms;
  }
  return sum;
}

async function level(
  context: Context,
  contestant: Contestant,
  vms: number,
  interval_ms: number,
): Promise<Level> {
  const { place, say, tiny } = context;
  const xl = new Xl(place);
  const lanes: Lane[] = [];
  for (let vm = 0; vm < vms; vm += 1) {
    const lane = await Lane.open(place, xl, contestant);
    await lane.first(FIRST_MIB);
    lanes.push(lane);
    if (vm % 10 === 9) say(`${vm + 1} of ${vms} pairs are up`);
  }
  for (const lane of lanes) await lane.acked();
  const rest_ms = tiny ? 200 : 3000;
  await sleep(rest_ms);
  const idle = total(lanes);
  await sleep(rest_ms);
  const before = total(lanes);
  const lines = lanes.map(({ line }) => line);
  const count = tiny ? 2 : Math.max(5, Math.round(10_000 / interval_ms));
  const order = { op: 'burst', lines, mib: CHECKPOINT_MIB, count, for_ms: 120_000 } as const;
  const begun_ms = now_ms();
  const written = await xl.obey({ ...order, interval_ms, gap_ms: 0 });
  const took_ms = now_ms() - begun_ms;
  const after = total(lanes);
  for (const lane of lanes) await lane.close();
  await xl.close();
  const cpu_ms = after.cpu_ms - before.cpu_ms;
  return {
    vms,
    interval_ms,
    checkpoints: written.count,
    rss_mib: after.rss / vms / MIB,
    pss_mib: after.pss / vms / MIB,
    cpu_ms_per_checkpoint: cpu_ms / written.count,
    idle_cpu_ms_per_s: ((before.cpu_ms - idle.cpu_ms) * 1000) / rest_ms / vms,
    cpu_percent: (cpu_ms * 100) / took_ms / vms,
  };
}

/** The shortest interval at which so many do not take more than their share of the CPUs. */
function intervalFor(vms: number, cpu_ms_per_checkpoint: number): number {
  const cores = availableParallelism() * CPU_SHARE;
  return Math.max(INTERVAL_MS, Math.ceil((vms * cpu_ms_per_checkpoint) / cores));
}

function tooMuch(vms: number, smaller: Level, interval_ms: number): string | null {
  const want = vms * smaller.pss_mib;
  const have = availableMemory() / MIB;
  if (want > have * MEMORY_SHARE) {
    return `about ${want.toFixed(0)} MiB would be wanted, ${have.toFixed(0)} MiB are there`;
  }
  return interval_ms > LONGEST_INTERVAL_MS
    ? `the CPUs would carry one checkpoint a VM every ${(interval_ms / 1000).toFixed(0)} s`
    : null;
}

async function run(context: Context): Promise<ItemResult> {
  const [contestant] = present([context.contestants.ours({ name: 'ours' })], context.lacks);
  const levels: (Level | Skipped)[] = [];
  let smaller: Level | null = null;
  for (const vms of contestant === undefined ? [] : context.tiny ? [1] : [1, 10, 100]) {
    if (contestant === undefined) break;
    const interval_ms: number = intervalFor(vms, smaller?.cpu_ms_per_checkpoint ?? 0);
    const skipped: string | null = smaller === null ? null : tooMuch(vms, smaller, interval_ms);
    if (skipped !== null) {
      levels.push({ vms, skipped });
      context.say(`${vms} VMs left out: ${skipped}`);
      continue;
    }
    smaller = await level(context, contestant, vms, interval_ms);
    levels.push(smaller);
    context.say(value(smaller));
  }
  const of = (key: 'pss_mib' | 'cpu_percent'): number | null => smaller?.[key] ?? null;
  return {
    numbers: { memory_per_vm_mib: of('pss_mib'), cpu_percent_per_vm: of('cpu_percent') },
    rows: levels.map((one) => ({ what: `${one.vms} VMs`, value: value(one) })),
    raw: levels,
  };
}

function value(one: Level | Skipped): string {
  if ('skipped' in one) return `left out: ${one.skipped}`;
  return (
    `a VM: ${one.pss_mib.toFixed(0)} MiB (PSS; RSS ${one.rss_mib.toFixed(0)}), ` +
    `${one.cpu_ms_per_checkpoint.toFixed(1)} ms of CPU a checkpoint of 1 MiB, ` +
    `${one.cpu_percent.toFixed(1)} % of a core at one every ${one.interval_ms} ms, ` +
    `${(one.idle_cpu_ms_per_s / 10).toFixed(1)} % idle`
  );
}

export const many: Item = {
  name: 'vms',
  title: 'memory and CPU a VM, both ends together',
  run,
};
