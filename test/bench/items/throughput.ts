/** 2. Sustained throughput, from xl's first byte to the far end's last one: the first copy of a guest, and checkpoints without a pause. */
import { median } from '../../support/median.js';
import { Lane, present, rotated } from '../contestants.js';
import { costOf } from '../procfs.js';
import { type Context, type Item, type ItemResult, met } from '../item.js';
import { Xl } from '../xl.js';
import { figures } from './drain.js';

type Kind = 'first_copy' | 'checkpoints' | 'cpu_ms_per_gib';
type Rates = Readonly<Record<string, number>>;

interface Sample {
  readonly run: number;
  /** MiB a second, by contestant. */
  readonly first_copy: Rates;
  readonly checkpoints: Rates;
  /** CPU time of the transport's processes for the first copy, both ends, milliseconds a GiB. Others' load shows less in it. */
  readonly cpu_ms_per_gib: Rates;
}

const FIRST_MIB = 512;
const CHECKPOINT_MIB = 10;
const CHECKPOINTS = 20;
/** Ended by the count. */
const LONG_MS = 600_000;

interface One {
  readonly first_copy: number;
  readonly checkpoints: number;
  readonly cpu_ms_per_gib: number;
}

function cpu_ms(lane: Lane): number {
  return lane.pids().reduce((sum, pid) => sum + costOf(pid).cpu_ms, 0);
}

async function measureOne(lane: Lane, tiny: boolean): Promise<One> {
  const first_mib = tiny ? 8 : FIRST_MIB;
  const count = tiny ? 2 : CHECKPOINTS;
  const cpu_before_ms = cpu_ms(lane);
  const first = await lane.first(first_mib);
  const first_ms = (await lane.arrived(first)) - first.begun_ms;
  const first_cpu_ms = cpu_ms(lane) - cpu_before_ms;
  const burst = await lane.burst(CHECKPOINT_MIB, count, LONG_MS, 0);
  const burst_ms = (await lane.arrived(burst)) - burst.begun_ms;
  return {
    first_copy: (first_mib * 1000) / first_ms,
    checkpoints: (CHECKPOINT_MIB * burst.count * 1000) / burst_ms,
    cpu_ms_per_gib: (first_cpu_ms * 1024) / first_mib,
  };
}

async function run(context: Context): Promise<ItemResult> {
  const { contestants, place, runs, tiny, say } = context;
  const all = present(
    [
      contestants.ours({ name: 'ours' }),
      contestants.ssh('ssh', []),
      contestants.ssh('ssh-aes128-gcm', ['-c', 'aes128-gcm@openssh.com']),
      contestants.socat('socat-tls', true),
      contestants.socat('tcp', false),
    ],
    context.lacks,
  );
  const xl = new Xl(place);
  const samples: Sample[] = [];
  for (let turn = 1; turn <= runs; turn += 1) {
    const first_copy: Record<string, number> = {};
    const checkpoints: Record<string, number> = {};
    const cpu_ms_per_gib: Record<string, number> = {};
    for (const contestant of rotated(all, turn)) {
      const lane = await Lane.open(place, xl, contestant);
      const one = await measureOne(lane, tiny);
      await lane.close();
      first_copy[lane.name] = one.first_copy;
      checkpoints[lane.name] = one.checkpoints;
      cpu_ms_per_gib[lane.name] = one.cpu_ms_per_gib;
    }
    samples.push({ run: turn, first_copy, checkpoints, cpu_ms_per_gib });
    say(`run ${turn}, MiB/s: first copy ${figures(first_copy)}`);
    say(`run ${turn}, MiB/s: checkpoints ${figures(checkpoints)}`);
    say(`run ${turn}, CPU ms/GiB: ${figures(cpu_ms_per_gib)}`);
  }
  await xl.close();
  return result(
    samples,
    all.map(({ name }) => name),
  );
}

function ratio(samples: readonly Sample[], key: Kind, other: string) {
  return median(
    samples.flatMap((sample) => {
      const [a, b] = [sample[key]['ours'], sample[key][other]];
      return a === undefined || b === undefined ? [] : [a / b];
    }),
  );
}

function result(samples: readonly Sample[], names: readonly string[]): ItemResult {
  const throughput_vs_ssh = ratio(samples, 'first_copy', 'ssh');
  const keys = ['first_copy', 'checkpoints'] as const;
  const rows = keys.flatMap((key) =>
    names.map((name) => {
      const rate = median(samples.flatMap((sample) => sample[key][name] ?? []));
      const times = ratio(samples, key, name)?.toFixed(2) ?? '-';
      const value = `${rate?.toFixed(0) ?? '-'} MiB/s; ours is ${times} times that`;
      return { what: `${key}: ${name}`, value };
    }),
  );
  const cpu = names.map((name) => {
    const ms = median(samples.flatMap((sample) => sample.cpu_ms_per_gib[name] ?? []));
    const times = ratio(samples, 'cpu_ms_per_gib', name)?.toFixed(2) ?? '-';
    return {
      what: `CPU: ${name}`,
      value: `${ms?.toFixed(0) ?? '-'} ms a GiB; ours is ${times} times that`,
    };
  });
  return {
    numbers: { throughput_vs_ssh, cpu_vs_ssh: ratio(samples, 'cpu_ms_per_gib', 'ssh') },
    rows: [
      ...rows,
      ...cpu,
      {
        what: 'throughput_vs_ssh',
        value: throughput_vs_ssh?.toFixed(2) ?? '-',
        met: met('throughput_vs_ssh', throughput_vs_ssh),
      },
    ],
    raw: samples,
  };
}

export const throughput: Item = {
  name: 'throughput',
  title: 'sustained throughput, end to end',
  run,
};
