/** One round: the faults strike, all is healed, the VM must be protected again; and the evidence of what happened. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Roles,
  VM,
  protectedNow,
  readAnswers,
  untilProtected,
} from '../cluster/support/observed.js';
import { anythingLeft, leftOvers } from '../cluster/support/left-overs.js';
import type { Watcher } from '../cluster/lab/watcher.js';
import { type Evidence, type Violation, examine } from './checker.js';
import { untilHappens } from './ambush.js';
import { strike } from './effects.js';
import { heal, nudge } from './heal.js';
import { type Outage, type Struck, outages } from './numbers.js';
import { type Round, type Strike, faultWords } from './schedule.js';
import type { Stage } from './stage.js';
import { Looker } from './watch.js';

/**
 * The bound of liveness, after the end of all faults: counted in looks, each half a second and more, so that a machine that is
 * too busy for looking gives more time.
 */
const LOOKS_MAX = 360;
const LOOK_AGAIN_MS = 400;
/** Before an operator looks whether something has to be typed, and between his looks. */
const LOOKS_UNTIL_NUDGE = 40;
/** So long a fault lies in ambush. */
const AMBUSH_MS = 15_000;
/** Longer than the product looks away from a guest. */
const SETTLE_MS = 4_000;
const SETTLE_TRIES = 10;
const TIDY_MS = 45_000;
const TIDY_AGAIN_MS = 1_000;

/** What a round has shown. */
export interface RoundResult {
  readonly round: Round;
  readonly violations: readonly Violation[];
  readonly outages: readonly Outage[];
  /** From the end of the last fault until the VM was protected; null when it was not. */
  readonly healed_to_protected_ms: number | null;
  /** From the first strike on. */
  readonly struck_to_protected_ms: number | null;
  /** Faults that found somebody to strike. */
  readonly struck: number;
  readonly boots: number;
  readonly answers: number;
  /** What an operator had to type. */
  readonly typed: readonly string[];
}

/** What is around a round and outlives it. */
export interface Around {
  readonly stage: Stage;
  readonly watcher: Watcher;
  readonly client_log: string;
  /** A line for people, with the time since the round began. */
  readonly tell: (text: string, at_ms?: number) => void;
}

/** A lap that has been taken of what a process counts from its start. */
interface Lap {
  readonly sightings: number;
  readonly answers: number;
}

export async function playRound(round: Round, around: Around): Promise<RoundResult> {
  const { stage, watcher, client_log } = around;
  const before: Lap = {
    sightings: watcher.sightings().length,
    answers: readAnswers(client_log).length,
  };
  await stage.client.mark(`round ${round.number}`);
  const looker = new Looker(stage.lab);
  const began_ms = Date.now();
  const struck = await playStrikes(round.strikes, around, began_ms);
  const over = await settle(around, began_ms);
  const seen = await looker.stop();
  const all = readAnswers(client_log);
  const answers = all.slice(before.answers);
  const evidence: Evidence = {
    ...{ vm: VM, ...seen, answers },
    faults: round.strikes.map(({ fault }) => fault),
    sightings: watcher.sightings().slice(before.sightings),
    client: await stage.client.report(),
    boots_before: [...new Set(all.slice(0, before.answers).map(({ boot }) => boot))],
    left: over.left,
    not_well: over.not_well,
  };
  const answered_ms = answers.map(({ at_ms }) => at_ms);
  const since = (from_ms: number): number | null =>
    over.protected_ms === null ? null : over.protected_ms - from_ms;
  return {
    round,
    violations: examine(evidence),
    outages: outages(struck, answered_ms, over.protected_ms ?? Date.now()),
    healed_to_protected_ms: since(over.healed_ms),
    struck_to_protected_ms: since(began_ms),
    struck: struck.length,
    boots: evidence.client.counts['boot-changed'],
    answers: answers.length,
    typed: over.typed,
  };
}

/** All of them, each from its time on and until its end; which struck somebody, in the order of time. */
async function playStrikes(
  strikes: readonly Strike[],
  around: Around,
  began_ms: number,
): Promise<Struck[]> {
  const all = await Promise.all(strikes.map((each) => playStrike(each, around, began_ms)));
  return all.filter((one) => one !== null).sort((a, b) => a.at_ms - b.at_ms);
}

