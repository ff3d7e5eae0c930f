/** The records of a migration stream that was saved into a file. */
import { DecodeError } from '../../daemon/stream/decode-error.js';
import { type DecodeEvent, StreamDecoder } from '../../daemon/stream/decoder.js';
import type { Invocation } from '../commands.js';
import { EXIT } from '../exit-codes.js';
import { dumpHead, dumpLine } from '../render/dump.js';
import type { World } from '../world.js';
import { CommandError } from './ask.js';

type Show = (event: DecodeEvent) => string;

export async function dump(invocation: Invocation, world: World): Promise<number> {
  const path = invocation.words[0] ?? '';
  const json = invocation.flags.has('json');
  const summary = invocation.flags.has('summary');
  if (!json && !summary) world.out(dumpHead);
  const decoder = new StreamDecoder();
  const show: Show = (event) => (json ? jsonLine(event, summary) : dumpLine(event, summary));
  const ended = await decode(path, decoder, show, world);
  if (!ended && !decoder.at_boundary) throw new CommandError(EXIT.failed, cutShort(decoder));
  return EXIT.ok;
}

function jsonLine(event: DecodeEvent, summary: boolean): string {
  return summary && event.type === 'record' ? '' : `${printable(JSON.stringify(event))}\n`;
}

/** JSON leaves some control characters as they are, and a domain may be called anything. */
function printable(json: string): string {
  return json.replace(
    /[\u007f-\u009f]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** @returns whether the stream has come to its own end. */
async function decode(
  path: string,
  decoder: StreamDecoder,
  show: Show,
  world: World,
): Promise<boolean> {
  let ended = false;
  try {
    for await (const piece of world.pieces(path)) {
      if (world.interrupted.aborted) return true;
      const events = decoder.push(piece);
      world.out(events.map(show).join(''));
      ended ||= events.some(({ type }) => type === 'end');
    }
  } catch (error) {
    if (error instanceof DecodeError) throw new CommandError(EXIT.failed, wrong(error, decoder));
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(EXIT.failed, `${path === '-' ? 'stdin' : path} cannot be read: ${why}`);
  }
  return ended;
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
