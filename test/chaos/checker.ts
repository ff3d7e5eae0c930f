/**
 * Was a promise broken in a round? Pure, and an outsider: it knows what ran on the hypervisors, what the client was
 * answered, and what crm_mon showed; nothing of how the product works. P2 shows as P1, P3 or as memory lost.
 */
import type { Summary } from '../cluster/lab/tally.js';
import type { Sighting } from '../cluster/lab/watcher.js';
import type { Fault } from './schedule.js';
import { mayBoot } from './traits.js';

/** The hypervisors at one moment. */
export interface Look {
  /** Since the epoch, like all times here, milliseconds. */
  readonly at_ms: number;
  readonly nodes: readonly {
    readonly node: string;
    readonly power: 'on' | 'off' | 'frozen';
    readonly domains: readonly { readonly name: string; readonly running: boolean }[];
  }[];
}

/** What crm_mon showed of the node that has the VM, on that node. */
export interface Screen {
  readonly asked_ms: number;
  readonly at_ms: number;
  readonly node: string;
  readonly online: boolean;
  readonly quorum: boolean;
  readonly promoted: boolean;
  /** The attribute remus-VM. */
  readonly words: string | null;
  /** Of the VM on this node. */
  readonly failures: readonly { readonly exit_code: number; readonly reason: string }[];
}

/** An answer that the client has got. */
export interface Heard {
  readonly at_ms: number;
  readonly boot: string;
}

/** All that is known of a round. */
export interface Evidence {
  readonly vm: string;
  /** Those that struck something. */
  readonly faults: readonly Fault[];
  readonly looks: readonly Look[];
  readonly screens: readonly Screen[];
  readonly sightings: readonly Sighting[];
  /** The client's window over the round. */
  readonly client: Summary;
  readonly answers: readonly Heard[];
  /** Boots that the client had seen before the round; the last of them is the one that ran. */
  readonly boots_before: readonly string[];
  /** What is left over although the VM is protected again, in words. */
  readonly left: readonly string[];
  /** Why the VM was not protected again in time; null when it was. */
  readonly not_well: string | null;
}

/** Tolerances, milliseconds. */
export interface Bounds {
  /** Attributes and crm_mon lag behind. */
  readonly alone_ms: number;
  /** Without an intelligible word about a VM that runs. */
  readonly silent_ms: number;
  /** Until Pacemaker shows a degraded monitor: several of its intervals. */
  readonly unsaid_ms: number;
  /** The guest stands still although its node does not: replication_timeout, and graces on top. */
  readonly still_ms: number;
}

/** For a busy machine. */
export const BOUNDS: Bounds = {
  alone_ms: 10_000,
  silent_ms: 30_000,
  unsaid_ms: 40_000,
  still_ms: 30_000,
};

/** A promise of DESIGN's that was broken; `what` in a sentence. */
export interface Violation {
  readonly promise: string;
  readonly what: string;
}

/** Everything that may be said of a VM that runs; anything else is silence. */
const INTELLIGIBLE =
  /^(protected|syncing \d+%|unprotected(, output held)?: .+|promoting|starting|handing over|shutting down|stopped: .+|replica: .+|no replica: .+)$/;

/** Every promise that was broken. */
export function examine(evidence: Evidence, bounds: Bounds = BOUNDS): Violation[] {
  return [
    ...twoCopies(evidence),
    ...backInTime(evidence),
    ...memoryLost(evidence),
    ...alone(evidence, bounds),
    ...silent(evidence, bounds),
    ...unsaid(evidence, bounds),
    ...standsStill(evidence, bounds),
    ...evidence.left.map((what) => ({ promise: 'P6', what: `left over: ${what}` })),
    ...(evidence.not_well === null ? [] : [{ promise: 'liveness', what: evidence.not_well }]),
  ];
}

function twoCopies({ sightings }: Evidence): Violation[] {
  const [first] = sightings;
  if (first === undefined) return [];
  const copies = first.copies.map(({ node, name, domid }) => `${name}(${domid}) on ${node}`);
  const what = `${first.vm} ran twice, ${sightings.length} times seen, first at ${first.at}: ${copies.join(' and ')}`;
  return [{ promise: 'P1', what }];
}

function backInTime({ client, answers, boots_before }: Evidence): Violation[] {
  const seen = Object.entries(client.counts).filter(
    ([kind, n]) => kind !== 'boot-changed' && n > 0,
  );
  const example = JSON.stringify(client.violations.find(({ kind }) => kind !== 'boot-changed'));
  const back = seen.map(([kind, n]) => ({
    promise: 'P3',
    what: `the client saw ${kind}, ${n} times, e.g. ${example}`,
  }));
  const again = bootAgain(boots_before, answers);
  if (again === undefined) return back;
  const what = `boot ${again.boot} answered again at ${iso(again.at_ms)}, after a later one`;
  return [...back, { promise: 'P3', what }];
}

/** An answer of a boot that another one had followed. */
function bootAgain(before: readonly string[], answers: readonly Heard[]): Heard | undefined {
  const gone = new Set(before);
  let now = before.at(-1);
  for (const heard of answers) {
    if (heard.boot === now) continue;
    if (gone.has(heard.boot)) return heard;
    gone.add(heard.boot);
    now = heard.boot;
  }
  return undefined;
}

