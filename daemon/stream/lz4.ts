/**
 * LZ4's block format (the public description, lz4_Block_format), as small as it gets: no dictionary, no frame. Own code, because a
 * dom0 has no compiler for a native module, and what there is as wasm trusts a length that the peer sends.
 */

const HASH_BITS = 13;
const MATCH_MIN = 4;
/** The format: the last match begins at least so far before the end, and the last bytes are literals. */
const LAST_MATCH = 12;
const LAST_LITERALS = 5;
const DISTANCE_MAX = 65_535;
/** How soon the search takes longer steps where nothing matches: after so many tries (a power of two, as bits). */
const PATIENCE_BITS = 6;
/** Below it, a loop is quicker than a call. */
const SHORT = 32;

/** Bytes that a block of so many bytes may become. */
export function lz4Bound(bytes: number): number {
  return bytes + Math.ceil(bytes / 255) + 16;
}

/** Compresses blocks; keeps only its table between them, so that it can be used for ever. */
export class Lz4Encoder {
  readonly #table = new Int32Array(1 << HASH_BITS);

  /** Writes one block to the start of `to`, which holds lz4Bound(from.length). Returns its length. */
  encode(from: Buffer, to: Buffer): number {
    if (to.length < lz4Bound(from.length)) throw new RangeError('no room for an LZ4 block');
    const table = this.#table.fill(-1);
    const end = from.length - LAST_LITERALS;
    let anchor = 0;
    let out = 0;
    let tries = 1 << PATIENCE_BITS;
    for (let at = 0; at <= from.length - LAST_MATCH;) {
      const word = word32(from, at);
      const hash = Math.imul(word, -1_640_531_535) >>> (32 - HASH_BITS);
      const ref = table[hash] ?? -1;
      table[hash] = at;
      if (ref < 0 || at - ref > DISTANCE_MAX || word32(from, ref) !== word) {
        at += tries++ >> PATIENCE_BITS;
        continue;
      }
      tries = 1 << PATIENCE_BITS;
      const back = backwards(from, at, ref, anchor);
      const start = at - back;
      at = matchEnd(from, at + MATCH_MIN, ref + MATCH_MIN, end);
      out = putLiterals(from, anchor, start, to, out, Math.min(15, at - start - MATCH_MIN));
      out = putMatch(to, out, start - (ref - back), at - start - MATCH_MIN);
      anchor = at;
    }
    return putLiterals(from, anchor, from.length, to, out, 0);
  }
}

function word32(from: Buffer, at: number): number {
  return (
    (from[at] as number) |
    ((from[at + 1] as number) << 8) |
    ((from[at + 2] as number) << 16) |
    ((from[at + 3] as number) << 24)
  );
}

/** How many bytes before the two places are the same, too. */
function backwards(from: Buffer, at: number, ref: number, anchor: number): number {
  let back = 0;
  while (at - back > anchor && ref > back && from[at - back - 1] === from[ref - back - 1])
    back += 1;
  return back;
}

function matchEnd(from: Buffer, at: number, ref: number, end: number): number {
  let length = 0;
  while (at + length < end && from[at + length] === from[ref + length]) length += 1;
  return at + length;
}

/** A token with its literals. */
function putLiterals(
  from: Buffer,
  start: number,
  end: number,
  to: Buffer,
  at: number,
  match_nibble: number,
): number {
  const length = end - start;
  to[at] = (Math.min(15, length) << 4) | match_nibble;
  const out = putLength(to, at + 1, length);
  if (length < SHORT) for (let i = 0; i < length; i += 1) to[out + i] = from[start + i] as number;
  else from.copy(to, out, start, end);
  return out + length;
}

function putMatch(to: Buffer, at: number, distance: number, length: number): number {
  to[at] = distance & 0xff;
  to[at + 1] = distance >> 8;
  return putLength(to, at + 2, length);
}

/** What of a length does not fit into its half of the token. */
function putLength(to: Buffer, at: number, length: number): number {
  if (length < 15) return at;
  let rest = length - 15;
  let out = at;
  for (; rest >= 255; rest -= 255) to[out++] = 255;
  to[out++] = rest;
  return out;
}

/**
 * Decompresses one block into `to`. Returns how many bytes that made, or -1 when it is no block or makes more than `to` holds.
 * Trusts nothing: reads only `from`, writes only `to`, ends always.
 */
export function lz4Decode(from: Buffer, to: Buffer): number {
  let at = 0;
  let out = 0;
  while (at < from.length) {
    const token = from[at++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      const more = longer(from, at);
      literals += more;
      at += longerBytes(more);
    }
    // A length that ran past the end has made `at` too large.
    if (at + literals > from.length || out + literals > to.length) return -1;
    copyShort(from, at, to, out, literals);
    at += literals;
    out += literals;
    if (at === from.length) return out;
    if (at + 2 > from.length) return -1;
    const distance = (from[at] as number) | ((from[at + 1] as number) << 8);
    at += 2;
    let length = token & 15;
    if (length === 15) {
      const more = longer(from, at);
      length += more;
      at += longerBytes(more);
    }
    length += MATCH_MIN;
    if (distance === 0 || distance > out || at > from.length || out + length > to.length) return -1;
    repeat(to, out, distance, length);
    out += length;
  }
  return -1;
}

/** The rest of a length: bytes of 255 and one that is less. Infinite when there is no such one. */
function longer(from: Buffer, at: number): number {
  let sum = 0;
  for (let i = at; i < from.length; i += 1) {
    const byte = from[i] as number;
    sum += byte;
    if (byte !== 255) return sum;
  }
  return Number.POSITIVE_INFINITY;
}

function longerBytes(more: number): number {
  return Math.floor(more / 255) + 1;
}

function copyShort(from: Buffer, at: number, to: Buffer, out: number, length: number): void {
  if (length < SHORT) for (let i = 0; i < length; i += 1) to[out + i] = from[at + i] as number;
  else from.copy(to, out, at, at + length);
}

/** A match may overlap what it makes. */
function repeat(to: Buffer, out: number, distance: number, length: number): void {
  if (distance === 1) to.fill(to[out - 1] as number, out, out + length);
  else if (distance >= length && length >= SHORT)
    to.copyWithin(out, out - distance, out - distance + length);
  else for (let i = out; i < out + length; i += 1) to[i] = to[i - distance] as number;
}
