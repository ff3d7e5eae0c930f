/** Two test runs on one Xen lab would cut each other's power. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claim } from '../../xen/support/claim.js';

describe('the Xen lab of a test run', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-claim-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is had by one process until that has gone, and by it as often as it likes', async () => {
    const path = join(dir, 'lab.claim');
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    const gone = once(other, 'exit');
    writeFileSync(path, String(other.pid));
    assert.throws(() => claim(path), new RegExp(`end it with "kill ${other.pid}"`));
    other.kill('SIGKILL');
    await gone;
    claim(path);
    claim(path);
    assert.equal(readFileSync(path, 'utf8'), String(process.pid));
  });
});
