/**
 * `npm test`: every check and every suite, or `npm test -- PART [GREP]`. Prints the time of each part, and as
 * the very last line `N passed, N failed`. A crash, a hang, a left-over handle or an empty suite is a failure.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Check, Part, Suite } from './parts.js';
import { parts, select } from './parts.js';
import { clean_up_ms, leave_ms } from './patience.js';
import { lastLine, readRecords } from './records.js';
import type { Tally } from './records.js';
import { left_s } from './time-left.js';

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why we ended it, when we did. */
  readonly because?: string;
}

interface Running {
  readonly child: ChildProcess;
  end(because: string): void;
}

const running = new Set<Running>();
let interrupted: string | undefined;

/** Signals the child's whole process group: it was started as the leader of its own. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has gone already.
  }
}

interface Started extends Running {
  readonly ended: Promise<Ended>;
}

function start(argv: readonly string[], deadline_s: number, env: Place['env'] = {}): Started {
  const [program = '', ...args] = argv;
  // stdin stays open as long as we live: a suite stops when it closes.
  const child = spawn(program, args, {
    detached: true,
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  let because: string | undefined;
  let killer: NodeJS.Timeout | undefined;
  const end = (why: string) => {
    if (because !== undefined) return;
    because = why;
    if (child.pid !== undefined) child.kill('SIGTERM');
    killer = setTimeout(() => signalGroup(child, 'SIGKILL'), clean_up_ms);
  };
  const deadline = setTimeout(() => end(`not done after ${deadline_s} s`), deadline_s * 1000);
  const one = { child, end };
  running.add(one);
  const ended = new Promise<Ended>((resolve) => {
    const done = (ended: Ended) => {
      clearTimeout(deadline);
      clearTimeout(killer);
      running.delete(one);
      resolve(because === undefined ? ended : { ...ended, because });
    };
    child.once('error', (error) => {
      because ??= error.message;
      done({ code: null, signal: null });
    });
    child.once('exit', (code, signal) => done({ code, signal }));
  });
  return { ...one, ended };
}

function describe(ended: Ended): string {
  if (ended.because !== undefined) return ended.because;
  return ended.signal === null ? `exit code ${ended.code ?? '?'}` : `killed by ${ended.signal}`;
}

async function runCheck(check: Check): Promise<Tally> {
  const { ended: end } = start(check.argv, check.deadline_s);
  const ended = await end;
  if (ended.code === 0 && ended.because === undefined) return { passed: 1, failed: 0, skipped: 0 };
  console.log(`  FAIL  ${check.name}: ${describe(ended)}: ${check.argv.join(' ')}`);
  return { passed: 0, failed: 1, skipped: 0 };
}

/** Ends a lane that has said `end` and does not leave. */
function watchForLeak(lane: Running, records: string): NodeJS.Timeout {
  let end_seen_at: number | undefined;
  return setInterval(() => {
    if (end_seen_at === undefined && readRecords(records).ended) end_seen_at = performance.now();
    if (end_seen_at !== undefined && performance.now() - end_seen_at > leave_ms)
      lane.end('all tests have ended, and something still holds the event loop');
  }, 250);
}

