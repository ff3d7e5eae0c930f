/** From the words typed to the exit code. */
import { parse } from './args.js';
import { CommandError } from './commands/ask.js';
import { errorText } from './error-text.js';
import { EXIT } from './exit-codes.js';
import { commandHelp, generalHelp, usage } from './help.js';
import type { World } from './world.js';

export async function run(argv: readonly string[], world: World): Promise<number> {
  const parsed = parse(argv);
  switch (parsed.kind) {
    case 'help':
      world.out(parsed.command === undefined ? generalHelp() : commandHelp(parsed.command));
      return EXIT.ok;
    case 'wrong': {
      const { command, message } = parsed;
      const next = command === undefined ? 'remusctl help' : `remusctl ${usage(command)}`;
      world.err(`remusctl: ${message}\n  usage: ${next}\n`);
      return EXIT.usage;
    }
    case 'run':
      return attempt(async () => (await parsed.command.load())(parsed.invocation, world), world);
  }
}

async function attempt(command: () => Promise<number>, world: World): Promise<number> {
  try {
    return await command();
  } catch (error) {
    if (error instanceof CommandError) {
      world.err(errorText(error));
      return error.exit_code;
    }
    if (world.interrupted.aborted) return EXIT.interrupted;
    world.err(errorText(error));
    return EXIT.failed;
  }
}
