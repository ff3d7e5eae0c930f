/**
 * One mocha process: node run-suite.js SUITE RECORDS [GREP]. It ends by itself when nothing holds the event
 * loop any more; a suite that leaves something open is ended, and counted as failed, by run-all.
 * SIGINT, SIGTERM or the loss of stdin (run-all has died) stop it after the running test; clean-up that must
 * happen belongs into after hooks and, for the hard case, into process.on('exit').
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Mocha from 'mocha';
import type { Suite } from './parts.js';
import { parts } from './parts.js';
import { leave_ms, stop_grace_ms } from './patience.js';
import { Reporter } from './reporter.js';

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

/** A promise that nobody awaits is a bug of the running test: mocha hears of thrown errors only. */
function failOnUnhandledRejections(): void {
  process.on('unhandledRejection', (reason) => {
    throw reason instanceof Error ? reason : new Error(`rejected with ${String(reason)}`);
  });
}

/** Says what keeps the process, shortly before run-all ends it for that. */
function nameLeaks(): void {
  setTimeout(() => {
    const held = process.getActiveResourcesInfo();
    console.log(`  left open after the last test: ${held.join(', ')}`);
  }, leave_ms / 2).unref();
}

function stopWith(runner: Mocha.Runner): void {
  let ended = false;
  runner.once('end', () => (ended = true));
  const stop = () => {
    if (ended) process.exit(1);
    runner.abort();
    setTimeout(() => process.exit(1), stop_grace_ms).unref();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.stdin.once('end', stop).resume();
  // The pipe from run-all must not keep a finished run alive.
  (process.stdin as unknown as { unref(): void }).unref();
}

async function main(name: string, records: string, grep: string | undefined): Promise<void> {
  const suite = parts.find((part): part is Suite => part.kind === 'suite' && part.name === name);
  if (suite === undefined) throw new Error(`no suite named ${name}`);
  const mocha = new Mocha({
    timeout: timeoutOf(suite),
    forbidOnly: true,
    failZero: true,
    reporter: Reporter as unknown as string,
    reporterOptions: { records, each: suite.each },
  });
  if (grep !== undefined) mocha.grep(new RegExp(grep));
  for (const file of testFiles(suite.dir)) mocha.addFile(file);
  failOnUnhandledRejections();
  await mocha.loadFilesAsync();
  stopWith(
    mocha.run((failures) => {
      process.exitCode = failures > 0 ? 1 : 0;
      nameLeaks();
    }),
  );
}

const [name = '', records = '', grep] = process.argv.slice(2);
await main(name, records, grep);
