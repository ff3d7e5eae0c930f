/** Files that are either the old or the new content, never half of it, also after a power cut. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Write a private (0600) file atomically and durably: temporary file, fsync, rename, fsync of the directory. */
export async function writeFileAtomic(path: string, content: string): Promise<void> {
  const dir = dirname(path);
  const temporary = join(dir, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dir);
}

/** Make a rename or a removal in a directory survive a power cut. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * A file that somebody has named: only a regular one is opened, for a device can be without end and a pipe keeps one of
 * Node's few threads for ever. What is longer than `bytes_max` is cut, one byte after that, so that it is seen.
 */
export async function readNamedFile(path: string, bytes_max: number): Promise<string> {
  if (!(await stat(path)).isFile()) throw new Error('it is not a regular file');
  // It may have been changed for a pipe just now.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const parts: Buffer[] = [];
    const pieces = file.createReadStream({ end: bytes_max, autoClose: false });
    for await (const part of pieces) parts.push(part as Buffer);
    return Buffer.concat(parts).toString('utf8');
  } finally {
    await file.close();
  }
}

/** A directory only root can look into. */
export async function privateDirectory(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
}
