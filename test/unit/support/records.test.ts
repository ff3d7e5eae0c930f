import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastLine, readRecords } from '../../support/records.js';

describe('test records', () => {
  let dir = '';
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-records-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  function outcomeOf(text: string) {
    const path = join(dir, 'records.jsonl');
    writeFileSync(path, text);
    return readRecords(path);
  }

  it('counts each kind and knows a complete run', () => {
    const events = ['pass', 'pass', 'fail', 'skip'].map((event) => ({ event, title: 't' }));
    const text = [...events, { event: 'end' }].map((record) => `${JSON.stringify(record)}\n`);
    assert.deepEqual(outcomeOf(text.join('')), { passed: 2, failed: 1, skipped: 1, ended: true });
  });

  it('takes a file cut off in the middle of a line for a crash', () => {
    const text = '{"event":"pass","title":"t"}\n{"event":"en';
    assert.deepEqual(outcomeOf(text), { passed: 1, failed: 0, skipped: 0, ended: false });
  });

  it('ends with the plain line', () => {
    assert.equal(lastLine({ passed: 12, failed: 0, skipped: 3 }), '12 passed, 0 failed');
  });
});
