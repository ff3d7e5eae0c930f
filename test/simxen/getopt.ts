/** What getopt found: the last value of each option letter ('' for one without a value), and the rest. */
export interface Options {
  readonly has: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
  /** The letter that is not an option, if there is one. */
  readonly bad?: string | undefined;
}

/** POSIX getopt with options anywhere before the first operand, like xl's; `long` maps long names to letters. */
export function getopt(
  args: readonly string[],
  spec: string,
  long: Readonly<Record<string, string>> = {},
): Options {
  const has = new Map<string, string>();
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (arg === '--') {
      rest.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      rest.push(arg);
      continue;
    }
    if (arg.startsWith('--')) {
      const letter = long[arg.slice(2)];
      if (letter === undefined) return { has, rest, bad: arg };
      has.set(letter, '');
      continue;
    }
    for (let at = 1; at < arg.length; at++) {
      const letter = arg.charAt(at);
      const known = spec.indexOf(letter);
      if (known < 0 || letter === ':') return { has, rest, bad: letter };
      if (spec[known + 1] !== ':') {
        has.set(letter, '');
        continue;
      }
      const glued = arg.slice(at + 1);
      has.set(letter, glued !== '' ? glued : (args[++i] ?? ''));
      break;
    }
  }
  return { has, rest };
}
