/**
 * What a PACKED frame's body is: a piece of the migration stream, so coded that it is smaller. Numbers are big-endian.
 *
 *   0  u32 bytes of the stream that it makes, 1 to PACKED_RAW_BYTES_MAX
 *   4  u32 CRC-32 of them
 *   8  u8  0: operations follow; 1: u32 their length, and they follow as one LZ4 block
 *
 * Operations make the bytes one after another. Each is a byte, its kind in the low bits, and
 *   RAW    varint length, and so many bytes as they are: all that is no page
 *   SAME   a page as it was held
 *   ZERO   a page of zeros
 *   DELTA  u16 length of what follows: runs of varint words to skip, varint words to take, the words. The rest is as it was held
 *   PAGE   a page as it is
 * A page's number is that of the page before it plus one, or with PFN_FOLLOWS a varint. A page that is not held counts as held with
 * zeros. Both sides put each page into their caches. Words are 4 bytes. A varint has 7 bits a byte, the lowest first.
 *
 * A piece never cuts a page: so what is not yet whole waits in the sender.
 */
export const PACKED_RAW_BYTES_MAX = 256 * 1024;
export const PACKED_HEAD_BYTES = 9;
export const LZ4_HEAD_BYTES = 4;
/** Each operation costs a few bytes; there are at most two a page. */
export const OPS_BYTES_MAX = PACKED_RAW_BYTES_MAX + 8 * 1024;
/** Of a PACKED frame. */
export const PACKED_BYTES_MAX = PACKED_HEAD_BYTES + LZ4_HEAD_BYTES + OPS_BYTES_MAX;

export const CODING = { OPS: 0, LZ4: 1 } as const;
export const OP = { RAW: 0, SAME: 1, ZERO: 2, DELTA: 3, PAGE: 4 } as const;
export const PFN_FOLLOWS = 0x80;
/** A page's number has 52 bits in the stream. */
export const PFN_MAX = 2 ** 52 - 1;

/** How pieces are coded: `delta` without LZ4, `lz4` with it. */
export type Coding = 'delta' | 'lz4';
