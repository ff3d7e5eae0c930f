import { z } from 'zod';
import { oneLine } from '../adapters/errors.js';

/**
 * The first thing each side says on a data connection: 16 bytes that every release can read, and a
 * JSON object.
 *
 *   0  magic 'REMUSREP'
 *   8  u16 newest protocol version spoken, 10 u16 oldest
 *  12  u32 length of the JSON in bytes, at most 4096
 *
 * Both sides then speak the newest version that both know.
 */
export interface Hello {
  readonly role: 'sender' | 'receiver';
  /** Of pacemaker-remus, for messages. */
  readonly release: string;
  readonly resource: string;
  readonly generation: number;
  readonly session: string;
  /** How much it gives to the page cache of packed frames, in MiB. Absent: it knows none. */
  readonly cache_mib?: number | undefined;
}

export interface Versions {
  readonly newest: number;
  readonly oldest: number;
}

/** 1: plain DATA frames. 2: PACKED frames, too, if both hellos say `cache_mib`. */
export const PROTOCOL: Versions = { newest: 2, oldest: 1 };
const PACKED_SINCE = 2;
const PAGES_PER_MIB = 256;
export const HELLO_HEAD_BYTES = 16;
const HELLO_BODY_BYTES_MAX = 4096;
const MAGIC = Buffer.from('REMUSREP', 'latin1');

const schema = z.object({
  role: z.enum(['sender', 'receiver']),
  release: z.string().max(64),
  resource: z.string().min(1).max(256),
  generation: z.number().int().min(1),
  session: z.string().min(1).max(128),
  cache_mib: z.number().int().min(0).max(65_536).optional(),
});

export interface ReceivedHello {
  readonly hello: Hello;
  readonly versions: Versions;
}

export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

function refused(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

export function encodeHello(hello: Hello, versions: Versions = PROTOCOL): Buffer {
  const body = Buffer.from(JSON.stringify(hello));
  const head = Buffer.alloc(HELLO_HEAD_BYTES);
  MAGIC.copy(head);
  head.writeUInt16BE(versions.newest, 8);
  head.writeUInt16BE(versions.oldest, 10);
  head.writeUInt32BE(body.length, 12);
  return Buffer.concat([head, body]);
}

/** Returns the length of the JSON that follows. */
export function helloBodyLength(head: Buffer): Result<number> {
  if (!head.subarray(0, 8).equals(MAGIC)) {
    return refused('the peer does not speak the protocol of pacemaker-remus');
  }
  const length = head.readUInt32BE(12);
  if (length < 2 || length > HELLO_BODY_BYTES_MAX) {
    return refused(
      `the peer's hello has ${length} bytes, at most ${HELLO_BODY_BYTES_MAX} are taken`,
    );
  }
  return { ok: true, value: length };
}

export function parseHello(head: Buffer, body: Buffer): Result<ReceivedHello> {
  const versions = { newest: head.readUInt16BE(8), oldest: head.readUInt16BE(10) };
  try {
    const parsed = schema.safeParse(JSON.parse(body.toString('utf8')));
    if (!parsed.success) return refused("the peer's hello lacks what it must say");
    return { ok: true, value: { hello: parsed.data, versions } };
  } catch {
    return refused("the peer's hello is not JSON");
  }
}

/** Whether the peer is the one we mean to speak with, in a version that we know. A sentence when not. */
export function checkHello(mine: Hello, theirs: ReceivedHello): string | null {
  const { hello, versions } = theirs;
  if (Math.min(PROTOCOL.newest, versions.newest) < Math.max(PROTOCOL.oldest, versions.oldest)) {
    return (
      `no common protocol version: ${mine.release} here speaks ${spoken(PROTOCOL)}, ` +
      `${oneLine(hello.release)} there ${spoken(versions)}; install the same release on both nodes`
    );
  }
  if (hello.role === mine.role) return `the peer is a ${hello.role}, too`;
  if (hello.resource !== mine.resource) {
    return `the peer means resource ${oneLine(hello.resource)}, this is ${mine.resource}`;
  }
  if (hello.generation !== mine.generation) {
    return `the peer means generation ${hello.generation}, this is ${mine.generation}`;
  }
  if (hello.session !== mine.session) return 'the peer means another session of this generation';
  return null;
}

/** The size of both page caches, in pages, when the sender may send packed frames: the smaller of the two. Else null. */
export function packedCachePages(mine: Hello, theirs: ReceivedHello): number | null {
  const version = Math.min(PROTOCOL.newest, theirs.versions.newest);
  const mib = Math.min(mine.cache_mib ?? 0, theirs.hello.cache_mib ?? 0);
  return version >= PACKED_SINCE && mib > 0 ? mib * PAGES_PER_MIB : null;
}

function spoken(versions: Versions): string {
  return versions.oldest === versions.newest
    ? `version ${versions.newest}`
    : `versions ${versions.oldest} to ${versions.newest}`;
}
