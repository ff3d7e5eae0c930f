import { commands, findCommand } from '../commands.js';
import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { commandHelp, generalHelp } from '../help.js';
import type { World } from '../world.js';
import { CommandError } from './ask.js';

export function help(invocation: Invocation, world: World): Promise<number> {
  const name = invocation.words[0];
  const command = name === undefined ? undefined : findCommand(name);
  if (name !== undefined && command === undefined) {
    const names = commands.map((known) => known.name).join(', ');
    const message = `there is no command "${name}"; the commands are ${names}`;
    return Promise.reject(new CommandError(EXIT.usage, message));
  }
  world.out(command === undefined ? generalHelp() : commandHelp(command));
  return Promise.resolve(EXIT.ok);
}
