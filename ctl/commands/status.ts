import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { errorText } from '../error-text.js';
import { LagHistory } from '../lag-history.js';
import { jsonText } from '../render/json.js';
import { palette } from '../render/paint.js';
import { statusTable, vmDetails } from '../render/status.js';
import type { Status, VmStatus } from '../status.js';
import type { World } from '../world.js';
import { askStatus, findMembers } from './ask.js';

const watch_ms = 1000;
const hide_cursor = '\u001b[?25l';
const show_cursor = '\u001b[?25h';
const home = '\u001b[H';
const to_end_of_line = '\u001b[K';
const to_end_of_screen = '\u001b[J';

export async function status(invocation: Invocation, world: World): Promise<number> {
  if (invocation.flags.has('watch')) return watch(invocation, world);
  world.out(shown(await askStatus(world), invocation, world));
  return EXIT.ok;
}

/** @param lag what is remembered from refresh to refresh; absent: this is the only one */
function shown(answer: Status, invocation: Invocation, world: World, lag?: LagHistory): string {
  const name = invocation.words[0];
  const members = name === undefined ? undefined : findMembers(answer, name);
  if (invocation.flags.has('json')) {
    const all = name === undefined ? answer : only(answer, name);
    return jsonText(all, world.terminal && !invocation.flags.has('watch'));
  }
  const colors = palette(world.color);
  const watched = lag === undefined ? undefined : { lag: lag.add(answer), utf8: world.utf8 };
  return members === undefined
    ? statusTable(answer, colors, watched)
    : vmDetails(answer, members, colors, watched);
}

function only(answer: Status, name: string): Status {
  const named = <T extends VmStatus>(vms: readonly T[]): T[] =>
    vms.filter(({ resource }) => resource === name);
  const peers = answer.peers.map((peer) =>
    peer.vms === undefined ? peer : { ...peer, vms: named(peer.vms) },
  );
  return { ...answer, peers, vms: named(answer.vms) };
}

/** One picture after another; an error is a picture, too: the daemon may come back. */
async function watch(invocation: Invocation, world: World): Promise<number> {
  const repaint = world.terminal && !invocation.flags.has('json');
  const lag = new LagHistory();
  if (repaint) world.out(`${hide_cursor}${home}${to_end_of_screen}`);
  try {
    while (!world.interrupted.aborted) {
      const text = await picture(invocation, world, lag);
      if (text !== null) world.out(repaint ? painted(text, world.now()) : text);
      await world.sleep(watch_ms);
    }
  } finally {
    if (repaint) world.out(show_cursor);
  }
  return EXIT.ok;
}

/** null: interrupted. */
async function picture(
  invocation: Invocation,
  world: World,
  lag: LagHistory,
): Promise<string | null> {
  try {
    return shown(await askStatus(world), invocation, world, lag);
  } catch (error) {
    if (world.interrupted.aborted) return null;
    if (!invocation.flags.has('json')) return errorText(error);
    world.err(errorText(error));
    return null;
  }
}

function painted(text: string, now: Date): string {
  const clock = now.toTimeString().slice(0, 8);
  const all = `remusctl status, every second, at ${clock}. Ctrl-C ends it.\n\n${text}`;
  return `${home}${all.replaceAll('\n', `${to_end_of_line}\n`)}${to_end_of_screen}`;
}
