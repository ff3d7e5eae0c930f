/** Mocha's reporter: records for the run (see records.ts), and for people a line a file or a test. */
import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import mocha from 'mocha';
import type { Runner, Test } from 'mocha';
import { AdapterError } from '../../daemon/adapters/errors.js';
import type { TestRecord } from './records.js';

export interface ReporterOptions {
  readonly records: string;
  readonly each: boolean;
}

interface FileSum {
  passed: number;
  duration_ms: number;
}

/** Prints failures as mocha does, but one line for a whole file that passed when `each` is false. */
export class Reporter extends mocha.reporters.Base {
  readonly #options: ReporterOptions;
  #file = '';
  #sum: FileSum = { passed: 0, duration_ms: 0 };

  constructor(runner: Runner, options: { reporterOptions: ReporterOptions }) {
    super(runner);
    this.#options = options.reporterOptions;
    runner.on('pass', (test) => this.#passed(test));
    runner.on('fail', (test, error) => this.#failed(test, error));
    runner.on('pending', (test) => this.#record({ event: 'skip', title: test.fullTitle() }));
    runner.on('end', () => this.#end());
  }

  #record(record: TestRecord): void {
    appendFileSync(this.#options.records, `${JSON.stringify(record)}\n`);
  }

  #passed(test: Test): void {
    this.#record({ event: 'pass', title: test.fullTitle() });
    if (this.#options.each) console.log(`  ok    ${test.fullTitle()}  ${seconds(test.duration)}`);
    this.#turnTo(test.file);
    this.#sum.passed += 1;
    this.#sum.duration_ms += test.duration ?? 0;
  }

  #failed(test: Test, error: unknown): void {
    this.#record({ event: 'fail', title: test.fullTitle() });
    this.#turnTo(test.file);
    console.log(`  FAIL  ${test.fullTitle()}  ${seconds(test.duration)}`);
    // The messages of an adapter's errors are constant.
    if (error instanceof AdapterError) console.log(`        ${error.sentence}`);
  }

  /** Prints the sum of the file before, when this is another one. */
  #turnTo(file: string | undefined): void {
    const name = file === undefined ? '' : relative('dist/test', file).replace(/\.test\.js$/, '');
    if (name === this.#file) return;
    this.#flush();
    this.#file = name;
  }

  #flush(): void {
    const { passed, duration_ms } = this.#sum;
    if (passed > 0 && !this.#options.each)
      console.log(`  ok    ${this.#file} (${passed})  ${seconds(duration_ms)}`);
    this.#sum = { passed: 0, duration_ms: 0 };
  }

  #end(): void {
    this.#flush();
    if (this.failures.length > 0) mocha.reporters.Base.list(this.failures);
  }
}

function seconds(ms: number | undefined): string {
  return `${((ms ?? 0) / 1000).toFixed(2)} s`;
}
