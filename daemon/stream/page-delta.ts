import type { Held } from './page-cache.js';
import { PAGE_BYTES } from './records.js';

const WORDS = PAGE_BYTES / 4;
/** A delta that is hardly smaller than the page costs more time than it is worth. */
export const DELTA_BYTES_MAX = PAGE_BYTES - 256;

/** A page that is not held. */
export const ZEROS: Held = {
  words: new Int32Array(WORDS),
  bytes: Buffer.alloc(PAGE_BYTES),
  at: 0,
};

/**
 * Writes the runs of words in which `page` differs from what is held to `to`. Returns the end of what was written: `at` when nothing
 * differs; null when it would be longer than DELTA_BYTES_MAX.
 */
export function encodeDelta(page: Held, held: Held, to: Buffer, at: number): number | null {
  const now = page.words;
  const was = held.words;
  const offset = held.at;
  let out = at;
  let done = 0;
  for (let word = 0; word < WORDS;) {
    if (now[word] === was[offset + word]) {
      word += 1;
      continue;
    }
    const first = word;
    do word += 1;
    while (word < WORDS && now[word] !== was[offset + word]);
    if (out - at + (word - first) * 4 > DELTA_BYTES_MAX) return null;
    out = putVarint(to, out, first - done);
    out = putVarint(to, out, word - first);
    copyBytes(page.bytes, first * 4, word * 4, to, out);
    out += (word - first) * 4;
    done = word;
  }
  return out;
}

/** Most runs are a few words: for these a call costs more than the bytes. */
function copyBytes(from: Buffer, start: number, end: number, to: Buffer, at: number): void {
  if (end - start > 64) from.copy(to, at, start, end);
  else for (let i = start; i < end; i += 1) to[at + i - start] = from[i] as number;
}

/** Changes the page that begins at `at` in `to` by the runs. Returns whether they are what runs can be. */
export function applyDelta(runs: Buffer, to: Buffer, at: number): boolean {
  let from = 0;
  let word = 0;
  while (from < runs.length) {
    const skip = getVarint(runs, from);
    if (skip === null) return false;
    const take = getVarint(runs, skip.end);
    if (take === null) return false;
    word += skip.value;
    from = take.end;
    const bytes = take.value * 4;
    if (bytes === 0 || word + take.value > WORDS || bytes > runs.length - from) return false;
    copyBytes(runs, from, from + bytes, to, at + word * 4);
    word += take.value;
    from += bytes;
  }
  return true;
}

/** Returns the end. */
export function putVarint(to: Buffer, at: number, value: number): number {
  let rest = value;
  let out = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) to[out++] = (rest % 128) | 128;
  to[out++] = rest;
  return out;
}

const VARINT_BYTES_MAX = 8;

/** A number and where it ends; null when there is none. At most 56 bits: the caller says what is too much. */
export function getVarint(
  from: Buffer,
  at: number,
): { readonly value: number; readonly end: number } | null {
  let value = 0;
  let unit = 1;
  for (let i = at; i < from.length && i < at + VARINT_BYTES_MAX; i += 1) {
    const byte = from[i] as number;
    value += (byte & 127) * unit;
    unit *= 128;
    if (byte < 128) return { value, end: i + 1 };
  }
  return null;
}
