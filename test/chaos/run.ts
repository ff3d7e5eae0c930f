/** Rounds on a lab of their own, one after the other; after a broken one the lab is made anew. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OutsideClient } from '../cluster/lab/client.js';
import { Lab } from '../cluster/lab/lab.js';
import type { Roles } from '../cluster/support/observed.js';
import { freshLab } from '../cluster/support/well.js';
import { type Around, type RoundResult, playRound } from './round.js';
import { type Round, scheduleText, strikeWords } from './schedule.js';
import { Stage } from './stage.js';

/** Corosync's token timeout: short, so that many faults fit into a minute. */
const TOKEN_MS = 1_000;
/** As the manual recommends for two nodes: the one with the VM wins the race to fence. */
const PRIORITY_FENCING_DELAY = '2s';
const LAB_TRIES = 5;
const FIRST_ANSWER_MS = 30_000;

/** What to play, and where to tell it. */
export interface ChaosOptions {
  readonly nodes: 2 | 3;
  /** For the record. */
  readonly seed: number | null;
  readonly rounds: Iterable<Round>;
  /** No round begins later. */
  readonly minutes: number;
  readonly say: (line: string) => void;
  /** A round is over. */
  readonly ended?: (result: RoundResult) => void;
  readonly lab?: Lab;
  /** Schedules and logs of broken rounds go here; default: a new directory. */
  readonly room?: string;
}

/** What is up while rounds go well. */
interface Scene extends Omit<Around, 'tell'> {
  readonly close: () => Promise<void>;
}

/** Plays the rounds; the lab is down when it resolves. */
export async function runChaos(options: ChaosOptions): Promise<RoundResult[]> {
  const { say, minutes, rounds } = options;
  const lab = options.lab ?? new Lab();
  const room = options.room ?? mkdtempSync(join(tmpdir(), 'remus-chaos-'));
  const end_ms = Date.now() + minutes * 60_000;
  const results: RoundResult[] = [];
  let scene: Scene | null = null;
  try {
    for (const round of rounds) {
      if (Date.now() >= end_ms) break;
      scene ??= await setScene(lab, options, room);
      const result = await playAndTell(round, scene, say);
      results.push(result);
      options.ended?.(result);
      if (result.violations.length === 0) continue;
      await keep(lab, join(room, `round-${round.number}`), { ...options, round, result });
      await scene.close();
      scene = null;
    }
  } finally {
    await scene?.close();
    await lab.down();
  }
  return results;
}

async function setScene(lab: Lab, { nodes, say }: ChaosOptions, room: string): Promise<Scene> {
  const { primary } = await labAtLast(lab, nodes, say);
  const watcher = await lab.watch();
  const client_log = join(mkdtempSync(join(room, 'client-')), 'answers.jsonl');
  const client = await OutsideClient.start({ log: client_log, lab: lab.dir });
  const heard = async (): Promise<boolean> => (await client.report()).last !== null;
  await lab.waitFor('the guest answers the outside client', heard, FIRST_ANSWER_MS);
  return {
    ...{ watcher, client_log },
    stage: new Stage(lab, client, primary),
    close: async () => {
      await Promise.allSettled([client.stop(), watcher.stop()]);
    },
  };
}

/** A machine that is too busy even for that may be less so a little later. */
async function labAtLast(lab: Lab, nodes: number, say: ChaosOptions['say']): Promise<Roles> {
  const options = { token_ms: TOKEN_MS, priorityFencingDelay: PRIORITY_FENCING_DELAY };
  for (let left = LAB_TRIES; ; left -= 1) {
    try {
      return await freshLab(lab, nodes, options);
    } catch (error) {
      if (left <= 1) throw error;
      say(`no lab yet: ${String(error).split('\n')[0] ?? ''}`);
    }
  }
}

async function playAndTell(
  round: Round,
  scene: Scene,
  say: ChaosOptions['say'],
): Promise<RoundResult> {
  say(`round ${round.number} (${new Date().toISOString()}):`);
  for (const one of round.strikes) say(`  plan ${stamp(one.at_ms)}  ${strikeWords(one)}`);
  const tell = (text: string, at_ms = 0): void => say(`       ${stamp(at_ms)}  ${text}`);
  const result = await playRound(round, { ...scene, tell });
  const silence = Math.max(0, ...result.outages.map(({ silence_ms }) => silence_ms));
  const again = result.healed_to_protected_ms;
  say(
    `  ${result.violations.length === 0 ? 'kept' : 'BROKEN'}: longest silence ${stamp(silence).trim()}, protected ${again === null ? 'NEVER' : `${stamp(again).trim()} after the heal`}, ${result.answers} answers, ${result.boots} boots`,
  );
  for (const { promise, what } of result.violations) say(`  VIOLATION of ${promise}: ${what}`);
  return result;
}

function stamp(at_ms: number): string {
  return `${(at_ms / 1000).toFixed(1)} s`.padStart(8);
}

/** All that is needed to understand it, and to play it again. */
async function keep(
  lab: Lab,
  dir: string,
  { say, nodes, seed, round, result }: ChaosOptions & { round: Round; result: RoundResult },
): Promise<void> {
  mkdirSync(dir, { recursive: true });
  const schedule = join(dir, 'schedule.json');
  writeFileSync(schedule, scheduleText({ seed, nodes, rounds: [round] }));
  writeFileSync(join(dir, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
  await lab.collectLogs(dir).catch((error: unknown) => say(`  no logs: ${String(error)}`));
  say(`  logs: ${dir}`);
  say(`  again: npm run chaos -- --schedule ${schedule}`);
}
