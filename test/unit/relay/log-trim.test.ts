import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trimLog } from '../../../daemon/relay/log-trim.js';

describe('relay/log-trim', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'log-trim-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  it('bounds a log that somebody else appends to', () => {
    const path = join(dir, 'xl.log');
    const line = `${'x'.repeat(99)}\n`;
    const fd = openSync(path, 'a');
    for (let i = 0; i < 20; i += 1) writeSync(fd, line);
    assert.equal(trimLog(path, 2000), false);
    writeSync(fd, 'the last line\n');
    assert.equal(trimLog(path, 2000), true);
    writeSync(fd, 'afterwards\n');
    closeSync(fd);
    assert.equal(readFileSync(path, 'utf8'), 'afterwards\n');
    assert.match(readFileSync(`${path}.old`, 'utf8'), /x\nthe last line\n$/);
  });

  it('is silent about a log that is not there', () => {
    assert.equal(trimLog(join(dir, 'none')), false);
  });
});
