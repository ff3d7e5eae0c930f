import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The release of the files this runs from: package.json is beside ctl/ when installed, above dist/ in a clone. */
export function release(): string {
  const candidates = ['../package.json', '../../package.json'];
  const path = candidates
    .map((candidate) => join(import.meta.dirname, candidate))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) return 'unknown';
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version?: unknown };
  return typeof version === 'string' ? version : 'unknown';
}
