/** What a run has shown, as text. Pure. */
import { type Distribution, distribution } from './numbers.js';
import type { RoundResult } from './round.js';
import type { Kind } from './schedule.js';

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1).padStart(7);
}

function row(name: string, { count, median, p90, max }: Distribution): string {
  return `  ${name.padEnd(34)}${String(count).padStart(6)}${seconds(median)}${seconds(p90)}${seconds(max)}`;
}

const HEAD = `  ${'seconds'.padEnd(34)}${'count'.padStart(6)} median    90 %     max`;

/** Where the VM was not stopped on purpose. */
const ON_PURPOSE: ReadonlySet<Kind> = new Set(['stop-resource', 'outage']);

/** The end of a run. */
export function summary(results: readonly RoundResult[], took_ms: number): string {
  const sum = (of: (result: RoundResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const planned = sum(({ round }) => round.strikes.length);
  const violations = sum((result) => result.violations.length);
  const typed = results.flatMap((result) => result.typed);
  return [
    `${(took_ms / 60_000).toFixed(1)} minutes, ${results.length} rounds, ${planned} faults (${sum(({ struck }) => struck)} struck), ${violations} violations`,
    `${sum(({ answers }) => answers)} answers, ${sum(({ boots }) => boots)} boots; an operator had to help ${typed.length} times${typed.length > 0 ? `: ${counted(typed)}` : ''}`,
    HEAD,
    ...outageRows(results),
    row(
      'healed to protected',
      times(results, (one) => one.healed_to_protected_ms),
    ),
    row(
      'first strike to protected',
      times(results, (one) => one.struck_to_protected_ms),
    ),
  ].join('\n');
}

function times(
  results: readonly RoundResult[],
  of: (result: RoundResult) => number | null,
): Distribution {
  return distribution(results.map(of).filter((ms) => ms !== null));
}

/** By kind only where the fault was alone: those of an overlap share their silence. */
function outageRows(results: readonly RoundResult[]): string[] {
  const all = results.flatMap((result) => result.outages);
  const alone = results.filter(({ round }) => round.strikes.length === 1);
  const single = alone.flatMap((result) => result.outages);
  const kinds = [...new Set(single.map(({ kind }) => kind))].sort();
  const silences = (of: typeof all): Distribution =>
    distribution(of.map(({ silence_ms }) => silence_ms));
  return [
    row('silence, every fault', silences(all.filter(({ kind }) => !ON_PURPOSE.has(kind)))),
    ...kinds.map((kind) =>
      row(`  ${kind}, alone`, silences(single.filter((one) => one.kind === kind))),
    ),
  ];
}

function counted(texts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, count]) => `${count} x ${text}`).join('; ');
}
