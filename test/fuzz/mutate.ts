/**
 * Makes wrong inputs out of right ones. An input is a list of pieces (records, frames, lines): first whole pieces are
 * dropped, doubled, moved or taken from another input, then bytes are changed wherever they are.
 */
import type { Random } from '../simulator/random.js';

export type Pieces = readonly Buffer[];

/** No input is longer: what is too long for a buffer is found by its length field. */
const BYTES_MAX = 4 * 1024 * 1024;
const NUMBERS = [
  ...[0, 1, 2, 3, 7, 8, 15, 127, 128, 255, 256, 4095, 4096, 65_535, 65_536, 0x10_0000],
  ...[0x7fff_ffff, 0x8000_0000, 0xffff_fff7, 0xffff_fff8, 0xffff_ffff],
];
export const TEXTS: readonly string[] = [
  '',
  '\0',
  '\n',
  '\n\n',
  '\u001b[2J\u001b]0;owned\u0007',
  '\u2028',
  '\u009b31m',
  '"',
  '\\u0000',
  '\\u001b[31m',
  '{"a":'.repeat(50),
  '[[[[[[',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '/dev/zero',
  '-1',
  '1e309',
  '9007199254740993',
  'null',
  'true',
  'A'.repeat(300),
  'A'.repeat(5000),
];

type Change = (random: Random, input: Buffer) => Buffer;
type Rearrange = (random: Random, pieces: Buffer[], corpus: readonly Pieces[]) => void;

/** The same random numbers make the same input. About one in twenty is right. */
export function mutated(random: Random, corpus: readonly Pieces[]): Buffer {
  const pieces = [...random.pick(corpus)];
  const rearrangements = random.chance(0.5) ? 0 : random.between(1, 3);
  for (let n = 0; n < rearrangements; n += 1) random.pick(REARRANGE)(random, pieces, corpus);
  let input = Buffer.concat(pieces);
  const changes = random.chance(0.1) ? 0 : random.between(rearrangements > 0 ? 0 : 1, 4);
  for (let n = 0; n < changes; n += 1)
    input = Buffer.from(random.pick(CHANGES)(random, input)).subarray(0, BYTES_MAX);
  return input;
}

const place = (random: Random, list: { readonly length: number }): number =>
  random.between(0, Math.max(0, list.length - 1));

const REARRANGE: readonly Rearrange[] = [
  function drop(random, pieces) {
    pieces.splice(place(random, pieces), 1);
  },
  function double(random, pieces) {
    const at = place(random, pieces);
    pieces.splice(at, 0, ...pieces.slice(at, at + random.between(1, 3)));
  },
  function move(random, pieces) {
    const moved = pieces.splice(place(random, pieces), 1);
    pieces.splice(place(random, pieces), 0, ...moved);
  },
  function cut(random, pieces) {
    pieces.splice(place(random, pieces));
  },
  function graft(random, pieces, corpus) {
    const other = random.pick(corpus);
    const from = place(random, other);
    pieces.splice(place(random, pieces), 0, ...other.slice(from, from + random.between(1, 5)));
  },
  function cross(random, pieces, corpus) {
    const other = random.pick(corpus);
    pieces.splice(place(random, pieces), pieces.length, ...other.slice(place(random, other)));
  },
];

/** More often near the beginning, where the lengths and types are. */
function offset(random: Random, input: Buffer): number {
  const max = random.chance(0.5) ? Math.min(input.length, 512) : input.length;
  return random.between(0, Math.max(0, max - 1));
}

const CHANGES: readonly Change[] = [
  function flipBits(random, input) {
    const copy = Buffer.from(input);
    for (let n = random.between(1, 8); n > 0 && copy.length > 0; n -= 1) {
      const at = offset(random, copy);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.between(0, 7));
    }
    return copy;
  },
  function truncate(random, input) {
    return input.subarray(0, offset(random, input));
  },
  function removeRange(random, input) {
    const at = offset(random, input);
    return Buffer.concat([input.subarray(0, at), input.subarray(at + random.between(1, 64))]);
  },
  function repeatRange(random, input) {
    const at = offset(random, input);
    const part = input.subarray(at, at + random.between(1, 256));
    const times = random.chance(0.05) ? 1000 : random.between(1, 4);
    const repeated = Array.from({ length: times }, () => part);
    return Buffer.concat([input.subarray(0, at), ...repeated, input.subarray(at)]);
  },
  function noise(random, input) {
    const at = offset(random, input);
    const bytes = Buffer.from(random.hex(2 * random.between(1, 64)), 'hex');
    const after = input.subarray(random.chance(0.5) ? at : at + bytes.length);
    return Buffer.concat([input.subarray(0, at), bytes, after]);
  },
  /** A length field, if one is there: in either byte order, on a boundary of four or not. */
  function number(random, input) {
    const copy = Buffer.from(input);
    if (copy.length < 4) return copy;
    const somewhere = Math.min(offset(random, copy), copy.length - 4);
    const at = random.chance(0.7) ? somewhere & ~3 : somewhere;
    const value = random.pick(NUMBERS);
    if (random.chance(0.5)) copy.writeUInt32LE(value, at);
    else copy.writeUInt32BE(value, at);
    return copy;
  },
  /** One more or less: what an unchecked bound takes. */
  function nudge(random, input) {
    const copy = Buffer.from(input);
    if (copy.length === 0) return copy;
    const at = offset(random, copy);
    copy[at] = ((copy[at] ?? 0) + random.pick([1, 255, 8, 248])) & 0xff;
    return copy;
  },
  /** In place of a number or a string of a text. */
  function text(random, input) {
    const found = [...input.toString('latin1', 0, 16_384).matchAll(/[0-9]+|[A-Za-z_.-]+/g)];
    if (found.length === 0) return input;
    const word = random.pick(found);
    const end = word.index + word[0].length;
    const instead = Buffer.from(random.pick(TEXTS));
    return Buffer.concat([input.subarray(0, word.index), instead, input.subarray(end)]);
  },
];