function memoryLost({ client, faults }: Evidence): Violation[] {
  const boots = client.counts['boot-changed'];
  if (boots === 0 || mayBoot(faults)) return [];
  const what = 'the guest has booted anew, and no fault explains why its memory was lost';
  return [{ promise: 'memory', what }];
}

/** A time in which something held all the while, by whatever was seen. */
interface Stretch {
  readonly from_ms: number;
  readonly to_ms: number;
  /** Of it, as far as somebody looked: a machine that is too busy to look is too busy for what is looked at, as well. */
  readonly seen_ms: number;
}

/** One look counts for so long at most. */
const LOOK_MAX_MS = 1_000;
const SCREEN_MAX_MS = 4_000;

function stretches<T extends { readonly at_ms: number }>(
  seen: readonly T[],
  max_ms: number,
  holds: (one: T) => boolean,
): Stretch[] {
  const found: Stretch[] = [];
  let now: Stretch | null = null;
  for (const one of seen) {
    if (!holds(one)) {
      if (now !== null) found.push(now);
      now = null;
    } else if (now === null) now = { from_ms: one.at_ms, to_ms: one.at_ms, seen_ms: 0 };
    else now = longerBy(now, one.at_ms, max_ms);
  }
  return now === null ? found : [...found, now];
}

function longerBy({ from_ms, to_ms, seen_ms }: Stretch, at_ms: number, max_ms: number): Stretch {
  return { from_ms, to_ms: at_ms, seen_ms: seen_ms + Math.min(at_ms - to_ms, max_ms) };
}

function longer(found: readonly Stretch[], than_ms: number): Stretch | undefined {
  return found.find(({ seen_ms }) => seen_ms > than_ms);
}

function inWords({ from_ms, to_ms }: Stretch): string {
  return `for ${((to_ms - from_ms) / 1000).toFixed(1)} s from ${iso(from_ms)} on`;
}

function iso(at_ms: number): string {
  return new Date(at_ms).toISOString();
}

/** A node that hangs has its replica still: only when it has lost it, or its power, there is none. */
function hasReplica({ nodes }: Look, vm: string): boolean {
  return nodes.some(({ domains }) => domains.some(({ name }) => name === `${vm}--incoming`));
}

/** P4: "protected" on the screen, no replica anywhere, and the guest's words go out all the same. */
function alone({ vm, looks, screens, answers }: Evidence, { alone_ms }: Bounds): Violation[] {
  const claimed = stretches(screens, SCREEN_MAX_MS, ({ words }) => words === 'protected');
  return claimed.flatMap((claim) => {
    const during = looks.filter(({ at_ms }) => at_ms >= claim.from_ms && at_ms <= claim.to_ms);
    const without = stretches(during, LOOK_MAX_MS, (look) => !hasReplica(look, vm));
    const found = longer(without, alone_ms);
    if (found === undefined) return [];
    const late_ms = found.to_ms - (found.seen_ms - alone_ms);
    const out = answers.filter(({ at_ms }) => at_ms > late_ms && at_ms < found.to_ms).length;
    if (out === 0) return [];
    const what = `crm_mon said "protected" without any replica ${inWords(found)}, with ${out} answers`;
    return [{ promise: 'P4', what }];
  });
}

/** P4: it runs, and crm_mon has no word about it. */
function silent({ screens }: Evidence, { silent_ms }: Bounds): Violation[] {
  const mute = ({ words, failures, online, quorum }: Screen): boolean =>
    online && quorum && failures.length === 0 && !INTELLIGIBLE.test(words ?? '');
  const found = longer(stretches(screens, SCREEN_MAX_MS, mute), silent_ms);
  if (found === undefined) return [];
  const words = screens.find(({ at_ms }) => at_ms === found.from_ms)?.words ?? 'nothing';
  return [{ promise: 'P4', what: `crm_mon said ${words} of the VM ${inWords(found)}` }];
}

/** P4: unprotected for long, and no operation of Pacemaker's that shows it. */
function unsaid({ screens }: Evidence, { unsaid_ms }: Bounds): Violation[] {
  const hidden = ({ words, failures, online, quorum, promoted }: Screen): boolean =>
    online && quorum && promoted && /^unprotected/.test(words ?? '') && failures.length === 0;
  const found = longer(stretches(screens, SCREEN_MAX_MS, hidden), unsaid_ms);
  if (found === undefined) return [];
  const what = `unprotected, and Pacemaker showed no degraded monitor ${inWords(found)}`;
  return [{ promise: 'P4', what }];
}

/** P5: a domain that does not run, on a node that does. */
function standsStill({ vm, looks }: Evidence, { still_ms }: Bounds): Violation[] {
  const names = [...new Set(looks.flatMap(({ nodes }) => nodes.map(({ node }) => node)))];
  return names.flatMap((name) => {
    const still = stretches(looks, LOOK_MAX_MS, ({ nodes }) =>
      nodes.some(
        ({ node, power, domains }) =>
          node === name && power === 'on' && domains.some((one) => one.name === vm && !one.running),
      ),
    );
    const found = longer(still, still_ms);
    if (found === undefined) return [];
    return [{ promise: 'P5', what: `the guest on ${name} stood still ${inWords(found)}` }];
  });
}
