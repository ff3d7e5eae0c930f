/** What the tests on real Xen have measured, as a table for people. */
import { readFileSync } from 'node:fs';

/** A line of the measures file; times in milliseconds. */
export type Measured = Readonly<Record<string, unknown>> & { readonly name: string };

/** The measures in a file; none when there is no file. */
export function readMeasures(path: string): Measured[] {
  try {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Measured); // our own process
  } catch {
    return [];
  }
}

function shown(key: string, value: unknown): string {
  const ms = /^(.*?)_?ms$/.exec(key);
  if (ms === null || typeof value !== 'number') return `${key} ${String(value)}`;
  const what = (ms[1] ?? '').replaceAll('_', ' ');
  return `${what} ${(value / 1000).toFixed(1)} s`.trim();
}

function cell(found: readonly Measured[]): string {
  const texts = found.map((one) =>
    Object.entries(one)
      .filter(([key]) => key !== 'name' && key !== 'at')
      .map(([key, value]) => shown(key, value))
      .join(', '),
  );
  return texts.join('; ') || '-';
}

/** A row a case, a column a suite, in Markdown. */
export function table(measured: ReadonlyMap<string, readonly Measured[]>): string {
  const names = new Set([...measured.values()].flat().map(({ name }) => name));
  const rows = [...names].map((name) => [
    name,
    ...[...measured.values()].map((all) => cell(all.filter((one) => one.name === name))),
  ]);
  const head = ['case', ...measured.keys()];
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}
