/** Feeds a target with one input after another, for so long or so many; keeps what breaks a rule. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../simulator/random.js';
import { Finding, type Target } from './target.js';

export interface FuzzOptions {
  readonly name: string;
  readonly seed: number;
  /** Whichever comes first. */
  readonly inputs: number;
  readonly minutes: number;
  /** Where failing inputs go. */
  readonly out: string;
  /** After so many findings there is enough to do. */
  readonly findings_max: number;
  readonly say: (text: string) => void;
  /** Ends it in good order, with the processes that it has started. */
  readonly stop?: AbortSignal;
}

export interface Fuzzed {
  readonly inputs: number;
  /** Commands that show each finding again. */
  readonly findings: readonly string[];
  /** What came of how many inputs. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/** For one input: what takes longer hangs. */
const INPUT_MS = 60_000;
/** A process remembers: so many inputs are kept with the one that showed it. */
const RECENT = 4;

export async function fuzz(target: Target, options: FuzzOptions): Promise<Fuzzed> {
  const end_ms = performance.now() + options.minutes * 60_000;
  const outcomes = new Map<string, number>();
  const findings: string[] = [];
  let inputs = 0;
  let recent: Buffer[] = [];
  await target.open();
  try {
    const over = (): boolean => performance.now() >= end_ms || options.stop?.aborted === true;
    while (inputs < options.inputs && !over()) {
      const input = target.make(new Random(options.seed * 0x10_0000 + inputs));
      inputs += 1;
      recent = [...recent.slice(1 - RECENT), input];
      const outcome = await attempt(target, input);
      if (outcome instanceof Error) {
        findings.push(keep(options, inputs, recent, outcome));
        if (findings.length >= options.findings_max) break;
        await target.close();
        await target.open();
        recent = [];
      } else outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  } finally {
    await target.close();
  }
  return { inputs, findings, outcomes };
}

/** @returns its outcome, or what is wrong: whatever is thrown is a finding. */
export async function attempt(target: Target, input: Buffer): Promise<string | Error> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Finding(`it took longer than ${INPUT_MS} ms`)), INPUT_MS);
  });
  try {
    return await Promise.race([target.feed(input), late]);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    clearTimeout(timer);
  }
}

/** With those before it, which may have had a part in it. */
function keep(
  { name, seed, out, say }: FuzzOptions,
  n: number,
  recent: readonly Buffer[],
  why: Error,
): string {
  mkdirSync(out, { recursive: true });
  const files = recent.map((input, i) => {
    const file = join(out, `${name}-${seed}-${n - recent.length + 1 + i}.bin`);
    writeFileSync(file, input);
    return `--replay ${file}`;
  });
  const command = `npm run fuzz -- --target ${name} ${files.join(' ')}`;
  const what = why instanceof Finding ? why.message : (why.stack ?? why.message);
  say(`FOUND: ${what}\n  again: ${command}\n`);
  return command;
}
