/** The reader of xl's pipe, on a real pipe. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PipeReader } from '../../../daemon/relay/stdin-pipe.js';

describe('relay/stdin-pipe', () => {
  let dir = '';
  let xl = -1;
  let reader: PipeReader;
  let fd = -1;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'remus-pipe-'));
    const fifo = join(dir, 'pipe');
    assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
    // Both ends at once, so that neither open waits for the other.
    xl = openSync(fifo, constants.O_RDWR);
    fd = openSync(fifo, constants.O_RDONLY);
    reader = new PipeReader(fd);
  });
  afterEach(() => {
    closeSync(fd);
    rmSync(dir, { recursive: true, force: true });
  });

  async function text(max: number): Promise<string | undefined> {
    return (await reader.read(max))?.toString();
  }

  it('takes what is asked for, and leaves the rest in the pipe', async () => {
    writeSync(xl, 'twelve bytes');
    assert.equal(await text(6), 'twelve');
    assert.equal(await text(1), ' ');
    assert.equal(await text(100), 'bytes');
    closeSync(xl);
    assert.equal(await text(100), undefined);
  });

  it('waits for what is not there yet', async () => {
    const later = text(100);
    writeSync(xl, 'late');
    assert.equal(await later, 'late');
    closeSync(xl);
  });

  it('a read that waits is let go, so that the process can exit', async () => {
    const waiting = text(100);
    // The thread has to be in its read: nothing shows that, but a byte too early would only be read at once.
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(reader.unblock(), true);
    assert.equal(await waiting, '\n');
    closeSync(xl);
  });

  it('lets others have their turn while there is always more', async () => {
    const piece = Buffer.alloc(32 * 1024, 'x');
    let turned = false;
    setImmediate(() => (turned = true));
    for (let n = 0; n < 200; n += 1) {
      writeSync(xl, piece);
      assert.equal((await reader.read(piece.length))?.length, piece.length);
    }
    closeSync(xl);
    assert.ok(turned, 'the event loop stood still');
  });
});
