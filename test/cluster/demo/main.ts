/**
 * The demo behind ./demo: plays the scenes on a lab of its own, tells what a client outside has seen, cleans up.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { labCommand } from '../lab/command.js';
import { Lab } from '../lab/lab.js';
import { type Stage, scenes } from './scenes.js';
import { row, say, title, verdict, waitForEnter } from './screen.js';
import { whatWasSeen } from './seen.js';

const { values: options } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    step: { type: 'boolean', default: false },
  },
});

const EXIT = { good: 0, bad: 1, SIGINT: 130, SIGHUP: 129, SIGTERM: 143, unheard: 141 } as const;
/** A lab that is on its way up when it is taken down ends soon. */
const RISING_MS = 30_000;

const state = {
  /** There is a lab, or there will be one soon, and it is ours. */
  ours: false,
  interrupted: false,
};

const stage: Stage = {
  lab: new Lab(),
  lab_words: labWords(),
  room: mkdtempSync(join(tmpdir(), 'remus-demo-')),
  seen: [],
};

function labWords(): string {
  const path = relative(process.cwd(), labCommand());
  return path.startsWith('..') ? labCommand() : path;
}

function complain(text: string): void {
  process.stderr.write(`demo: ${text}\n`);
}

async function takeDown(): Promise<void> {
  if (!state.ours) return;
  await stage.lab.down();
  if (stage.rising === undefined) return;
  // The script that brings it up may have been just about to begin.
  const settled = stage.rising.catch(() => undefined);
  await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, RISING_MS))]);
  await stage.lab.down();
}

async function stop(code: number): Promise<void> {
  if (state.interrupted) return;
  state.interrupted = true;
  try {
    await takeDown();
    rmSync(stage.room, { recursive: true, force: true });
  } finally {
    process.exit(code);
  }
}

async function play(): Promise<void> {
  if (stage.lab.nodes().length > 0)
    throw new Error(`a lab is up already; to take it down: ${stage.lab_words} down`);
  state.ours = true;
  for (const [index, scene] of scenes.entries()) {
    if (options.step && index > 0) await waitForEnter();
    title(index + 1, scene.title);
    await scene.play(stage);
  }
  if (options.step) await waitForEnter();
}

async function tell(): Promise<boolean> {
  await stage.client?.stop();
  const seen = whatWasSeen(stage.seen);
  title(scenes.length + 1, 'What the client outside has seen');
  say(
    'It asked the VM to count, one request after the other, and asked again when 250 ms had gone by',
    'without an answer.',
    '',
  );
  for (const line of seen.lines) row(line);
  verdict(
    seen.good,
    seen.good
      ? 'No answer was lost, repeated or taken back.'
      : 'This must not be: answers were lost, repeated or taken back.',
  );
  return seen.good;
}

function sayKept(): void {
  const lab = stage.lab_words;
  say(
    'The cluster is still up.',
    `  a shell in a node         ${lab} exec pm1 bash     (then: crm_mon -1A, remusctl status --watch)`,
    `  cut its power, switch on  ${lab} kill pm1, ${lab} boot pm1`,
    `  all that it can do        ${lab} help`,
    `  take it down              ${lab} down`,
  );
}

async function leave(good: boolean): Promise<number> {
  if (!good && state.ours) {
    const logs = join(stage.room, 'logs');
    await stage.lab.collectLogs(logs);
    complain(`the logs of the nodes are in ${logs}`);
  } else rmSync(stage.room, { recursive: true, force: true });
  if (options.keep && state.ours) sayKept();
  else await takeDown();
  return good ? EXIT.good : EXIT.bad;
}

async function main(): Promise<number> {
  let good = false;
  try {
    await play();
    good = await tell();
  } catch (error) {
    if (state.interrupted) return EXIT.bad;
    row('');
    complain(error instanceof Error ? error.message : String(error));
  }
  return leave(good);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    complain(`${signal}: taking the cluster down`);
    void stop(EXIT[signal]);
  });
}
// Nobody reads any more, as with: ./demo | head
process.stdout.on('error', () => void stop(EXIT.unheard));

try {
  const code = await main();
  if (!state.interrupted) process.exit(code);
} catch (error) {
  complain(String(error));
  if (!state.interrupted) process.exit(EXIT.bad);
}
