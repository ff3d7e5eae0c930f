/** What the lab did and when: power, links, fencing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.js';

/** One line of `lab events`. */
export interface LabEvent {
  /** Since the epoch, milliseconds. */
  readonly at_ms: number;
  /** For example `kill pm1`, `dead pm1`, `fence_remuslab@pm2 reboot pm1 rc=0`. */
  readonly text: string;
}

/** All events from a time on. */
export function eventsSince(lab: Lab, from_ms: number): LabEvent[] {
  const lines = readFileSync(join(lab.dir, 'rack', 'events.log'), 'utf8')
    .split('\n')
    .slice(0, -1);
  return lines
    .map((line) => {
      const [seconds = '', ...rest] = line.split(' ');
      return { at_ms: Number(seconds) * 1000, text: rest.join(' ') };
    })
    .filter(({ at_ms }) => at_ms >= from_ms);
}

/** The first event like this from a time on; undefined when there is none yet. */
export function eventLike(lab: Lab, text: RegExp, from_ms: number): LabEvent | undefined {
  return eventsSince(lab, from_ms).find((event) => text.test(event.text));
}

/** The end of a node's successful fencing. */
export function fenced(lab: Lab, node: string, from_ms: number): LabEvent | undefined {
  return eventLike(lab, new RegExp(`^fence_remuslab\\S* (reboot|off) ${node} rc=0$`), from_ms);
}
