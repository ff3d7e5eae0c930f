/** What a switchover or failover would do, for people: the verdict, what it rests on, and what to type. Pure. */
import { printable } from '../../daemon/adapters/errors.js';
import type { Foresight, ForeseenFencing, Verdict } from '../foresight.js';
import type { Paint, Palette } from './paint.js';
import { wrap } from './text.js';
import { duration, seconds } from './units.js';

const width = 88;
const label_width = 12;
const indent = ' '.repeat(label_width + 4);
/** Of what else runs on a node that would be fenced. */
const named_max = 8;

interface Row {
  readonly label: string;
  readonly text: string;
  /** Never broken: it is to be copied. */
  readonly command?: string;
}

export function foresightScreen(found: Foresight, palette: Palette): string {
  const { action, resource, from, to } = found;
  const way = [from === null ? '' : ` from ${from}`, to === null ? '' : ` to ${to}`].join('');
  const title = `${resource}: ${action}${way}, a dry run: nothing was changed`;
  const rows = [
    ...(action === 'switchover' ? switchoverRows(found) : failoverRows(found)),
    ...pacemakerRows(found),
    ...found.unknown.map((text) => ({ label: 'Not known', text })),
    ...nextRows(found),
  ];
  return [
    palette.strong(printable(title)),
    verdictText(found, palette),
    ...(rows.length === 0 ? [] : ['', ...rows.map((row) => rowText(row, palette))]),
    '',
  ].join('\n');
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  done: 'It would be done',
  refused: 'It would be refused',
  fails: 'It would not succeed',
  unknown: 'Whether it would succeed is not known',
};

function verdictText({ verdict, reason }: Foresight, palette: Palette): string {
  const words = VERDICTS[verdict];
  const text = reason === undefined ? `${words}.` : `${words}: ${printable(reason)}`;
  const paint = paintOf(verdict, palette);
  return `${paint(words)}${wrap(text, width).slice(words.length)}`;
}

function paintOf(verdict: Verdict, palette: Palette): Paint {
  const { good, bad, warn } = palette;
  return { done: good, refused: bad, fails: bad, unknown: warn }[verdict];
}

function rowText({ label, text, command }: Row, palette: Palette): string {
  const head = `  ${label.padEnd(label_width)}  `;
  const lines = text === '' ? [] : wrap(printable(text), width - indent.length).split('\n');
  const strong =
    command === undefined
      ? []
      : [`${text === '' ? '' : 'do:  '}${palette.strong(printable(command))}`];
  return `${head}${[...lines, ...strong].join(`\n${indent}`)}`;
}

function switchoverRows(found: Foresight): Row[] {
  const { checkpoint, memory } = found;
  if (checkpoint === null) return [];
  const last = memory === 'kept' ? '; one more would be taken as the last: nothing is lost' : '';
  const rows = [{ label: 'Checkpoint', text: `${checkpointWords(found)}${last}` }];
  return memory === 'kept' ? [...rows, { label: 'Interruption', text: interruption(found) }] : rows;
}

/** `4711 of generation 7, acknowledged 120 ms ago` */
function checkpointWords({ checkpoint, checkpoint_age_ms, generation }: Foresight): string {
  const of = generation === null ? '' : ` of generation ${generation}`;
  const age = checkpoint_age_ms === null ? '' : `, acknowledged ${duration(checkpoint_age_ms)} ago`;
  return `${checkpoint ?? 'none'}${of}${age}`;
}

function interruption({ interruptions_ms, resource }: Foresight): string {
  if (interruptions_ms.length === 0)
    return `not known: no switchover of ${resource} is in the history`;
  const [least, most] = [Math.min(...interruptions_ms), Math.max(...interruptions_ms)].map(seconds);
  if (interruptions_ms.length === 1) return `${most ?? ''}, as the last time`;
  return `${least ?? ''} to ${most ?? ''}, as the last ${interruptions_ms.length} times`;
}

function failoverRows(found: Foresight): Row[] {
  const { fencing, memory, generation, resource, to, lost_because } = found;
  if (fencing === null) return [];
  const anew = generation === null ? '' : `, as generation ${generation + 1}`;
  const goes_on =
    memory === 'lost'
      ? `on ${to ?? '-'}, started anew${anew}`
      : `on ${to ?? '-'}, from checkpoint ${checkpointWords(found)}${anew}`;
  const lost =
    memory === 'lost'
      ? `the whole memory of ${resource}: ${lost_because ?? 'there is no replica'}`
      : `what ${resource} did after that checkpoint; its clients have not seen it`;
  return [
    { label: 'Fenced', text: fencedWords(fencing) },
    { label: 'With it', text: withIt(fencing) },
    { label: 'Goes on', text: goes_on },
    { label: 'Lost', text: lost },
  ];
}

function fencedWords({ node, devices, last }: ForeseenFencing): string {
  const by = devices === null || devices.length === 0 ? '' : `, by ${devices.join(' or ')}`;
  const proof =
    last === null
      ? 'nobody has been seen to fence it since the cluster was started'
      : `last fenced ${last.completed}: ${last.status}`;
  return `${node}${by}; ${proof}`;
}

function withIt({ node, also_runs }: ForeseenFencing): string {
  if (also_runs.length === 0)
    return `whatever else runs on ${node}; of Pacemaker's resources that is nothing`;
  const more = also_runs.length - named_max;
  const names = also_runs.slice(0, named_max).join(', ');
  return `all else that runs on ${node}: ${names}${more > 0 ? `, and ${more} more` : ''}`;
}

/** Where the scheduler would have it, and what it may have against that. */
function pacemakerRows({
  action,
  verdict,
  from,
  to,
  promoted_on,
  obstacles,
  unknown,
}: Foresight): Row[] {
  if (verdict === 'refused') return [];
  const supposing =
    action === 'switchover'
      ? 'with the scores that the switchover sets'
      : `once ${from ?? 'the node'} is fenced`;
  const says = `would have it promoted on ${promoted_on ?? ''} ${supposing} (crm_simulate)`;
  const plan = promoted_on === null ? [] : [{ label: 'Pacemaker', text: says }];
  const label = promoted_on === to ? 'Mind' : 'In the way';
  const found = obstacles.map(({ what, fix }) => ({ label, text: what, command: fix }));
  const nothing = obstacles.length === 0 && verdict === 'done' && unknown.length === 0;
  return [...plan, ...found, ...(nothing ? [{ label: 'In the way', text: 'nothing' }] : [])];
}

function nextRows({ action, resource, verdict, from }: Foresight): Row[] {
  if (verdict !== 'done') return [];
  const command = `remusctl ${action} ${resource}`;
  if (action === 'switchover') return [{ label: 'To do it', text: '', command }];
  const better = `remusctl switchover ${resource}`;
  return [
    { label: 'To do it', text: '', command: `${command} --force` },
    {
      label: 'Better',
      text: `when ${from ?? 'the node'} is well, for this loses nothing`,
      command: better,
    },
  ];
}
