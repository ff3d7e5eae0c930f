import type { Invocation } from '../commands.js';
import { messageOf } from '../error-text.js';
import { EXIT } from '../exit-codes.js';
import { release } from '../release.js';
import type { World } from '../world.js';
import { askStatus } from './ask.js';

export async function version(_invocation: Invocation, world: World): Promise<number> {
  world.out(`remusctl ${release()}\n`);
  try {
    const status = await askStatus(world);
    world.out(`remusd ${status.release} (${status.node})\n`);
  } catch (error) {
    world.out(`remusd: ${error instanceof Error ? messageOf(error) : String(error)}\n`);
  }
  return EXIT.ok;
}
