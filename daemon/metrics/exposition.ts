/** The facts as Prometheus reads them. Made anew each time: what is no more leaves nothing behind. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Buckets } from '../relay/histogram.js';
import type { Facts } from './facts.js';
import { DAEMON_METRICS, PEER_METRICS, VM_METRICS, type Metric, type Sample } from './table.js';

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

interface Labelled<Of> {
  readonly of: Of;
  readonly labels: Readonly<Record<string, string>>;
}

/** The text format, version 0.0.4. */
export async function exposition(facts: Facts): Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ node: facts.node });
  register(registry, DAEMON_METRICS, [{ of: facts, labels: {} }]);
  register(
    registry,
    PEER_METRICS,
    facts.peers.map((of) => ({ of, labels: { peer: of.node } })),
  );
  register(
    registry,
    VM_METRICS,
    facts.vms.map((of) => ({ of, labels: { vm: of.status.resource } })),
  );
  return registry.metrics();
}

function register<Of>(
  registry: Registry,
  metrics: readonly Metric<Of>[],
  all: readonly Labelled<Of>[],
): void {
  for (const metric of metrics) {
    if (metric.type === 'histogram') distribution(registry, metric, all);
    else plain(registry, metric, all);
  }
}

function plain<Of>(
  registry: Registry,
  metric: Extract<Metric<Of>, { type: 'gauge' | 'counter' }>,
  all: readonly Labelled<Of>[],
): void {
  const { name, help, type } = metric;
  const samples = all.flatMap(({ of, labels }) => {
    const sample = asSample(metric.read(of));
    return sample === null
      ? []
      : [{ labels: { ...labels, ...sample.labels }, value: sample.value }];
  });
  const [first] = samples;
  if (first === undefined) return;
  const options = { name, help, labelNames: Object.keys(first.labels), registers: [registry] };
  const add =
    type === 'counter'
      ? asCounter(new Counter<string>(options))
      : asGauge(new Gauge<string>(options));
  for (const { labels, value } of samples) add(labels, value);
}

type Add = (labels: Record<string, string>, value: number) => void;
const asCounter =
  (counter: Counter): Add =>
  (labels, value) =>
    counter.inc(labels, value);
const asGauge =
  (gauge: Gauge): Add =>
  (labels, value) =>
    gauge.set(labels, value);

function asSample(read: Sample | number | boolean | null): Sample | null {
  if (read === null || typeof read === 'object') return read;
  return { value: Number(read) };
}

/** A histogram that was counted elsewhere: prom-client's own can only observe. */
function distribution<Of>(
  registry: Registry,
  metric: Extract<Metric<Of>, { type: 'histogram' }>,
  all: readonly Labelled<Of>[],
): void {
  const { name, help, unit } = metric;
  const values = all.flatMap(({ of, labels }) => {
    const buckets = metric.read(of);
    return buckets === null ? [] : lines(name, labels, buckets, unit);
  });
  if (values.length === 0) return;
  const counted = { name, help, type: 'histogram', values };
  registry.registerMetric({ ...counted, get: () => Promise.resolve(counted) } as unknown as Gauge);
}

function lines(
  name: string,
  labels: Readonly<Record<string, string>>,
  { bounds, counts, sum }: Buckets,
  unit: number,
): { metricName: string; labels: Record<string, string>; value: number }[] {
  let below = 0;
  const buckets = counts.map((count, i) => {
    below += count;
    const bound = bounds[i];
    const le = bound === undefined ? '+Inf' : String(rounded(bound * unit));
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: { ...labels }, value: rounded(sum * unit) },
    { metricName: `${name}_count`, labels: { ...labels }, value: below },
  ];
}

/** Without the tail that a multiplication leaves: 0.002, not 0.0020000000000000005. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}
