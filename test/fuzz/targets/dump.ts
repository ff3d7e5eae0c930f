/** remusctl dump, on a file or what calls itself one. */
import { gzipSync } from 'node:zlib';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../ctl/run.js';
import { pieces } from '../../../ctl/stream-file.js';
import type { World } from '../../../ctl/world.js';
import type { Random } from '../../simulator/random.js';
import { streams } from '../corpus.js';
import { mutated, type Pieces } from '../mutate.js';
import { must, mustBeSentence, outline, type Target } from '../target.js';

const FLAGS = [[], ['--json'], ['--summary'], ['--json', '--summary']];
const GZIPPED = 0.2;

export class DumpTarget implements Target {
  #corpus: readonly Pieces[] = [];
  #dir = '';

  async open(): Promise<void> {
    this.#corpus = await streams();
    this.#dir = mkdtempSync(join(tmpdir(), 'remus-fuzz-dump-'));
  }

  make(random: Random): Buffer {
    const stream = mutated(random, this.#corpus);
    if (!random.chance(GZIPPED)) return stream;
    const packed = gzipSync(stream, { level: 1 });
    return random.chance(0.5) ? packed : mutated(random, [[packed]]);
  }

  async feed(input: Buffer): Promise<string> {
    const path = join(this.#dir, 'stream');
    writeFileSync(path, input);
    const flags = FLAGS[input.length % FLAGS.length] ?? [];
    let out = '';
    let err = '';
    const world = {
      out: (text: string) => (out += text),
      err: (text: string) => (err += text),
      interrupted: new AbortController().signal,
      pieces,
    } as unknown as World;
    const code = await run(['dump', ...flags, path], world);
    must(
      // eslint-disable-next-line no-control-regex
      !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(out),
      'control characters on the terminal',
    );
    if (flags.includes('--json'))
      for (const line of out.split('\n')) if (line !== '') JSON.parse(line);
    if (code === 0) {
      must(err === '', `exit code 0, and: ${err}`);
      return 'right';
    }
    must(code === 1, `exit code ${code}`);
    for (const line of err.trimEnd().split('\n')) mustBeSentence(line);
    return outline(err.replaceAll(this.#dir, ''));
  }

  close(): Promise<void> {
    rmSync(this.#dir, { recursive: true, force: true });
    return Promise.resolve();
  }
}
