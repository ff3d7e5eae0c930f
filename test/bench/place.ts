import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from './cleanup.js';

/** The bench's temporary directory, and what has to be undone in the end. */
export class Place {
  readonly dir = mkdtempSync(join(tmpdir(), 'remus-bench-'));
  readonly cleanup = new Cleanup();
  #files = 0;

  constructor() {
    this.cleanup.add(() => rmSync(this.dir, { recursive: true, force: true }));
  }

  /** A path that nobody has had before. */
  fresh(name: string): string {
    this.#files += 1;
    return join(this.dir, `${name}-${this.#files}`);
  }
}

/** A port of the loopback that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port);
        else reject(new Error('no port of the loopback'));
      });
    });
  });
}
