/** What is fuzzed. One input is a Buffer, and all that there is to it: a saved one can be tried again. */
import type { Random } from '../simulator/random.js';

export interface Target {
  /** Once, before the first input; after a finding, again. */
  open(): Promise<void>;
  make(random: Random): Buffer;
  /**
   * Feeds it, and sees that everything is well afterwards.
   * @returns what came of it in a word or two, for the tally. @throws what must not be.
   */
  feed(input: Buffer): Promise<string>;
  close(): Promise<void>;
}

/** A rule was broken. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Finding(what);
}

const SENTENCE_MAX = 1200;

/** What a person is told: one line that says something, and nothing of our insides. */
export function mustBeSentence(text: string): void {
  // eslint-disable-next-line no-control-regex
  must(!/[\u0000-\u001f\u007f-\u009f]/.test(text), `control characters: ${JSON.stringify(text)}`);
  must(text.trim().length > 0, 'an empty sentence');
  must(text.length <= SENTENCE_MAX, `a sentence of ${text.length} characters`);
  const insides =
    /\bat .+:\d+:\d+|TypeError|RangeError|Cannot read prop|is not a function|\[object |undefined|NaN/;
  must(!insides.test(text), `not for people: ${text}`);
}

/** The same thing said of other numbers and names is the same. */
export function outline(text: string): string {
  return text
    .trimEnd()
    .replaceAll(/"[^"]*"|'[^']*'/g, '"..."')
    .replaceAll(/0x[0-9a-f]+|[0-9]+/g, 'N')
    .slice(0, 60);
}

/** Cuts an input into pieces, always the same ones for the same input. */
export function split(input: Buffer, pieces_max = 8): Buffer[] {
  let hash = input.length + 1;
  for (const byte of input.subarray(0, 64)) hash = (Math.imul(hash, 31) + byte) >>> 0;
  const pieces = 1 + (hash % pieces_max);
  const bytes = Math.max(1, Math.ceil(input.length / pieces) + (hash % 7));
  const parts: Buffer[] = [];
  for (let at = 0; at < input.length; at += bytes) parts.push(input.subarray(at, at + bytes));
  return parts;
}
