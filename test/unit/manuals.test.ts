/** The manual pages as a reader of man sees them: complete, and as the tables are now. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CHECKS } from '../../daemon/doctor/checks.js';
import { commands } from '../../ctl/commands.js';
import { exit_code_words } from '../../ctl/exit-codes.js';
import { optionForm, usage } from '../../ctl/help.js';
import * as remusctl from '../../ctl/manual.js';
import * as remusd from '../../daemon/manual.js';
import { EXITS, OPTIONS, optionForm as formOf } from '../../daemon/options.js';
import { ACTIONS } from '../../agent/actions.js';
import * as agent from '../../agent/manual.js';
import { OUTCOMES } from '../../agent/outcomes.js';
import { PARAMETERS } from '../../agent/parameters.js';

const pages = {
  'remusctl(8)': { path: 'dist/share/man/man8/remusctl.8', make: remusctl.manualPage },
  'remusd(8)': { path: 'dist/share/man/man8/remusd.8', make: remusd.manualPage },
  'ocf_xen_remus(7)': { path: 'ocf/ocf_xen_remus.7', make: agent.manualPage },
} as const;

function man(path: string, width = 250): { text: string; warnings: string } {
  const argv = ['--warnings', '--encoding=ascii', '--no-hyphenation', '--local-file', path];
  const env = {
    ...process.env,
    LC_ALL: 'C.UTF-8',
    MANWIDTH: String(width),
    MANROFFSEQ: '',
    MANOPT: '',
  };
  const child = spawnSync('man', argv, { encoding: 'utf8', env });
  assert.equal(child.status, 0, child.stderr);
  return { text: child.stdout, warnings: child.stderr };
}

/** As one line, so that it does not matter where man breaks them. */
const plain = (text: string): string => text.replaceAll(/\s+/g, ' ');

/** That the page says each of these. */
function says(page: keyof typeof pages, ...texts: readonly string[]): void {
  const text = plain(man(pages[page].path).text);
  const missing = texts.filter((words) => !text.includes(plain(words)));
  assert.deepEqual(missing, []);
}

const numbered = ([code, words]: readonly [number, string]): string => `${code} ${words}`;
const flat = (rows: readonly (readonly [string, string])[]): string[] =>
  rows.map((row) => row.join(' '));

describe('the manual', () => {
  for (const [name, { path, make }] of Object.entries(pages)) {
    it(`${name} is what the tables say now`, () => {
      assert.equal(readFileSync(path, 'utf8'), make(), 'type: npm run build');
    });

    it(`${name} is formatted without a warning, for a narrow terminal too`, () => {
      assert.equal(man(path).warnings, '');
      assert.equal(man(path, 80).warnings, '');
    });
  }

  it('remusctl(8) has every command, option, exit code, variable and file', () => {
    const said = commands.flatMap((command) => [
      usage(command),
      ...command.details,
      ...command.options.map((option) => `${optionForm(option)} ${option.summary}`),
    ]);
    says('remusctl(8)', ...said, ...exit_code_words.map(numbered));
    says('remusctl(8)', ...flat(remusctl.ENVIRONMENT), ...flat(remusctl.FILES));
  });

  it('remusctl(8) has every check of doctor', () => {
    const said = CHECKS.flatMap((check) => [check.id, ...remusctl.checkWords(check)]);
    says('remusctl(8)', ...said);
  });

  it('remusd(8) has every option, exit code, variable and file', () => {
    says('remusd(8)', ...OPTIONS.map((option) => `${formOf(option)} ${option.summary}`));
    says('remusd(8)', ...EXITS.map(numbered));
    says('remusd(8)', ...flat(remusd.ENVIRONMENT), ...flat(remusd.FILES));
    const settings = readFileSync('systemd/remusd.default', 'utf8');
    const names = [...settings.matchAll(/^#?([A-Z_]+)=/gm)].map(([, variable = '']) => variable);
    assert.ok(names.includes('REMUSD_OPTS'));
    says('remusd(8)', ...names);
  });

  it('ocf_xen_remus(7) has every parameter, action and exit code', () => {
    says('ocf_xen_remus(7)', ...PARAMETERS.map(({ name, longdesc }) => `${name} ${longdesc}`));
    says(
      'ocf_xen_remus(7)',
      ...ACTIONS.map(({ name, timeout_s }) => `${name} timeout=${timeout_s}s`),
    );
    says(
      'ocf_xen_remus(7)',
      ...OUTCOMES.map(({ code, name, meaning }) => `${code} ${name} ${meaning}`),
    );
  });
});
