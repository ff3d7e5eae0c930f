/** The metrics as a file for node_exporter's textfile collector, which reads every *.prom of its directory. */
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** The user of node_exporter is to read it; there is no secret in it. */
const MODE = 0o644;

/**
 * Never half of it: written beside it, under a name that node_exporter passes over, then renamed. It is not made to
 * survive a power cut: it would tell of another boot.
 */
export async function writeTextfile(path: string, text: string): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const file = await open(beside, 'w', MODE);
    try {
      // Whatever our umask is.
      await file.chmod(MODE);
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** What is not kept up any more must not be taken for the present. */
export async function removeTextfile(path: string): Promise<void> {
  await rm(path, { force: true });
}
