/**
 * One lane of a suite: node run-suite.js SUITE RECORDS [GREP]. Takes file after file, each by a mocha of its own, until the
 * lanes of the suite, whose records lie in the same directory, have taken them all. It ends by itself when nothing holds the
 * event loop any more; a lane that leaves something open is ended, and counted as failed, by run-all.
 * SIGINT, SIGTERM or the loss of stdin (run-all has died) stop it after the running test; clean-up that must
 * happen belongs into after hooks and, for the hard case, into process.on('exit').
 */
import { appendFileSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import Mocha from 'mocha';
import { OpenHandles } from './open-handles.js';
import type { Suite } from './parts.js';
import { parts } from './parts.js';
import { leave_ms, stop_grace_ms } from './patience.js';
import type { TestRecord } from './records.js';
import { Reporter } from './reporter.js';

interface Run {
  readonly suite: Suite;
  readonly records: string;
  readonly timeout_ms: number;
  readonly grep: string | undefined;
}

let runner: Mocha.Runner | undefined;
let told_to_stop = false;

function testFiles(dir: string): string[] {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.test.js'))
    .sort()
    .map((name) => resolve(join(dir, name)));
}

function timeoutOf(suite: Suite): number {
  const settings = JSON.parse(readFileSync(suite.mocharc, 'utf8')) as { timeout: number };
  return settings.timeout;
}

/** Takes a file for this lane; false when another one has it. */
function take(records: string, number: number): boolean {
  try {
    mkdirSync(join(dirname(records), `taken-${number}`));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** A promise that nobody awaits is a bug of the running test: mocha hears of thrown errors only. */
function failOnUnhandledRejections(): void {
  process.on('unhandledRejection', (reason) => {
    throw reason instanceof Error ? reason : new Error(`rejected with ${String(reason)}`);
  });
}

function stopWhenTold(): void {
  const stop = () => {
    told_to_stop = true;
    if (runner === undefined) process.exit(1);
    runner.abort();
    setTimeout(() => process.exit(1), stop_grace_ms).unref();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.stdin.once('end', stop).resume();
  // The pipe from run-all must not keep a finished run alive.
  (process.stdin as unknown as { unref(): void }).unref();
}

/** @returns the number of failures. */
async function runFile(file: string, { suite, records, timeout_ms, grep }: Run): Promise<number> {
  const mocha = new Mocha({
    timeout: timeout_ms,
    forbidOnly: true,
    reporter: Reporter as unknown as string,
    reporterOptions: { records, each: suite.each },
  });
  if (grep !== undefined) mocha.grep(new RegExp(grep));
  mocha.addFile(file);
  await mocha.loadFilesAsync();
  const failures = await new Promise<number>((done) => (runner = mocha.run(done)));
  runner = undefined;
  // Takes its listeners off this process.
  mocha.dispose();
  return failures;
}

async function main(name: string, records: string, grep: string | undefined): Promise<void> {
  const suite = parts.find((part): part is Suite => part.kind === 'suite' && part.name === name);
  if (suite === undefined) throw new Error(`no suite named ${name}`);
  const run = { suite, records, timeout_ms: timeoutOf(suite), grep };
  failOnUnhandledRejections();
  stopWhenTold();
  const open = new OpenHandles();
  for (const [number, file] of testFiles(suite.dir).entries()) {
    if (told_to_stop || !take(records, number)) continue;
    if ((await runFile(file, run)) > 0) process.exitCode = 1;
    open.note(relative('dist/test', file));
  }
  const ended: TestRecord = { event: 'end' };
  if (!told_to_stop) appendFileSync(records, `${JSON.stringify(ended)}\n`);
  // Shortly before run-all ends us for it.
  setTimeout(() => console.log(open.report()), leave_ms / 2).unref();
}

const [name = '', records = '', grep] = process.argv.slice(2);
await main(name, records, grep);