async function playStrike(
  { at_ms, after, fault }: Strike,
  { stage, tell }: Around,
  began_ms: number,
): Promise<Struck | null> {
  await sleep(Math.max(0, began_ms + at_ms - Date.now()));
  let struck_ms = Date.now();
  const name = faultWords(fault);
  const since = (): number => Date.now() - began_ms;
  let end: (() => Promise<unknown>) | undefined;
  try {
    if (after !== undefined) {
      await untilHappens(stage.lab, after.moment, AMBUSH_MS);
      await sleep(after.late_ms);
      struck_ms = Date.now();
    }
    const outcome = await strike(stage, fault);
    end = outcome.end;
    tell(`${name}: ${outcome.what}`, struck_ms - began_ms);
  } catch (error) {
    tell(`${name}: struck nobody: ${firstLine(error)}`, struck_ms - began_ms);
    return null;
  }
  if (end === undefined) return { kind: fault.kind, at_ms: struck_ms };
  await sleep('for_ms' in fault ? Math.max(0, struck_ms + fault.for_ms - Date.now()) : 0);
  try {
    const said = await end();
    tell(`  ends: ${name}${typeof said === 'string' ? `: ${said}` : ''}`, since());
  } catch (error) {
    tell(`  ends not by itself: ${name}: ${firstLine(error)}`, since());
  }
  return { kind: fault.kind, at_ms: struck_ms };
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split('\n')[0] ?? '').slice(0, 300);
}

/** How a round ended. */
interface Settled {
  readonly healed_ms: number;
  readonly protected_ms: number | null;
  readonly not_well: string | null;
  readonly left: readonly string[];
  readonly typed: readonly string[];
}

async function settle(around: Around, began_ms: number): Promise<Settled> {
  const { stage, tell } = around;
  const typed: string[] = [];
  let healed_ms = Date.now();
  try {
    await heal(stage);
    // Heals a whole cluster that had lost its quorum: only now has it all that it needs.
    healed_ms = Date.now();
    tell('all is healed', healed_ms - began_ms);
    const { roles, protected_ms } = await wellAtLast(stage, typed);
    tell(`protected: ${roles.primary}, replica on ${roles.backup}`, protected_ms - began_ms);
    const left = await whatIsLeft(stage, roles);
    return { healed_ms, protected_ms, not_well: null, left, typed };
  } catch (error) {
    const not_well = error instanceof Error ? error.message : String(error);
    return { healed_ms, protected_ms: null, not_well, left: [], typed };
  }
}

/**
 * Protected, and still so by the same replica a little later: what struck last may not have been noticed yet, and belongs
 * to this round.
 */
async function wellAtLast(
  stage: Stage,
  typed: string[],
): Promise<{ readonly roles: Roles; readonly protected_ms: number }> {
  for (let left = SETTLE_TRIES; ; left -= 1) {
    const roles = await protectedAgain(stage, typed);
    const protected_ms = Date.now();
    const { answers } = await stage.client.report();
    await sleep(SETTLE_MS);
    const now = await protectedNow(stage.lab).catch(() => undefined);
    const heard = (await stage.client.report()).answers > answers;
    if (now?.grant === roles.grant && heard) return { roles, protected_ms };
    if (left <= 1)
      throw new Error('protected again and again, and never for long, or without an answer');
  }
}

async function protectedAgain(stage: Stage, typed: string[]): Promise<Roles> {
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    const roles = await protectedNow(stage.lab).catch(() => undefined);
    if (roles !== undefined) return roles;
    if (looks % LOOKS_UNTIL_NUDGE === LOOKS_UNTIL_NUDGE - 1)
      typed.push(
        ...(await nudge(stage).catch((error: unknown) => [`in vain: ${firstLine(error)}`])),
      );
    await sleep(LOOK_AGAIN_MS);
  }
  return untilProtected(stage.lab, 'all is healed: the VM is protected again', LOOK_AGAIN_MS);
}

/** Pacemaker's words about the past go with the next monitors: a while for that. */
async function whatIsLeft({ lab }: Stage, roles: Roles): Promise<string[]> {
  const until_ms = Date.now() + TIDY_MS;
  for (;;) {
    const others = lab.nodes().filter((node) => ![roles.primary, roles.backup].includes(node));
    const left = await leftOvers(lab, VM, roles);
    for (const node of others) left.push(...(await anythingLeft(lab, node, VM)));
    if (left.length === 0 || Date.now() > until_ms) return left;
    await sleep(TIDY_AGAIN_MS);
  }
}
