/** The history for people: when, where, what and why, one line each, the newest last. Pure. */
import { printable } from '../../daemon/adapters/errors.js';
import type { HistoryEntry, Missing, VmHistory } from '../history.js';
import type { Palette } from './paint.js';
import { table } from './text.js';

/** What says why; everything else is a detail. */
const WHY: ReadonlySet<string> = new Set(['because', 'reason', 'error', 'why']);

export function historyTable({ entries }: VmHistory, palette: Palette): string {
  const rows = entries.map((entry) => [
    { text: localTime(entry.at), paint: palette.faint },
    { text: entry.node },
    { text: sentenceOf(entry) },
  ]);
  const columns = [{ title: 'TIME' }, { title: 'NODE' }, { title: 'WHAT AND WHY' }];
  const [title = '', ...lines] = table(columns, rows);
  return [palette.strong(title), ...lines, ''].join('\n');
}

/** For stderr: what the table lacks. */
export function missingNotes(missing: readonly Missing[]): string {
  return missing
    .map(({ node, why }) => `remusctl: not everything of ${node} is shown: ${why}\n`)
    .join('');
}

/** `text: why (key value, key value)` */
export function sentenceOf({ text, data }: Pick<HistoryEntry, 'text' | 'data'>): string {
  const all = Object.entries(data).filter(([, value]) => value !== null && value !== undefined);
  const why = all.filter(([key]) => WHY.has(key)).map(([, value]) => inWords(value));
  const rest = all
    .filter(([key]) => !WHY.has(key))
    .map(([key, value]) => `${unitless(key)} ${inWords(value)}${unitOf(key)}`);
  const sentence = [text, ...why].join(': ');
  return printable(rest.length === 0 ? sentence : `${sentence} (${rest.join(', ')})`);
}

function unitless(key: string): string {
  return key.replace(/_ms$/, '').replaceAll('_', ' ');
}

function unitOf(key: string): string {
  return key.endsWith('_ms') ? ' ms' : '';
}

function inWords(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return JSON.stringify(value);
}

/** `2026-11-23 04:36:37`, as this terminal's user reads clocks. */
function localTime(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}
