/** The packages that the tests install: as `npm run deb` builds them, and an older one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const OLDER = '0.0.1';

// Packing 90 MB well takes a minute.
const env = { ...process.env, DPKG_DEB_COMPRESSOR_TYPE: 'gzip', DPKG_DEB_COMPRESSOR_LEVEL: '1' };

/** @returns the path of the package */
export function build(dir: string, ...options: readonly string[]): string {
  mkdirSync(dir);
  const said = execFileSync('debian/build', [...options, dir], { encoding: 'utf8', env });
  const path = said.trim();
  if (join(dir, readdirSync(dir)[0] ?? '') !== path) throw new Error(`no package: ${said}`);
  return path;
}

/** The same package as an earlier release of it. @returns its path */
export function older(file: string, dir: string): string {
  const tree = join(dir, 'tree');
  execFileSync('dpkg-deb', ['-R', file, tree]);
  const edit = (path: string, pattern: RegExp, text: string): void => {
    const before = readFileSync(join(tree, path), 'utf8');
    writeFileSync(join(tree, path), before.replace(pattern, text));
  };
  edit('DEBIAN/control', /^Version: .*$/m, `Version: ${OLDER}-1`);
  edit('usr/lib/pacemaker-remus/package.json', /"version": ".*"/, `"version": "${OLDER}"`);
  const path = join(dir, 'older.deb');
  execFileSync('dpkg-deb', ['--root-owner-group', '-b', tree, path], { env, stdio: 'ignore' });
  execFileSync('rm', ['-rf', tree]);
  return path;
}
