/** Prometheus' text format, as strictly as it is written down; and promtool's opinion where there is one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

export class Parsed {
  readonly samples: readonly Sample[];
  readonly types: ReadonlyMap<string, string>;

  constructor(samples: readonly Sample[], types: ReadonlyMap<string, string>) {
    this.samples = samples;
    this.types = types;
  }

  /** Of the one sample with these labels and perhaps others, but for `version`; null: there is none. */
  value(name: string, labels: Labels): number | null {
    const found = this.samples.filter(
      (one) =>
        one.name === name &&
        Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    );
    assert.ok(found.length <= 1, `${name} is there ${found.length} times`);
    return found[0]?.value ?? null;
  }
}

/** @throws when it is not in the format, a sample comes twice, or a histogram does not add up. */
export function parse(text: string): Parsed {
  assert.ok(text.endsWith('\n'), 'no newline at the end');
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) (gauge|counter|histogram)$/.exec(line);
    if (type?.[1] !== undefined && type[2] !== undefined) types.set(type[1], type[2]);
    else if (line !== '' && !/^# HELP \S+ \S/.test(line)) samples.push(sampleOf(line));
  }
  const keys = samples.map(({ name, labels }) =>
    JSON.stringify([name, Object.entries(labels).sort()]),
  );
  assert.equal(new Set(keys).size, keys.length, 'a sample comes twice');
  for (const [name, type] of types) if (type === 'histogram') checkHistogram(name, samples);
  return new Parsed(samples, types);
}

function sampleOf(line: string): Sample {
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  assert.notEqual(name, '', `no sample: ${line}`);
  const pairs = [...labels.matchAll(LABEL)];
  assert.equal(pairs.map(([all]) => all).join(''), labels, `no labels: ${line}`);
  assert.ok(Number.isFinite(Number(value)), `no number: ${line}`);
  return {
    name,
    labels: Object.fromEntries(pairs.map(([, key = '', text = '']) => [key, text])),
    value: Number(value),
  };
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const counts = samples.filter((one) => one.name === `${name}_count`);
  assert.ok(counts.length > 0, `${name} has no _count`);
  for (const { labels, value } of counts) {
    const own = samples.filter(
      (one) =>
        one.name === `${name}_bucket` &&
        Object.entries(labels).every(([key, text]) => one.labels[key] === text),
    );
    const values = own.map((one) => one.value);
    assert.deepEqual(
      values,
      [...values].sort((a, b) => a - b),
      `${name} is not cumulative`,
    );
    assert.equal(own.at(-1)?.labels['le'], '+Inf');
    assert.equal(own.at(-1)?.value, value, `${name}: +Inf is not the count`);
  }
}

/** promtool of Debian's package prometheus, or what PROMTOOL names. */
export function promtool(args: readonly string[], input = ''): string | null {
  const program = process.env['PROMTOOL'] ?? 'promtool';
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8' });
  if (error !== undefined) return null;
  return status === 0 ? '' : `${stdout}${stderr}`;
}

/** What promtool has to say against it, where there is one. */
export function check(text: string): void {
  assert.equal(promtool(['check', 'metrics'], text) ?? '', '');
}
