/** The bodies of packed frames, one after another as on a connection, in this process. Each has its length before it. */
import { PACKED_RAW_BYTES_MAX } from '../../../daemon/stream/packed.js';
import { PackedError, Unpacker } from '../../../daemon/stream/unpacker.js';
import type { Random } from '../../simulator/random.js';
import { streams } from '../corpus.js';
import { packedBodies } from '../frames.js';
import { mutated, type Pieces } from '../mutate.js';
import { must, mustBeSentence, outline, type Target } from '../target.js';

const CACHE_PAGES = 64;
const LENGTH_BYTES = 4;
const BODY_MS_MAX = 2_000;

export class PackedTarget implements Target {
  #corpus: readonly Pieces[] = [];

  async open(): Promise<void> {
    const all = await streams();
    this.#corpus = all.flatMap((stream) =>
      (['delta', 'lz4'] as const).map((coding) =>
        packedBodies(stream, coding, CACHE_PAGES).map(withLength),
      ),
    );
  }

  /** The lengths stay right: a body that is cut in two is two wrong ones. */
  make(random: Random): Buffer {
    const bodies = bodiesOf(mutated(random, this.#corpus));
    const at = random.between(0, Math.max(0, bodies.length - 1));
    const changed = bodies.map((body, i) => (i === at ? mutated(random, [[body]]) : body));
    return Buffer.concat(changed.map(withLength));
  }

  feed(input: Buffer): Promise<string> {
    const unpacker = new Unpacker(CACHE_PAGES);
    let right = 0;
    for (const body of bodiesOf(input)) {
      const began_ms = performance.now();
      try {
        const made = unpacker.unpack(body);
        must(made.length <= PACKED_RAW_BYTES_MAX, `${made.length} bytes of one body`);
        right += 1;
      } catch (error) {
        if (!(error instanceof PackedError)) throw error;
        mustBeSentence(error.message);
        return Promise.resolve(`${Math.min(9, right)} right, ${outline(error.message)}`);
      } finally {
        must(performance.now() - began_ms < BODY_MS_MAX, 'a body takes too long');
      }
    }
    return Promise.resolve(`${Math.min(9, right)} right`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function withLength(body: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Whatever the lengths say: what is there. */
function bodiesOf(input: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  for (let at = 0; at + LENGTH_BYTES <= input.length;) {
    const end = at + LENGTH_BYTES + input.readUInt32BE(at);
    bodies.push(input.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return bodies;
}
