/** 3. Bytes on the wire, both directions, of the same stream: ours, `ssh`, `ssh -C`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../../support/median.js';
import { type Contestant, type Contestants, Lane, present } from '../contestants.js';
import { type Context, type Item, type ItemResult, met } from '../item.js';
import { knowsCompression } from '../ours.js';
import { PATTERNS, type PatternName } from '../patterns.js';
import { CountingProxy } from '../proxy.js';
import { Xl } from '../xl.js';

const PACE_MS = 30;
/**
 * Beside what the product does by itself: on the loopback, which is faster than any coder, that is mostly nothing. Of a slow link
 * these tell what it could do.
 */
const FORCED = ['off', 'lz4', 'delta'] as const;

function forced(contestants: Contestants, compression: (typeof FORCED)[number]): Contestant {
  return contestants.ours({ name: `ours-${compression}`, compression });
}

interface Sample {
  readonly pattern: PatternName;
  readonly name: string;
  /** Of the stream itself. */
  readonly stream_first_bytes: number;
  readonly stream_checkpoint_bytes: number;
  /** On the wire. */
  readonly first_bytes: number;
  readonly checkpoint_bytes: number;
  /** The guest's standstill, median of the checkpoints: compression must not show in it. */
  readonly suspended_ms: number | null;
}

async function measure(
  context: Context,
  xl: Xl,
  contestant: Contestant,
  pattern: PatternName,
): Promise<Sample> {
  let proxy: CountingProxy | null = null;
  const via = async (port: number): Promise<number> => {
    proxy = await CountingProxy.start(port);
    return proxy.port;
  };
  const counted = (): number => proxy?.bytes ?? 0;
  const lane = await Lane.open(context.place, xl, contestant, via);
  const first = await lane.replay(pattern, 0);
  await lane.arrived(first);
  const first_bytes = counted();
  const suspended: number[] = [];
  let last = first;
  const checkpoints = context.tiny ? 2 : first.of;
  for (let number = 1; number <= checkpoints; number += 1) {
    await sleep(PACE_MS);
    last = await lane.replay(pattern, number);
    suspended.push(last.resumed_ms - last.begun_ms);
    await lane.arrived(last);
  }
  const checkpoint_bytes = counted() - first_bytes;
  await lane.close();
  (proxy as CountingProxy | null)?.close();
  return {
    pattern,
    name: contestant.name,
    stream_first_bytes: first.total_bytes,
    stream_checkpoint_bytes: last.total_bytes - first.total_bytes,
    first_bytes,
    checkpoint_bytes,
    suspended_ms: median(suspended),
  };
}

async function run(context: Context): Promise<ItemResult> {
  const { contestants, place, say } = context;
  const compression = knowsCompression();
  if (!compression) say('the sender has no --compression yet: it is measured as it is');
  const all = present(
    [
      contestants.ours({ name: 'ours' }),
      ...(compression ? FORCED.map((mode) => forced(contestants, mode)) : []),
      contestants.ssh('ssh', ['-o', 'Compression=no']),
      contestants.ssh('ssh-C', ['-C']),
    ],
    context.lacks,
  );
  const xl = new Xl(place);
  const samples: Sample[] = [];
  const patterns = Object.keys(PATTERNS) as PatternName[];
  for (const pattern of context.tiny ? (['simulated'] as const) : patterns) {
    for (const contestant of all) {
      const sample = await measure(context, xl, contestant, pattern);
      samples.push(sample);
      say(
        `${pattern}, ${sample.name}: first copy ${mib(sample.first_bytes)} of ${mib(sample.stream_first_bytes)} MiB, ` +
          `checkpoints ${mib(sample.checkpoint_bytes)} of ${mib(sample.stream_checkpoint_bytes)} MiB`,
      );
    }
  }
  await xl.close();
  return result(samples);
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(2);
}

function ratio(
  samples: readonly Sample[],
  pattern: PatternName,
  key: keyof Sample,
  who = 'ours',
): number | null {
  const of = (name: string): number | null => {
    const value = samples.find((one) => one.pattern === pattern && one.name === name)?.[key];
    return typeof value === 'number' ? value : null;
  };
  const [ours, ssh] = [of(who), of('ssh-C')];
  return ours === null || ssh === null || ssh === 0 ? null : ours / ssh;
}

/** The ordinary guest is the one that there is: the captured one, after its first copy. */
function result(samples: readonly Sample[]): ItemResult {
  const wire_bytes_vs_ssh_C = ratio(samples, 'capture', 'checkpoint_bytes');
  const wire_bytes_delta_vs_ssh_C = ratio(samples, 'capture', 'checkpoint_bytes', 'ours-delta');
  const patterns = [...new Set(samples.map(({ pattern }) => pattern))];
  const rows = patterns.map((pattern) => {
    const wire = samples.filter((sample) => sample.pattern === pattern);
    const each = wire.map((sample) => `${sample.name} ${mib(sample.checkpoint_bytes)}`);
    const [first, then] = (['first_bytes', 'checkpoint_bytes'] as const).map(
      (key) => ratio(samples, pattern, key)?.toFixed(2) ?? '-',
    );
    const value = `MiB: ${each.join(', ')}; /ssh-C ${then ?? '-'} (first copy ${first ?? '-'})`;
    return { what: pattern, value };
  });
  return {
    numbers: { wire_bytes_vs_ssh_C, wire_bytes_delta_vs_ssh_C },
    rows: [
      ...rows,
      {
        what: 'wire_bytes_vs_ssh_C',
        value: wire_bytes_vs_ssh_C?.toFixed(2) ?? '-',
        met: met('wire_bytes_vs_ssh_C', wire_bytes_vs_ssh_C),
      },
      {
        what: 'wire_bytes_delta_vs_ssh_C',
        value: wire_bytes_delta_vs_ssh_C?.toFixed(2) ?? '-',
      },
    ],
    raw: samples,
  };
}

export const wire: Item = {
  name: 'wire',
  title: 'bytes on the wire for four memory patterns',
  run,
};
