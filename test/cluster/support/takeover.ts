/** The parts of an unplanned failover, from the logs of the lab, of corosync, of Pacemaker and of remusd. */
import type { Lab } from '../lab/lab.js';
import type { Silence } from '../lab/tally.js';
import { eventLike, fenced } from './events.js';
import { VM } from './scenario.js';

/** `Nov 22 22:37:22.440 ...`, in this machine's time zone. */
function syslogTime(line: string): number {
  const match = /^(\w{3} +\d+) (\d\d:\d\d:\d\d\.\d+)/.exec(line);
  return Date.parse(`${match?.[1] ?? ''} ${new Date().getFullYear()} ${match?.[2] ?? ''}`);
}

function jsonTime(line: string): number {
  return Date.parse((JSON.parse(line) as { time: string }).time);
}

/** The first line with these words from a time on. */
async function lineTime(
  read: Promise<string>,
  words: RegExp,
  timeOf: (line: string) => number,
  from_ms: number,
): Promise<number | undefined> {
  const lines = (await read).split('\n').filter((line) => words.test(line));
  return lines.map(timeOf).find((at_ms) => at_ms >= from_ms);
}

/** Milliseconds since the cut; null for what the logs do not show. */
export async function takeoverParts(
  lab: Lab,
  lost: string,
  survivor: string,
  silence: Silence,
): Promise<Readonly<Record<string, number | null>>> {
  const from_ms = Date.parse(silence.from) - 1000;
  const cut_ms = eventLike(lab, new RegExp(`^(kill|freeze) ${lost}$`), from_ms)?.at_ms ?? from_ms;
  const read = (path: string): Promise<string> => lab.sh(survivor, ['cat', path]);
  const pacemaker = read('/var/log/pacemaker/pacemaker.log');
  const remusd = read('/var/log/remusd.log');
  const times = {
    membership: await lineTime(
      read('/var/log/corosync/corosync.log'),
      /A new membership/,
      syslogTime,
      cut_ms,
    ),
    fence_begin: eventLike(lab, new RegExp(`reboot ${lost} begin$`), cut_ms)?.at_ms,
    fence_end: fenced(lab, lost, cut_ms)?.at_ms,
    promote_begin: await lineTime(
      pacemaker,
      new RegExp(
        `Initiating promote operation ${VM}_promote_0|Requesting local execution of promote`,
      ),
      syslogTime,
      cut_ms,
    ),
    activate_begin: await lineTime(remusd, /will activate the replica/, jsonTime, cut_ms),
    activated: await lineTime(remusd, /activated: the VM runs/, jsonTime, cut_ms),
    promote_end: await lineTime(pacemaker, /Result of promote operation/, syslogTime, cut_ms),
    first_answer: Date.parse(silence.to),
  };
  return Object.fromEntries(
    Object.entries(times).map(([name, at_ms]) => [
      `${name}_ms`,
      at_ms === undefined ? null : Math.round(at_ms - cut_ms),
    ]),
  );
}
