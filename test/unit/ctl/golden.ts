/** Canned answers of the daemon, and the screens they make, as data files. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseStatus } from '../../../ctl/status-schema.js';
import type { Status } from '../../../ctl/status.js';

// The tests run from the top of the clone; data files are not copied to dist.
const dir = 'test/unit/ctl/golden';

export function canned(name: string): Status {
  const status = parseStatus(JSON.parse(readFileSync(join(dir, `${name}.json`), 'utf8')));
  assert.ok(status !== null, `${name}.json is not a status`);
  return status;
}

/** Compares with golden/NAME.txt. UPDATE_GOLDEN=1 writes it: read the diff before you commit it. */
export function assertScreen(name: string, text: string): void {
  const path = join(dir, `${name}.txt`);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
  assert.equal(text, readFileSync(path, 'utf8'));
}
