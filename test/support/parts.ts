/**
 * The parts of the whole test run, in the order in which they run: quick and static first. `checks` are
 * one test each (they pass or they do not), `suites` are run by mocha and counted test by test.
 */
import { readFileSync } from 'node:fs';

/** A program whose exit code is the result. */
export interface Check {
  readonly kind: 'check';
  readonly name: string;
  readonly argv: readonly string[];
  readonly deadline_s: number;
}

/** Compiled mocha files under `dir`. */
export interface Suite {
  readonly kind: 'suite';
  readonly name: string;
  readonly dir: string;
  /** The mocha settings for a run by hand; the timeout is taken from it. */
  readonly mocharc: string;
  /** Print each test as it ends, not only each file's sum: for tests that take seconds. */
  readonly each: boolean;
  /** How many processes share its files, one file at a time each. Default 1: its tests share something of the machine's. */
  readonly lanes?: number;
  /** Each lane has networks, mounts and a lab of its own (needs root). */
  readonly apart?: boolean;
  readonly deadline_s: number;
  /** Left out when less than this is left of the run's time. */
  readonly needs_s?: number;
}

export type Part = Check | Suite;

/** Our own tests give the run other parts, in a JSON file that this names. */
const parts_file = process.env['REMUS_TEST_PARTS'];

const bin = (path: string) => [process.execPath, `node_modules/${path}`];

const our_parts: readonly Part[] = [
  {
    kind: 'check',
    name: 'types',
    argv: [...bin('typescript/bin/tsc'), '-p', 'tsconfig.json', '--noEmit'],
    deadline_s: 300,
  },
  {
    kind: 'check',
    name: 'shell',
    argv: ['sh', '-c', 'shellcheck --severity=style $(sh test/support/list-sh.sh)'],
    deadline_s: 300,
  },
  {
    kind: 'check',
    name: 'format',
    argv: [...bin('prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'],
    deadline_s: 300,
  },
  {
    kind: 'check',
    name: 'lint',
    argv: [...bin('eslint/bin/eslint.js'), '.'],
    deadline_s: 600,
  },
  {
    kind: 'suite',
    name: 'unit',
    dir: 'dist/test/unit',
    mocharc: '.mocharc.unit.json',
    each: false,
    // Much of it waits, for processes that start or for a deadline to pass.
    lanes: 3,
    deadline_s: 900,
  },
  {
    kind: 'suite',
    name: 'transcripts',
    dir: 'dist/test/transcripts',
    mocharc: '.mocharc.unit.json',
    each: false,
    deadline_s: 300,
  },
  {
    kind: 'suite',
    name: 'cluster',
    dir: 'dist/test/cluster',
    mocharc: '.mocharc.cluster.json',
    each: true,
    // A cluster waits most of the time.
    lanes: 2,
    apart: true,
    deadline_s: 2700,
  },
  {
    kind: 'suite',
    name: 'xen',
    dir: 'dist/test/xen/smoke',
    mocharc: '.mocharc.xen.json',
    each: true,
    // 8 to 10 minutes on a quiet machine, of which 2 for the image when it is not there yet.
    deadline_s: 1200,
    needs_s: 900,
  },
];

export const parts: readonly Part[] =
  parts_file === undefined
    ? our_parts
    : (JSON.parse(readFileSync(parts_file, 'utf8')) as readonly Part[]);

/** The parts that the first argument names: a part, `check` for all checks, or nothing for all. */
export function select(name: string | undefined): readonly Part[] {
  if (name === undefined) return parts;
  if (name === 'check') return parts.filter((part) => part.kind === 'check');
  return parts.filter((part) => part.name === name);
}
