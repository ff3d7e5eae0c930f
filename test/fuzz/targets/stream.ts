/** The decoder of the migration stream, in this process. */
import { DecodeError } from '../../../daemon/stream/decode-error.js';
import { StreamDecoder, type DecodeEvent } from '../../../daemon/stream/decoder.js';
import type { Random } from '../../simulator/random.js';
import { streams } from '../corpus.js';
import { mutated, type Pieces } from '../mutate.js';
import { must, mustBeSentence, outline, split, type Target } from '../target.js';

interface Outcome {
  readonly events: readonly DecodeEvent[];
  readonly error: DecodeError | null;
  readonly completed: number;
}

/** Each header is 8 bytes: there cannot be more events than that. */
const EVENTS_PER_BYTE = 1 / 4;

export class StreamTarget implements Target {
  #corpus: readonly Pieces[] = [];

  async open(): Promise<void> {
    this.#corpus = await streams();
  }

  make(random: Random): Buffer {
    return mutated(random, this.#corpus);
  }

  feed(input: Buffer): Promise<string> {
    const whole = decode([input]);
    const parts = decode(split(input));
    must(
      JSON.stringify(whole.events) === JSON.stringify(parts.events),
      'in pieces it is another stream than as a whole',
    );
    must(whole.error?.message === parts.error?.message, 'in pieces it has another error');
    must(whole.completed === parts.completed, 'in pieces it has other checkpoints');
    must(whole.events.length <= 16 + input.length * EVENTS_PER_BYTE, 'too many events');
    if (whole.error === null)
      return Promise.resolve(`right, ${Math.min(9, whole.completed)} checkpoints`);
    mustBeSentence(whole.error.message);
    must(whole.error.offset <= input.length, 'an error past the end');
    return Promise.resolve(`${whole.error.code}: ${outline(whole.error.detail)}`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function decode(parts: readonly Buffer[]): Outcome {
  const decoder = new StreamDecoder();
  const events: DecodeEvent[] = [];
  try {
    for (const part of parts) {
      must(decoder.wants >= 1, 'it wants nothing');
      // A caller may use its buffer again.
      const own = Buffer.from(part);
      events.push(...decoder.push(own));
      own.fill(0xee);
    }
    return { events: upTo(events, null), error: null, completed: decoder.completed };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    must(again(decoder) === error, 'it goes on after an error');
    return { events: upTo(events, error), error, completed: decoder.completed };
  }
}

/** How much has been told before an error depends on the pieces: nothing is said of what comes in a wrong one. */
function upTo(events: readonly DecodeEvent[], error: DecodeError | null): readonly DecodeEvent[] {
  return error === null ? events : [];
}

function again(decoder: StreamDecoder): unknown {
  try {
    return decoder.push(Buffer.alloc(1));
  } catch (error) {
    return error;
  }
}
