// tc for the simulated guests: plug qdiscs on ifbs, ingress qdiscs and redirects on vifs. What concerns other devices goes to the real tc.
import { spawnSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { err } from './stdio.js';
import { type Answer, runLine } from './tc-commands.js';

const REAL_TC = process.env.SIMXEN_REAL_TC ?? '/sbin/tc';

interface Flags {
  readonly stats: boolean;
  readonly json: boolean;
  readonly force: boolean;
  readonly batch: string | undefined;
  readonly rest: readonly string[];
}

function parseFlags(args: readonly string[]): Flags {
  let [stats, json, force] = [false, false, false];
  let batch: string | undefined;
  let at = 0;
  for (; at < args.length && args[at]?.startsWith('-') === true; at++) {
    const flag = (args[at] ?? '').replace(/^--/, '-');
    if (flag === '-s' || flag === '-stats' || flag === '-statistics') stats = true;
    else if (flag === '-j' || flag === '-json') json = true;
    else if (flag === '-force') force = true;
    else if (flag === '-b' || flag === '-batch') batch = args[++at] ?? '-';
    else break;
  }
  return { stats, json, force, batch, rest: args.slice(at) };
}

function realTc(args: readonly string[]): number {
  return spawnSync(REAL_TC, args, { stdio: 'inherit' }).status ?? 1;
}

async function run(words: readonly string[], flags: Flags): Promise<number> {
  const answer: Answer = await runLine(words, flags);
  if (answer !== 'real') return answer;
  return realTc([...(flags.stats ? ['-s'] : []), ...(flags.json ? ['-j'] : []), ...words]);
}

/** Each line takes effect when it comes. As tc does without -force, the first failure ends it. */
async function runBatch(flags: Flags): Promise<number> {
  const name = flags.batch ?? '-';
  const input = name === '-' ? process.stdin : createReadStream(name);
  let number = 0;
  let code = 0;
  for await (const text of createInterface({ input, crlfDelay: Infinity })) {
    number++;
    const words = text.replace(/#.*/, '').split(/\s+/).filter(Boolean);
    if (words.length === 0) continue;
    if ((await run(words, flags)) === 0) continue;
    err(`Command failed ${name}:${number}`);
    code = 1;
    if (!flags.force) break;
  }
  return code;
}

const flags = parseFlags(process.argv.slice(2));
process.exitCode = flags.batch === undefined ? await run(flags.rest, flags) : await runBatch(flags);
process.exit();
