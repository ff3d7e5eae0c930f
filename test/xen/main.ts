/**
 * npm run test:xen -- [--suite bookworm|trixie|both] [--smoke | --cuts N [--netbuf off]] [--keep] [--grep WORDS]
 *
 * The tests on two real Xen hosts under emulation, then a table of what was measured. --smoke: only the main job. --cuts: only N
 * power cuts, about 4 minutes each; with --netbuf off output is not held, and they must show it. --keep: the
 * lab stays up (test/xen/xen-lab help says what to do with it). The last line is `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import { toolOptions } from '../support/tool-options.js';
import { xenLabCommand } from './support/xen-lab.js';
import { type Measured, readMeasures, table } from './support/table.js';

const options = toolOptions(import.meta.url, {
  suite: { type: 'string', default: 'bookworm' },
  smoke: { type: 'boolean', default: false },
  cuts: { type: 'string' },
  netbuf: { type: 'string', default: 'on' },
  keep: { type: 'boolean', default: false },
  grep: { type: 'string' },
  /** For the process that runs one suite. */
  result: { type: 'string' },
});

interface Result {
  readonly passed: number;
  readonly failed: number;
}

function filesOf(room: string): string[] {
  const dir = join(import.meta.dirname, room);
  const names = readdirSync(dir).filter((name) => name.endsWith('.test.js'));
  return names.sort().map((name) => join(dir, name));
}

function rooms(): readonly string[] {
  if (options.cuts !== undefined) return ['cuts'];
  return options.smoke ? ['smoke'] : ['smoke', 'full'];
}

/** All files in this process, on one lab. */
async function runSuite(): Promise<Result> {
  const mocha = new Mocha({ reporter: 'spec', forbidOnly: true });
  if (options.grep !== undefined) mocha.grep(new RegExp(options.grep));
  for (const file of rooms().flatMap(filesOf)) mocha.addFile(file);
  await mocha.loadFilesAsync();
  let passed = 0;
  const failed = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve);
    runner.on('pass', () => passed++);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => runner.abort());
  });
  return { passed, failed };
}

/** A suite in a process of its own: the release is part of its environment. */
function suiteProcess(suite: string, dir: string): Result {
  const result = join(dir, `${suite}.json`);
  const argv = [fileURLToPath(import.meta.url), '--result', result];
  if (options.smoke) argv.push('--smoke');
  if (options.keep) argv.push('--keep');
  if (options.grep !== undefined) argv.push('--grep', options.grep);
  if (options.cuts !== undefined) argv.push('--cuts', options.cuts);
  const env = {
    ...process.env,
    REMUS_XEN_SUITE: suite,
    REMUS_XEN_KEEP: '1', // from one file to the next
    REMUS_MEASURES: join(dir, `${suite}.jsonl`),
    REMUS_XEN_CUTS: options.cuts,
    REMUS_XEN_NETBUF: options.netbuf,
  };
  spawnSync(process.execPath, ['--enable-source-maps', ...argv], { stdio: 'inherit', env });
  if (!options.keep) spawnSync(xenLabCommand(), ['down'], { stdio: 'inherit', timeout: 120_000 });
  try {
    return JSON.parse(readFileSync(result, 'utf8')) as Result; // our own process
  } catch {
    return { passed: 0, failed: 1 };
  }
}

function suites(): string[] {
  if (options.suite === 'both') return ['bookworm', 'trixie'];
  if (options.suite === 'bookworm' || options.suite === 'trixie') return [options.suite];
  console.error(`test:xen: no suite "${options.suite}": bookworm, trixie or both`);
  process.exit(2);
}

function checkOptions(): void {
  if (options.cuts !== undefined && !(Number(options.cuts) > 0)) {
    console.error(`test:xen: --cuts ${options.cuts}: a number of power cuts, 1 or more`);
    process.exit(2);
  }
  if (!['on', 'off'].includes(options.netbuf)) {
    console.error(`test:xen: --netbuf ${options.netbuf}: on or off`);
    process.exit(2);
  }
}

function main(): number {
  checkOptions();
  const dir = mkdtempSync(join(tmpdir(), 'remus-xen-results-'));
  const sum = { passed: 0, failed: 0 };
  const measured = new Map<string, readonly Measured[]>();
  for (const suite of suites()) {
    const { passed, failed } = suiteProcess(suite, dir);
    sum.passed += passed;
    sum.failed += failed;
    measured.set(suite, readMeasures(join(dir, `${suite}.jsonl`)));
  }
  console.log(table(measured));
  rmSync(dir, { recursive: true, force: true });
  console.log(`${sum.passed} passed, ${sum.failed} failed`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}

if (options.result !== undefined) {
  const result = await runSuite();
  writeFileSync(options.result, JSON.stringify(result));
  process.exit(result.failed === 0 ? 0 : 1);
} else {
  process.exitCode = main();
}
