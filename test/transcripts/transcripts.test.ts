/**
 * Transcripts: each .txt file beside this one's source is a list of events (`> ...`) and what the machine made
 * of each: its state in one line, then its effects. `REWRITE=1` writes the outcomes anew; review the diff.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replay } from './replay.js';

function folder(): string {
  let up = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(up, 'package.json'))) up = dirname(up);
  return join(up, 'test/transcripts');
}

describe('transcripts', () => {
  const files = readdirSync(folder()).filter((name) => name.endsWith('.txt'));
  for (const file of files.sort()) {
    it(file.replace(/\.txt$/, ''), () => {
      const path = join(folder(), file);
      const before = readFileSync(path, 'utf8');
      const after = replay(before);
      if (process.env['REWRITE'] === '1') writeFileSync(path, after);
      else assert.equal(after, before, `${file} has changed; REWRITE=1, then review the diff`);
    });
  }
});
