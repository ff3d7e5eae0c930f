/** The programs of others that the product is measured against, and what to type when one is not there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGES = {
  ssh: 'openssh-client',
  sshd: 'openssh-server',
  socat: 'socat',
  openssl: 'openssl',
  perl: 'perl-base',
} as const;

export type Tool = keyof typeof PACKAGES;

/** sshd wants to be called by its whole path, which is not in everybody's PATH. */
const ALSO_IN = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Where the program is, or null. */
export function find(tool: Tool): string | null {
  const dirs = [...(process.env['PATH'] ?? '').split(':'), ...ALSO_IN];
  return dirs.map((dir) => join(dir, tool)).find((path) => existsSync(path)) ?? null;
}

/** What is missing, as a sentence; null when nothing is. */
export function missing(tools: readonly Tool[]): string | null {
  const lacking = tools.filter((tool) => find(tool) === null);
  if (lacking.length === 0) return null;
  const packages = [...new Set(lacking.map((tool) => PACKAGES[tool]))];
  return `${lacking.join(', ')} not found: apt-get install --no-install-recommends ${packages.join(' ')}`;
}

/** The path of a program whose absence has been told already. */
export function need(tool: Tool): string {
  const path = find(tool);
  if (path === null) throw new Error(missing([tool]) ?? tool);
  return path;
}
