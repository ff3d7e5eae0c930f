/** --help, made from the table of commands. */
import { commands } from './commands.js';
import type { CommandSpec, OptionSpec } from './commands.js';
import { exit_code_words } from './exit-codes.js';
import { pairs, wrap } from './render/text.js';

const width = 88;

export const ABOUT = 'VMs that Xen Remus replicates under Pacemaker, seen and moved by hand';

export function optionForm(option: OptionSpec): string {
  return option.value === undefined ? `--${option.name}` : `--${option.name} ${option.value}`;
}

/** `status [VM] [--json] [--watch]`, `failover VM --force|--dry-run [--json]` */
export function usage(command: CommandSpec): string {
  const needed = command.options.filter(({ one_of }) => one_of === true).map(optionForm);
  const options = command.options
    .filter(({ one_of }) => one_of !== true)
    .map((option) => `[${optionForm(option)}]`);
  const one = needed.length === 0 ? [] : [needed.join('|')];
  return [command.name, ...command.words, ...one, ...options].join(' ');
}

/** `status [VM]`: enough to find the command. */
function brief(command: CommandSpec): string {
  return [command.name, ...command.words].join(' ');
}

function exitCodes(): string {
  return pairs(
    exit_code_words.map(([code, words]) => [String(code), words]),
    width,
  );
}

export function generalHelp(): string {
  const list = pairs(
    commands.map((command) => [brief(command), command.summary]),
    width,
  );
  return [
    `remusctl: ${ABOUT}.`,
    '',
    'Usage: remusctl COMMAND [OPTIONS]',
    '',
    list,
    '',
    'VM is the name of the resource in Pacemaker. Run it as root, on any node of the cluster.',
    'Options and more about one command: remusctl help COMMAND',
    '',
    'Exit codes:',
    exitCodes(),
    '',
  ].join('\n');
}

export function commandHelp(command: CommandSpec): string {
  const options = command.options.map((option): [string, string] => [
    optionForm(option),
    option.summary,
  ]);
  return [
    `Usage: remusctl ${usage(command)}`,
    '',
    wrap(sentence(command.summary), width),
    ...command.details.flatMap((paragraph) => ['', wrap(paragraph, width)]),
    ...(options.length > 0 ? ['', 'Options:', pairs(options, width)] : []),
    '',
    'Exit codes:',
    exitCodes(),
    '',
  ].join('\n');
}

export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
