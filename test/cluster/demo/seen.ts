/**
 * What the outside client saw, for people: a row for each scene, then what must never happen. Pure.
 */
import type { Summary } from '../lab/tally.js';

/** One scene's window. */
export interface SceneSeen {
  readonly scene: string;
  readonly summary: Summary;
}

/** The end of the story. */
export interface Seen {
  readonly lines: readonly string[];
  /** Nothing that must not be was seen. */
  readonly good: boolean;
}

function ms(value: number): string {
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;
}

function columns(cells: readonly string[]): string {
  const [scene = '', answers = '', again = '', silence = ''] = cells;
  return `  ${scene.padEnd(36)}${answers.padStart(9)}${again.padStart(12)}${silence.padStart(18)}`;
}

function sum(scenes: readonly SceneSeen[], of: (summary: Summary) => number): number {
  return scenes.reduce((total, { summary }) => total + of(summary), 0);
}

function longest_ms({ longest_silence }: Summary): number {
  return longest_silence.ms;
}

function table(scenes: readonly SceneSeen[]): string[] {
  const body = scenes.map(({ scene, summary }) =>
    columns([scene, String(summary.answers), String(summary.repeats), ms(longest_ms(summary))]),
  );
  const total = [
    'in total',
    String(sum(scenes, ({ answers }) => answers)),
    String(sum(scenes, ({ repeats }) => repeats)),
    ms(Math.max(...scenes.map(({ summary }) => longest_ms(summary)))),
  ];
  return [columns(['scene', 'answers', 'asked again', 'longest silence']), ...body, columns(total)];
}

/** Sums up all scenes. The client asks again until it is answered, so a lost request shows at the end, or as a gap. */
export function whatWasSeen(scenes: readonly SceneSeen[]): Seen {
  const unanswered = scenes.at(-1)?.summary.waiting ?? null;
  // A healthy client waits for an answer most of the time.
  const stuck = unanswered !== null && unanswered.age_ms > 5000 ? 1 : 0;
  const lost = stuck + sum(scenes, ({ counts }) => counts['seq-skipped']);
  const repeated = sum(scenes, ({ counts }) => counts['seq-repeated'] + counts['answer-changed']);
  const back = sum(scenes, ({ counts }) => counts['seq-back'] + counts['ticks-back']);
  const boots = sum(scenes, ({ counts }) => counts['boot-changed']);
  const bad = [
    ['answers lost', lost],
    ['answers repeated (one count for two requests)', repeated],
    ['answers going back (count or clock)', back],
    ['reboots of the VM', boots],
  ] as const;
  return {
    lines: [
      ...table(scenes),
      '',
      ...bad.map(([what, count]) => `  ${what.padEnd(48)}${String(count).padStart(9)}`),
    ],
    good: bad.every(([, count]) => count === 0) && sum(scenes, ({ answers }) => answers) > 0,
  };
}
