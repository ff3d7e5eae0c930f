/** What is shown: a table for people, one JSON object for programs. Pure. */
import { GOALS, type Item, type ItemResult } from './item.js';

export interface Measured {
  readonly item: Item;
  readonly result: ItemResult;
}

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly kernel: string;
  readonly node: string;
  /** One minute's load when the bench began: others' work. */
  readonly load: number;
}

export interface Report {
  readonly machine: Machine;
  readonly runs: number;
  readonly tiny: boolean;
  readonly measured: readonly Measured[];
  readonly missing: readonly string[];
}

function goalText(name: string): string {
  const goal = GOALS[name];
  if (goal === undefined) return '';
  return `goal: ${goal.less ? 'at most' : 'at least'} ${Number(goal.goal.toFixed(2))}`;
}

/** For people. */
export function table({ machine, runs, tiny, measured, missing }: Report): string {
  const lines = [
    `${machine.cores} x ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}, load before ${machine.load.toFixed(1)}`,
    `medians of ${runs} runs; ratios are ours / theirs, measured in turns${tiny ? '; TINY: figures without worth' : ''}`,
  ];
  for (const { item, result } of measured) {
    lines.push('', item.title);
    for (const { what, value, met } of result.rows) {
      const verdict = met === true ? 'met' : met === false ? 'NOT met' : '';
      const goal = [goalText(what), verdict].filter(Boolean).join(', ');
      lines.push(`  ${what.padEnd(28)} ${value}${goal === '' ? '' : `   [${goal}]`}`);
    }
  }
  for (const why of missing) lines.push('', `not all was measured: ${why}`);
  return `${lines.join('\n')}\n`;
}

/** The names that the object always has, null when not measured. */
const ALWAYS = [
  'drain_vs_floor',
  'drain_vs_ssh',
  'throughput_vs_ssh',
  'wire_bytes_vs_ssh_C',
  'ack_minus_rtt_ms',
  'checkpoints_per_s_4MB',
  'monitor_ms',
  'monitor_vs_heartbeat_dummy',
];

/** For programs: the medians at the top, every single measurement in `raw`. */
export function object({ machine, runs, tiny, measured, missing }: Report): object {
  const numbers = Object.assign({}, ...measured.map(({ result }) => result.numbers)) as object;
  return {
    ...Object.fromEntries(ALWAYS.map((name) => [name, null])),
    ...numbers,
    runs,
    tiny,
    machine,
    missing,
    goals: Object.fromEntries(
      Object.entries(GOALS).map(([name, { goal, less }]) => [
        name,
        { [less ? 'max' : 'min']: goal },
      ]),
    ),
    raw: Object.fromEntries(measured.map(({ item, result }) => [item.name, result.raw])),
  };
}
