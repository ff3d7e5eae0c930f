/** From the words typed to a command of the table, or to what was wrong with them. */
import { parseArgs } from 'node:util';
import { commands, findCommand } from './commands.js';
import type { CommandSpec, Invocation, OptionSpec } from './commands.js';
import { DURATION_FORM, durationOf } from './pause.js';

export type Parsed =
  | { readonly kind: 'run'; readonly command: CommandSpec; readonly invocation: Invocation }
  | { readonly kind: 'help'; readonly command: CommandSpec | undefined }
  | { readonly kind: 'wrong'; readonly message: string; readonly command: CommandSpec | undefined };

const seconds_max = 86_400;
/** As remusd and the agent take it. */
const VM = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const VM_NAMES = 'it has letters, digits, and any of _.-, as in "crm_resource --list"';

export function parse(argv: readonly string[]): Parsed {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h')
    return { kind: 'help', command: undefined };
  const command = findCommand(name === '--version' ? 'version' : name);
  if (command === undefined) {
    const names = commands.map((known) => known.name).join(', ');
    const message = `there is no command "${name}"; the commands are ${names}`;
    return { kind: 'wrong', message, command };
  }
  return parseCommand(command, rest);
}

function parseCommand(command: CommandSpec, rest: readonly string[]): Parsed {
  const wrong = (message: string): Parsed => ({ kind: 'wrong', message, command });
  const line = split(command, rest);
  if (typeof line === 'string') return wrong(line);
  const { words, flags, values } = line;
  if (flags.has('help')) return { kind: 'help', command };
  const message = wrongWords(command, words) ?? wrongValues(command, values);
  return message === undefined ? { kind: 'run', command, invocation: line } : wrong(message);
}

/** The parts of a command line, or what is wrong with it. */
function split(command: CommandSpec, rest: readonly string[]): Invocation | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...rest],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        ...Object.fromEntries(
          command.options.map((option) => [
            option.name,
            { type: option.value === undefined ? ('boolean' as const) : ('string' as const) },
          ]),
        ),
      },
    });
    const given: (readonly [string, unknown])[] = Object.entries(values);
    return {
      words: positionals,
      flags: new Set(given.filter(([, value]) => value === true).map(([name]) => name)),
      values: new Map(
        given.filter((pair): pair is readonly [string, string] => typeof pair[1] === 'string'),
      ),
    };
  } catch (error) {
    return valueMissing(command, rest) ?? firstSentence(error);
  }
}

/** `--for -5m`: parseArgs would only say that it is ambiguous. */
function valueMissing(command: CommandSpec, rest: readonly string[]): string | undefined {
  const at = rest.findIndex((word, index) => {
    const takes = command.options.some(
      ({ name, value }) => value !== undefined && word === `--${name}`,
    );
    return takes && rest[index + 1]?.startsWith('-') !== false;
  });
  const option = command.options.find(({ name }) => rest[at] === `--${name}`);
  return option === undefined ? undefined : wrongValue(option, rest[at + 1] ?? '');
}

function firstSentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const sentence = text.split(/[.\n]/)[0] ?? text;
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

function wrongWords(command: CommandSpec, words: readonly string[]): string | undefined {
  const needed = command.words.filter((word) => !word.startsWith('['));
  const missing = needed[words.length];
  if (missing !== undefined) return `which ${missing}?`;
  const extra =
    command.words.at(-1)?.endsWith('...]') === true ? undefined : words[command.words.length];
  if (extra !== undefined) return `"${extra}" is one word too many`;
  const odd = words.find(
    (word, at) => /^\[?VM\]?$/.test(command.words[at] ?? '') && !VM.test(word),
  );
  return odd === undefined ? undefined : `"${odd}" cannot be the name of a VM: ${VM_NAMES}`;
}

function wrongValues(
  command: CommandSpec,
  values: ReadonlyMap<string, string>,
): string | undefined {
  const wrong = (option: OptionSpec) => {
    const value = values.get(option.name);
    if (value === undefined) return false;
    if (option.duration === true) return durationOf(value) === null;
    const most = mostOf(option);
    if (most === undefined) return value === '';
    return !/^[1-9][0-9]*$/.test(value) || Number(value) > most;
  };
  const bad = command.options.find(wrong);
  return bad === undefined ? undefined : wrongValue(bad, values.get(bad.name) ?? '');
}

function wrongValue(option: OptionSpec, value: string): string {
  return `--${option.name} "${value}": it takes ${wanted(option)}`;
}

function wanted(option: OptionSpec): string {
  if (option.duration === true) return DURATION_FORM;
  const most = mostOf(option);
  if (most === undefined) return 'a name';
  return `${option.seconds === true ? 'seconds, ' : 'a number '}from 1 to ${most}`;
}

function mostOf(option: OptionSpec): number | undefined {
  return option.seconds === true ? seconds_max : option.up_to;
}
