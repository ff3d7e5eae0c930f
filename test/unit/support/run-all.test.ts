/** The harness must not be able to look green when it is not: the real run-all on small suites of ours. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const run_all = resolve(import.meta.dirname, '../../support/run-all.js');
const passing = `it('passes', () => {});\n`;

describe('run-all', function () {
  this.timeout(60_000);
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-run-all-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** Runs one suite with these files; gives the last line and the exit code, and all of the output. A busy machine takes its time to leave. */
  function run(
    files: Record<string, string>,
    { deadline_s = 30, lanes = 1, patience = 1, needs_s = 0, left_s = 600 } = {},
  ) {
    const suite = join(dir, 'suite');
    mkdirSync(suite);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(suite, name), text);
    const parts = [
      {
        kind: 'suite',
        name: 'small',
        dir: suite,
        mocharc: '.mocharc.unit.json',
        each: false,
        lanes,
        deadline_s,
        needs_s,
      },
      { kind: 'check', name: 'true', argv: ['true'], deadline_s: 5 },
    ];
    const parts_file = join(dir, 'parts.json');
    writeFileSync(parts_file, JSON.stringify(parts));
    const child = spawnSync(process.execPath, [run_all, 'small'], {
      encoding: 'utf8',
      env: {
        ...process.env,
        REMUS_TEST_PARTS: parts_file,
        REMUS_TEST_PATIENCE: String(patience),
        REMUS_RUN_ENDS: String(Math.floor(Date.now() / 1000) + left_s),
      },
    });
    const last = child.stdout.trimEnd().split('\n').at(-1);
    return { last, code: child.status, output: child.stdout + child.stderr };
  }

  it('counts what passes', () => {
    const { last, code } = run({ 'a.test.js': passing, 'b.test.js': passing });
    assert.deepEqual({ last, code }, { last: '2 passed, 0 failed', code: 0 });
  });

  it('counts what fails, and says where', () => {
    const { last, code, output } = run({
      'a.test.js': `${passing}it('breaks', () => { throw new Error('on purpose'); });\n`,
    });
    assert.deepEqual({ last, code }, { last: '1 passed, 1 failed', code: 1 });
    assert.match(output, /on purpose/);
  });

  it("prints the sentence of an adapter's error, whose message is constant", () => {
    const errors = resolve(import.meta.dirname, '../../../daemon/adapters/errors.js');
    const { output } = run({
      'a.test.js': `import { AdapterError } from '${errors}';
        it('breaks', () => { throw new AdapterError('refused', 'tool failed', 'cibadmin said: on purpose'); });\n`,
    });
    assert.match(output, /FAIL {2}breaks.*\n +cibadmin said: on purpose\n/);
  });

  it('takes an empty suite for a failure', () => {
    const { last, code, output } = run({ 'a.test.js': '' });
    assert.deepEqual({ last, code }, { last: '0 passed, 1 failed', code: 1 });
    assert.match(output, /there was no test to run/);
  });

  it('leaves out what does not fit any more, and says so', () => {
    const { last, output } = run({ 'a.test.js': passing }, { needs_s: 900, left_s: 700 });
    assert.equal(last, '0 passed, 0 failed');
    assert.match(
      output,
      /left out: it needs 900 s, and the run has 6\d\d: .*\n== small: .*1 skipped/,
    );
  });

  it('ends a suite before the run is ended', () => {
    const hanging = `it('hangs', function (done) { this.timeout(0); setTimeout(done, 60_000); });\n`;
    const { last, output } = run({ 'a.test.js': hanging }, { left_s: 3, patience: 0.02 });
    assert.equal(last, '0 passed, 1 failed');
    assert.match(output, /not done after \d+ s/);
  });

  it('takes a process that dies in the middle for a failure', () => {
    const { last, code, output } = run({
      'a.test.js': `${passing}it('dies', () => process.kill(process.pid, 'SIGKILL'));\n`,
    });
    assert.deepEqual({ last, code }, { last: '1 passed, 1 failed', code: 1 });
    assert.match(output, /killed by SIGKILL/);
  });

  it('takes a file that does not load for a failure', () => {
    const { last, code } = run({ 'a.test.js': passing, 'b.test.js': `throw new Error('broken');` });
    assert.deepEqual({ last, code }, { last: '1 passed, 1 failed', code: 1 });
  });

  it('takes an unhandled rejection for a failure', () => {
    const { last, code } = run({
      'a.test.js': `it('lets a promise go', (done) => { Promise.reject(new Error('lost')); setTimeout(done, 50); });\n`,
    });
    assert.deepEqual({ last, code }, { last: '0 passed, 1 failed', code: 1 });
  });

  it('forbids a suite narrowed to one test', () => {
    // In pieces, so that the tidy test does not take it for one of ours.
    const only = ['it.', `only('alone', () => {});\n`].join('');
    const { code } = run({ 'a.test.js': passing + only });
    assert.equal(code, 1);
  });

  it('ends a suite that leaves something open, and counts it', () => {
    const { last, code, output } = run(
      { 'a.test.js': passing, 'b.test.js': `${passing}setInterval(() => {}, 1000);\n` },
      { patience: 0.1 },
    );
    assert.deepEqual({ last, code }, { last: '2 passed, 1 failed', code: 1 });
    assert.match(
      output,
      /left open after the last test: Timeout\n {4}after \S*b\.test\.js: Timeout\n/,
    );
    assert.match(output, /still holds the event loop/);
  });

  it('runs a few files at a time, each once, and judges every process', () => {
    const meeting = `
      const { existsSync, writeFileSync } = require('node:fs');
      const here = (name) => require('node:path').join(__dirname, name);
      const meets = (me, other) => it('meets ' + other, (done) => {
        writeFileSync(here(me), '');
        const look = () => (existsSync(here(other)) ? done() : setTimeout(look, 10));
        look();
      });`;
    const { last, code, output } = run(
      {
        'a.test.js': `${meeting} meets('a', 'b');`,
        'b.test.js': `${meeting} meets('b', 'a');\n${passing}`,
        'c.test.js': `it('dies', () => process.kill(process.pid, 'SIGKILL'));`,
        'd.test.js': passing,
      },
      { lanes: 3 },
    );
    assert.deepEqual({ last, code }, { last: '4 passed, 1 failed', code: 1 });
    assert.match(output, /killed by SIGKILL/);
  });

  it('ends a suite at its deadline', () => {
    const { last, code, output } = run(
      { 'a.test.js': `it('waits', function (done) { this.timeout(0); setTimeout(done, 60e3); });` },
      { deadline_s: 1, patience: 0.1 },
    );
    assert.deepEqual({ last, code }, { last: '0 passed, 1 failed', code: 1 });
    assert.match(output, /not done after 1 s/);
  });
});
