/** A client that says what it likes, and takes what comes. */
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { must, split } from './target.js';

const WRITE_MS = 2_000;
const PARTING_MS = 200;

export interface Heard {
  readonly text: string;
  /** The other side has ended it. */
  readonly closed: boolean;
}

/** Collects what comes from now on. */
export function listenTo(socket: Duplex): () => Heard {
  const parts: Buffer[] = [];
  let closed = false;
  socket.on('data', (chunk: Buffer) => parts.push(chunk));
  for (const event of ['end', 'close', 'error']) socket.on(event, () => (closed = true));
  return () => ({ text: Buffer.concat(parts).toString('utf8'), closed });
}

/**
 * Says the input in pieces, waits until `enough`, or the other side ends it, or for so long, and hangs up.
 * @returns what was heard.
 */
export async function say(
  socket: Duplex,
  input: Buffer,
  patience_ms: number,
  enough: (heard: Heard) => boolean = () => false,
): Promise<Heard> {
  const heard = listenTo(socket);
  for (const part of split(input)) {
    if (heard().closed) break;
    await taken(socket, part);
  }
  await until(patience_ms, () => heard().closed || enough(heard()));
  // Not at once: a reset takes along what the other side has not read yet.
  socket.end();
  await until(PARTING_MS, () => heard().closed);
  socket.destroy();
  return heard();
}

/** Resolves when it is so, or after so long. */
export async function until(ms: number, test: () => boolean): Promise<void> {
  const end_ms = performance.now() + ms;
  while (!test() && performance.now() < end_ms) await sleep(2);
}

/** Who does not read must hang up soon. */
function taken(socket: Duplex, part: Buffer): Promise<void> {
  return Promise.race([
    new Promise<void>((resolve) => socket.write(part, () => resolve())),
    sleep(WRITE_MS, undefined, { ref: false }).then(() =>
      must(socket.destroyed, 'it does not read'),
    ),
  ]);
}
