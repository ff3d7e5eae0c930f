/**
 * Style that a linter does not see. Each rule names what to do in place of what it bans. The needles are
 * put together from pieces so that this file does not find itself.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const product = ['agent', 'ctl', 'daemon', 'ocf', 'systemd'];
const not_ours = new Set(['.git', 'node_modules', 'dist']);
const lines_max = 500;

interface Source {
  readonly path: string;
  readonly lines: readonly string[];
}

/** Every text file of the tree that is ours. Captures from the real Xen are binary, and not looked at. */
function ours(dir = '.'): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = dir === '.' ? entry.name : join(dir, entry.name);
    if (entry.isDirectory()) return not_ours.has(entry.name) ? [] : ours(path);
    return entry.isFile() && !/\.(gz|bin|png|log)$/.test(path) ? [path] : [];
  });
}

const sources: readonly Source[] = ours().map((path) => ({
  path,
  lines: readFileSync(path, 'utf8').split('\n'),
}));

const inProduct = ({ path }: Source) => product.includes(path.split('/')[0] ?? '');
const isEntryPoint = (path: string) =>
  /^(daemon\/main|daemon\/relay\/[a-z-]+-main|ctl\/main)\.ts$/.test(path);

/** Where a line matches, as `path:line: text`. */
function findings(files: readonly Source[], needle: RegExp): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((text, index) =>
      needle.test(text) ? [`${path}:${index + 1}: ${text.trim().slice(0, 100)}`] : [],
    ),
  );
}

function none(found: readonly string[], instead: string): void {
  assert.deepEqual(found, [], `${instead}\n${found.join('\n')}`);
}

describe('tidy', () => {
  it('has files of one subject', () => {
    // An OCF agent has to be one file: only TypeScript is counted.
    const code = sources.filter((file) => inProduct(file) && file.path.endsWith('.ts'));
    const long = code.filter((file) => file.lines.length > lines_max);
    none(
      long.map(({ path, lines }) => `${path}: ${lines.length} lines`),
      `Over ${lines_max} lines: split the file by subject.`,
    );
  });

  it('runs all tests', () => {
    const needle = new RegExp(['\\b(it|describe|test|context)\\.', 'only\\('].join(''));
    none(findings(sources, needle), 'To run one test: npm run test:unit -- --grep TITLE.');
  });

  it('spawns in one place', () => {
    const files = sources.filter(
      (file) => inProduct(file) && file.path !== 'daemon/adapters/exec.ts',
    );
    const needle = new RegExp(['["\'](node:)?child', '_process["\']'].join(''));
    none(findings(files, needle), 'Spawn through the Exec port (daemon/adapters/exec.ts).');
  });

  it('exits in entry points', () => {
    const files = sources.filter((file) => inProduct(file) && !isEntryPoint(file.path));
    const needle = new RegExp(['process\\.', 'exit\\('].join(''));
    none(
      findings(files, needle),
      'Throw, or set process.exitCode: only *main.ts ends the process.',
    );
  });

  it('names no package registry', () => {
    const hosts = [
      ['registry.npm', 'js.org'],
      ['npmjs', '.com'],
      ['yarnpkg', '.com'],
      ['deb.debian', '.org'],
      ['security.debian', '.org'],
      ['snapshot.debian', '.org'],
      ['ftp.debian', '.org'],
      ['py', 'pi.org'],
      ['pythonhosted', '.org'],
      ['proxy.golang', '.org'],
      ['crates', '.io'],
      ['nodesource', '.com'],
    ].map((pieces) => pieces.join('').replaceAll('.', '\\.'));
    const needle = new RegExp(`\\b(${hosts.join('|')})\\b`);
    none(findings(sources, needle), "Leave it to the machine's own apt and npm settings.");
  });

  it('kills by process id', () => {
    const needle = new RegExp(['^[^#*/]*\\b(p', 'kill|kill', 'all)\\s'].join(''));
    const code = sources.filter(({ path }) => !path.endsWith('.md'));
    none(findings(code, needle), 'Keep the pid of what you start, and kill that.');
  });

  it('keeps the core pure', () => {
    const core = sources.filter(({ path }) => path.startsWith('daemon/core/'));
    const needle = new RegExp(['from ["\']node:', '|\\bnew Date\\b|\\bDate\\.now'].join(''));
    none(findings(core, needle), 'Bring it in as an event, or carry it out as an effect.');
  });

  it('logs constant messages', () => {
    const needle = /\blog(ger)?\.(trace|debug|info|warn|error|fatal)\(`/;
    none(
      findings(sources.filter(inProduct), needle),
      "Put the variables beside the message: log.info({ domid }, 'domain created').",
    );
  });
});