interface Place {
  /** What goes before the command. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Namespaces of networks and mounts, and names of a lab, in which nothing of another lane's is to be seen. */
function apart(name: string): Place {
  const inside =
    'mkdir -p /run/netns && mount -t tmpfs netns /run/netns && mount --make-shared /run/netns && ip link set lo up && exec "$@"';
  return {
    argv: ['unshare', '--mount', '--net', '--propagation', 'private', 'sh', '-c', inside, 'lane'],
    env: { REMUS_LAB: `/run/remus-lab-${name}`, REMUS_LAB_CGROUP: `remus-lab-${name}` },
  };
}

/** One of the processes that share a suite's files. */
async function runLane(suite: Suite, records: string, grep: string | undefined): Promise<Tally> {
  writeFileSync(records, '');
  const script = join(import.meta.dirname, 'run-suite.js');
  const argv = [process.execPath, '--enable-source-maps', script, suite.name, records];
  if (grep !== undefined) argv.push(grep);
  const place = suite.apart === true ? apart(basename(records, '.jsonl')) : { argv: [], env: {} };
  const ends_at = Math.floor(Date.now() / 1000 + suite.deadline_s);
  const env = { ...place.env, REMUS_SUITE_ENDS: String(ends_at) };
  const lane = start([...place.argv, ...argv], suite.deadline_s, env);
  const leak = watchForLeak(lane, records);
  const ended = await lane.ended;
  clearInterval(leak);
  const { passed, failed, skipped, ended: complete } = readRecords(records);
  const wrong = fault(complete, ended, failed);
  if (wrong !== undefined) console.log(`  FAIL  ${suite.name}: ${wrong}`);
  return { passed, failed: failed + (wrong === undefined ? 0 : 1), skipped };
}

/** With what is left for it; null: it does not fit any more. */
function fitted(suite: Suite): Suite | null {
  const left = Math.floor(left_s('REMUS_RUN_ENDS') - clean_up_ms / 1000);
  if (left >= (suite.needs_s ?? 0))
    return { ...suite, deadline_s: Math.min(suite.deadline_s, left) };
  console.log(
    `  left out: it needs ${suite.needs_s} s, and the run has ${left}: ./run-tests ${suite.name}`,
  );
  return null;
}

async function runSuite(whole: Suite, grep: string | undefined): Promise<Tally> {
  const suite = fitted(whole);
  if (suite === null) return { passed: 0, failed: 0, skipped: 1 };
  const dir = mkdtempSync(join(tmpdir(), 'remus-tests-'));
  const lanes = Array.from({ length: suite.lanes ?? 1 }, (_, lane) =>
    runLane(suite, join(dir, `${lane}.jsonl`), grep),
  );
  const sum: Tally = { passed: 0, failed: 0, skipped: 0 };
  for (const tally of await Promise.all(lanes)) add(sum, tally);
  rmSync(dir, { recursive: true, force: true });
  if (sum.passed + sum.failed + sum.skipped === 0) {
    console.log(`  FAIL  ${suite.name}: there was no test to run`);
    sum.failed = 1;
  }
  return sum;
}

/** What is wrong with a lane beyond its failed tests. */
function fault(complete: boolean, ended: Ended, failed: number): string | undefined {
  if (ended.because !== undefined) return ended.because;
  if (!complete) return `mocha died before its last test (${describe(ended)})`;
  if (ended.code !== 0 && failed === 0) return `mocha ended with ${describe(ended)}`;
  return undefined;
}

function add(sum: Tally, tally: Tally): void {
  sum.passed += tally.passed;
  sum.failed += tally.failed;
  sum.skipped += tally.skipped;
}

async function runPart(part: Part, grep: string | undefined): Promise<Tally> {
  console.log(`== ${part.name}`);
  const began = performance.now();
  const tally = part.kind === 'check' ? await runCheck(part) : await runSuite(part, grep);
  const took = ((performance.now() - began) / 1000).toFixed(1);
  const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : '';
  console.log(`== ${part.name}: ${lastLine(tally)}${skipped} in ${took} s`);
  return tally;
}

async function main(name: string | undefined, grep: string | undefined): Promise<Tally> {
  const sum: Tally = { passed: 0, failed: 0, skipped: 0 };
  const chosen = select(name);
  if (chosen.length === 0) {
    const names = ['check', ...parts.map((part) => part.name)].join(' ');
    console.log(`There is no part named "${name ?? ''}". Parts: ${names}`);
    return { ...sum, failed: 1 };
  }
  for (const part of chosen) {
    if (interrupted !== undefined) break;
    add(sum, await runPart(part, grep));
  }
  if (interrupted !== undefined) {
    console.log(`Interrupted by ${interrupted}: not all tests have run.`);
    sum.failed = Math.max(sum.failed, 1);
  }
  return sum;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted = signal;
    for (const one of running) one.end(`interrupted by ${signal}`);
  });
}

const [name, grep] = process.argv.slice(2);
const sum = await main(name, grep);
console.log(lastLine(sum));
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1;
