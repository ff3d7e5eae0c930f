/** A real pipe and the real helper: what output commit rests on (P3). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PipeError, PipeSize } from '../../../daemon/relay/pipe-size.js';

const PAGE = Buffer.alloc(4096, 7);

describe('relay/pipe-size', () => {
  const dir = mkdtempSync(join(tmpdir(), 'remus-pipe-'));
  const path = join(dir, 'pipe');
  let fd = -1;
  let size: PipeSize;

  before(async () => {
    execFileSync('mkfifo', [path]);
    fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    size = await PipeSize.start(fd);
  });
  after(() => {
    size.close();
    closeSync(fd);
    rmSync(dir, { recursive: true });
  });

  /** Pages that go into the pipe until it is full. */
  function fill(): number {
    for (let pages = 0; ; pages += 1) {
      try {
        writeSync(fd, PAGE);
      } catch {
        return pages;
      }
    }
  }

  function drain(pages: number): void {
    for (let i = 0; i < pages; i += 1) readSync(fd, Buffer.alloc(PAGE.length));
  }

  it('narrow, not more than 4096 bytes fit in; wide, a megabyte does', async () => {
    assert.equal(await size.narrow(), true);
    assert.equal(fill(), 1);
    await size.widen();
    assert.equal(fill(), 255);
    drain(256);
  });

  it('does not claim to be narrow when more is in it already', async () => {
    await size.widen();
    writeSync(fd, PAGE);
    writeSync(fd, PAGE);
    assert.equal(await size.narrow(), false);
    drain(2);
    assert.equal(await size.narrow(), true);
  });

  it('what is no pipe is refused', async () => {
    const file = openSync('/dev/null', 'r');
    await assert.rejects(PipeSize.start(file), PipeError);
    closeSync(file);
  });

  it('a helper that has ended is an error, not a narrow pipe', async () => {
    size.close();
    await assert.rejects(size.narrow(), PipeError);
  });
});
