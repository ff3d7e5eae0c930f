import { patient } from '../../daemon/adapters/patience.js';
import { printable } from '../../daemon/adapters/errors.js';
import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { jsonText } from '../render/json.js';
import { seconds } from '../render/units.js';
import type { ForeseenResync, ResyncResult } from '../resync.js';
import type { World } from '../world.js';
import { askForNewer } from './ask.js';
import { order } from './move.js';

/** Longer than the daemon waits for the other node. */
const dry_run_ms = patient(15_000);

export async function resync(invocation: Invocation, world: World): Promise<number> {
  if (invocation.flags.has('dry-run')) return dryRun(invocation, world);
  const vm = invocation.words[0] ?? '';
  const answer = await order('resync', { by: world.user }, invocation, world);
  if (invocation.flags.has('json')) {
    world.out(jsonText(answer.json ?? {}, world.terminal));
    return EXIT.ok;
  }
  const { parseResync } = await import('../resync-schema.js');
  world.out(`${vm}: ${resultWords(parseResync(answer.json))}\n`);
  return EXIT.ok;
}

function resultWords(result: ResyncResult | null): string {
  if (result === null) return 'protected by a new replica';
  const { node, to, unprotected_ms } = result;
  const where = `${node === null ? '' : `; it runs on ${node}`}${to === null ? '' : `, its replica is on ${to}`}`;
  return unprotected_ms === null
    ? `protected by a new replica; it was not protected before${where}`
    : `protected again by a new replica; it was unprotected for ${seconds(unprotected_ms)}${where}`;
}

async function dryRun(invocation: Invocation, world: World): Promise<number> {
  const vm = invocation.words[0] ?? '';
  const question = {
    fields: { action: 'foresee-resync', resource: vm },
    options: { timeout_ms: dry_run_ms },
    parse: import('../resync-schema.js').then(({ parseForeseenResync }) => parseForeseenResync),
    noun: 'dry run',
  };
  const unknown = `what would happen to ${vm} could not be found out`;
  const { found, json } = await askForNewer(world, question, unknown);
  const text = invocation.flags.has('json') ? jsonText(json, world.terminal) : foreseen(found);
  world.out(text);
  return found.verdict === 'done' ? EXIT.ok : EXIT.refused;
}

function foreseen({ resource, verdict, reason, to, is_protected }: ForeseenResync): string {
  const title = `${resource}: resync, a dry run: nothing was changed`;
  if (verdict === 'refused')
    return `${title}\nIt would be refused: ${printable(reason ?? 'no reason was given')}\n`;
  const old = to === null ? '' : `The replica on ${to} would be given up. `;
  const warning = is_protected
    ? `From then on ${resource} is UNPROTECTED, until all of its memory has been copied once: a failover would start it anew.`
    : `${resource} is not protected now; it would be tried again at once.`;
  return `${title}\nIt would be done. ${old}The guest runs on.\n${warning}\n`;
}
