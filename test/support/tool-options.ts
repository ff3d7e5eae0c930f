/** The options of a tool for developers: --help is the comment at the head of its source, and a wrong option is told, not thrown. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

const EXIT = { help: 0, wrong: 2 } as const;

/** The first comment of a source file, without its stars. */
export function headOf(source: string): string {
  const comment = /\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? '';
  return comment.replaceAll(/^ *\* ?/gm, '').trim();
}

/** dist/test/ROOM/main.js comes from test/ROOM/main.ts. */
function help(url: string): string {
  const path = fileURLToPath(url).replace('/dist/test/', '/test/').replace(/\.js$/, '.ts');
  return headOf(readFileSync(path, 'utf8'));
}

/** @param url the tool's import.meta.url. Ends the process after --help, and for options that it does not have. */
export function toolOptions<const T extends Options>(url: string, options: T) {
  try {
    const { values } = parseArgs<{ options: T }>({ options });
    if (!process.argv.includes('--help')) return values;
  } catch (error) {
    if (!process.argv.includes('--help')) {
      const why = error instanceof Error ? error.message : String(error);
      process.stderr.write(`${why}\n\n${help(url)}\n`);
      process.exit(EXIT.wrong);
    }
  }
  process.stdout.write(`${help(url)}\n`);
  process.exit(EXIT.help);
}
