/** What a drill has found, for people: the verdict, a line a step, what to type, and what stays unproven. Pure. */
import { printable } from '../../daemon/adapters/errors.js';
import type { Drill, DrillStep, StepVerdict } from '../drill.js';
import type { Paint, Palette } from './paint.js';
import { wrap } from './text.js';
import { duration } from './units.js';

const width = 88;
const id_width = 11;
const took_width = 8;
const label_width = 9;
const indent = ' '.repeat(2 + label_width + 2 + id_width + took_width + 2);

const LABELS: Readonly<Record<StepVerdict, string>> = {
  ok: 'ok',
  fails: 'FAILS',
  unknown: 'not known',
};

export function drillScreen(found: Drill, palette: Palette): string {
  const { resource, from, to } = found;
  const way = to === null ? ` from ${from}` : ` from ${from} to ${to}`;
  const title = `${resource}: drill of a failover${way}; nothing was changed`;
  return [
    palette.strong(printable(title)),
    verdictText(found, palette),
    '',
    ...found.steps.map((step) => stepText(step, palette)),
    ...unprovenText(found),
    ...nextText(found, palette),
    '',
  ].join('\n');
}

const WORDS: Readonly<Record<Drill['verdict'], string>> = {
  works: 'It would work',
  fails: 'It would fail',
  unknown: 'Whether it would work is not known',
};

function verdictText({ verdict, steps }: Drill, palette: Palette): string {
  const { good, bad, warn } = palette;
  const paint: Paint = { works: good, fails: bad, unknown: warn }[verdict];
  const count = (of: StepVerdict) => steps.filter((step) => step.verdict === of).length;
  const [proven, failing, open] = [count('ok'), count('fails'), count('unknown')];
  const rest = [
    ...(failing === 0 ? [] : [`${failing} ${failing === 1 ? 'fails' : 'fail'}`]),
    ...(open === 0 ? [] : [`${open} could not be proven`]),
  ];
  const all = `${proven} of ${steps.length} steps ${proven === 1 ? 'is' : 'are'} proven`;
  return `${paint(WORDS[verdict])}: ${[all, ...rest].join(', ')}.`;
}

function stepText({ id, verdict, what, took_ms, fix, on }: DrillStep, palette: Palette): string {
  const { good, bad, warn, faint, strong } = palette;
  const paint: Paint = { ok: good, fails: bad, unknown: warn }[verdict];
  const label = LABELS[verdict];
  const gap = ' '.repeat(Math.max(0, label_width - label.length));
  const took = (took_ms === null ? '' : duration(took_ms)).padStart(took_width);
  const head = `  ${paint(label)}${gap}  ${printable(id).padEnd(id_width)}${faint(took)}  `;
  const lines = wrap(printable(what), width - indent.length).split('\n');
  const where = on === undefined ? '' : ` on ${printable(on)}`;
  const todo = fix === undefined ? [] : [`do${where}:  ${strong(printable(fix))}`];
  return `${head}${[...lines, ...todo].join(`\n${indent}`)}`;
}

function unprovenText({ unproven }: Drill): string[] {
  if (unproven.length === 0) return [];
  const lines = unproven.map(
    (text) => `  - ${wrap(printable(text), width - 4).replaceAll('\n', '\n    ')}`,
  );
  return ['', 'Only a failover proves:', ...lines];
}

function nextText({ verdict, resource, to }: Drill, { strong }: Palette): string[] {
  if (verdict !== 'works' || to === null) return [];
  const command = strong(`remusctl switchover ${resource}`);
  return ['', `To let it really run on ${to}, without loss:  ${command}`];
}
