/**
 * What happened around a power cut: the lab's events, and the client's answers before and after. Pure.
 */
import { z } from 'zod';

/** An answer of the guest as the client has noted it; `at_ms` is wall clock. */
export interface NotedAnswer {
  readonly at_ms: number;
  readonly seq: number;
  readonly ticks: number;
  readonly boot: string;
}

const noted = z.object({
  at: z.string(),
  event: z.literal('answer'),
  seq: z.number(),
  ticks: z.number(),
  boot: z.string(),
});

/** The answers in a client's log. */
export function answersIn(log: string): NotedAnswer[] {
  return log.split('\n').flatMap((text) => {
    if (!text.includes('"answer"')) return [];
    const { at, seq, ticks, boot } = noted.parse(JSON.parse(text));
    return [{ at_ms: Date.parse(at), seq, ticks, boot }];
  });
}

/** The answers on both sides of the longest silence after `from_ms`. */
export function aroundSilence(
  answers: readonly NotedAnswer[],
  from_ms: number,
): { before: NotedAnswer; after: NotedAnswer } | undefined {
  let found: { before: NotedAnswer; after: NotedAnswer } | undefined;
  let longest_ms = 0;
  for (const [index, after] of answers.entries()) {
    const before = answers[index - 1];
    if (before === undefined || after.at_ms < from_ms) continue;
    const silent_ms = after.at_ms - before.at_ms;
    if (silent_ms <= longest_ms) continue;
    longest_ms = silent_ms;
    found = { before, after };
  }
  return found;
}

/** A line of the lab's events. */
export interface LabEvent {
  readonly at_ms: number;
  readonly text: string;
}

/** The lab's events from the last one that begins with `words` on. */
export function eventsSince(log: string, words: string): LabEvent[] {
  const events = log.split('\n').flatMap((line) => {
    const match = /^(\d+\.\d+) (.*)$/.exec(line);
    return match === null ? [] : [{ at_ms: Number(match[1]) * 1000, text: match[2] ?? '' }];
  });
  const first = events.findLastIndex(({ text }) => text.startsWith(words));
  return first < 0 ? [] : events.slice(first);
}

/** Events in their order, each with its time from `zero_ms` on. */
export function timeline(events: readonly LabEvent[], zero_ms: number): string[] {
  const sorted = [...events].sort((a, b) => a.at_ms - b.at_ms);
  return sorted.map(
    ({ at_ms, text }) => `  ${((at_ms - zero_ms) / 1000).toFixed(2).padStart(6)} s  ${text}`,
  );
}
