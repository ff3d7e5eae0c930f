/** The records of a migration stream: of one that was saved into a file, or of the live one of a VM. */
import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { onlyOfVm } from '../live-dump.js';
import { dumpForm } from '../render/dump.js';
import type { World } from '../world.js';
import { CommandError } from './ask.js';

/** What may be the name of a resource. */
const VM_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

export async function dump(invocation: Invocation, world: World): Promise<number> {
  const word = invocation.words[0] ?? '';
  const form = dumpForm(invocation.flags.has('json'), invocation.flags.has('summary'));
  if (!(await isFile(word, invocation, world))) {
    const { dumpLive } = await import('./dump-live.js');
    return dumpLive(word, invocation, form, world);
  }
  const { dumpFile } = await import('./dump-file.js');
  try {
    return await dumpFile(word, form, world);
  } catch (error) {
    if (!(error instanceof CommandError) || !VM_NAME.test(word)) throw error;
    const hint = `to look at a VM of that name: remusctl dump ${word} --checkpoints 3`;
    throw new CommandError(error.exit_code, `the file ${word}: ${error.message}; ${hint}`);
  }
}

/** Where a word may mean both, the file is meant; what only a VM has says that it is one. */
async function isFile(word: string, invocation: Invocation, world: World): Promise<boolean> {
  const only_vm = onlyOfVm(invocation);
  if (VM_NAME.test(word)) return only_vm === undefined && (await world.isFile(word));
  if (only_vm === undefined) return true;
  const what = `--${only_vm} is for the live stream of a VM, and "${word}" cannot be one`;
  throw new CommandError(EXIT.usage, `${what}; type: remusctl status, which lists the VMs`);
}
