import { read } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const readAsync = promisify(read);
const CHUNK_BYTES = 1 << 20;
const EAGAIN_PAUSE_MS = 2;

/** Reads exact numbers of bytes from a file descriptor that blocks (or not). */
export class ExactReader {
  private readonly fd: number;
  private readonly chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  private from = 0;
  private to = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Exactly `length` bytes; undefined when the stream ends, or cannot be read, before they are there. */
  async read(length: number): Promise<Buffer | undefined> {
    const data = Buffer.allocUnsafe(length);
    let have = 0;
    while (have < length) {
      if (this.from === this.to && !(await this.fill())) return undefined;
      const take = Math.min(length - have, this.to - this.from);
      this.chunk.copy(data, have, this.from, this.from + take);
      this.from += take;
      have += take;
    }
    return data;
  }

  private async fill(): Promise<boolean> {
    for (;;) {
      try {
        const { bytesRead } = await readAsync(this.fd, this.chunk, 0, CHUNK_BYTES, null);
        this.from = 0;
        this.to = bytesRead;
        return bytesRead > 0;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return false;
        await sleep(EAGAIN_PAUSE_MS);
      }
    }
  }
}
