/** docs/states.md is what the machine does, and not what it once did. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { page } from '../../diagram/page.js';

describe('docs/states.md', function () {
  this.timeout(60_000);

  it('is what the code gives', async () => {
    assert.equal(readFileSync('docs/states.md', 'utf8'), await page(), 'type: npm run diagram');
  });
});
