/** A migration stream from a file or from stdin, gzipped or not. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

const GZIP = Buffer.from([0x1f, 0x8b]);

async function beginsWithGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0);
    return bytesRead === GZIP.length && buffer.equals(GZIP);
  } finally {
    await file.close();
  }
}

/** There is something of that name that can be read: no directory. */
export async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found !== null && !found.isDirectory();
}

/** `-` is stdin. @throws the errors of reading, and of unpacking what is no whole gzip file */
export async function* pieces(path: string): AsyncGenerator<Buffer> {
  // Before there is a stream: one that nobody listens to yet would end the process when there is no such file.
  const packed = path !== '-' && (await beginsWithGzip(path));
  const source: Readable = path === '-' ? process.stdin : createReadStream(path);
  if (!packed) {
    yield* source as AsyncIterable<Buffer>;
    return;
  }
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  yield* source.pipe(gunzip) as AsyncIterable<Buffer>;
}
