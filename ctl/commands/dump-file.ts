/** The records of a migration stream that was saved into a file. */
import { reasonOf } from '../../daemon/adapters/errors.js';
import { DecodeError } from '../../daemon/stream/decode-error.js';
import { StreamDecoder } from '../../daemon/stream/decoder.js';
import { codeOf } from '../error-text.js';
import { EXIT } from '../exit-codes.js';
import type { DumpForm } from '../render/dump.js';
import type { World } from '../world.js';
import { CommandError } from './ask.js';

/** @throws CommandError */
export async function dumpFile(path: string, form: DumpForm, world: World): Promise<number> {
  world.out(form.head);
  const decoder = new StreamDecoder();
  const ended = await decode(path, decoder, form.lines, world);
  if (!ended && !decoder.at_boundary) throw new CommandError(EXIT.failed, cutShort(decoder));
  return EXIT.ok;
}

/** @returns whether the stream has come to its own end. */
async function decode(
  path: string,
  decoder: StreamDecoder,
  lines: DumpForm['lines'],
  world: World,
): Promise<boolean> {
  let ended = false;
  try {
    for await (const piece of world.pieces(path)) {
      if (world.interrupted.aborted) return true;
      const events = decoder.push(piece);
      world.out(lines(events));
      ended ||= events.some(({ type }) => type === 'end');
    }
  } catch (error) {
    if (error instanceof DecodeError) throw new CommandError(EXIT.failed, wrong(error, decoder));
    throw new CommandError(EXIT.failed, unreadable(path, error));
  }
  return ended;
}

function unreadable(path: string, error: unknown): string {
  const why = codeOf(error) === 'EISDIR' ? 'it is a directory' : reasonOf(error);
  return `${path === '-' ? 'stdin' : path} cannot be read: ${why}`;
}

function wrong({ code, offset, detail }: DecodeError, decoder: StreamDecoder): string {
  return `byte ${offset} (0x${offset.toString(16)}) is wrong (${code}): ${detail}; ${whole(decoder)}`;
}

function cutShort(decoder: StreamDecoder): string {
  return `the stream is cut off after ${decoder.offset} bytes, in the middle of a checkpoint; ${whole(decoder)}`;
}

function whole({ completed }: StreamDecoder): string {
  return completed === 0 ? 'no checkpoint is complete' : `checkpoint ${completed} is complete`;
}
