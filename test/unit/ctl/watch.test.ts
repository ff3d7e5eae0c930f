/** --watch on a terminal: repainted in place, and the cursor given back. */
import assert from 'node:assert/strict';
import { parse } from '../../../ctl/args.js';
import { status } from '../../../ctl/commands/status.js';
import type { World } from '../../../ctl/world.js';
import { canned } from './golden.js';

/** A terminal that is interrupted after so many pictures. */
function terminalFor(pictures: number): { world: World; written: string[] } {
  const controller = new AbortController();
  const written: string[] = [];
  let slept = 0;
  const world: World = {
    out: (text) => written.push(text),
    err: (text) => written.push(text),
    terminal: true,
    color: true,
    interrupted: controller.signal,
    ask: () => Promise.resolve({ rc: 0, json: canned('all-well') }),
    historyFile: () => Promise.resolve([]),
    pieces: () => {
      throw new Error('no file was to be read');
    },
    now: () => new Date(2026, 10, 22, 3, 12, 44),
    sleep: () => {
      slept += 1;
      if (slept === pictures) controller.abort();
      return Promise.resolve();
    },
  };
  return { world, written };
}

describe('remusctl status --watch on a terminal', () => {
  it('repaints in place, and shows the cursor again at the end', async () => {
    const parsed = parse(['status', '--watch']);
    assert.ok(parsed.kind === 'run');
    const { world, written } = terminalFor(2);
    assert.equal(await status(parsed.invocation, world), 0);
    assert.equal(written.length, 4);
    assert.match(written[0] ?? '', /\[\?25l/);
    assert.equal(written[1], written[2]);
    assert.match(written[1] ?? '', /^.\[Hremusctl status, every second, at 03:12:44\./s);
    assert.ok(!/[^K]\n/.test(written[1] ?? ''), 'each line clears what was behind it');
    assert.match(written.at(-1) ?? '', /\[\?25h/);
  });
});
