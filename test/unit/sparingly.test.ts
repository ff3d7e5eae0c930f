import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { sparingly } from '../../daemon/sparingly.js';
import type { Clock } from '../../daemon/ports.js';

describe('sparingly', () => {
  let timers: (() => void)[];
  let done: number;
  const clock: Clock = {
    now_ms: () => 0,
    wall: () => '',
    after: (_ms, fn) => {
      timers.push(fn);
      return { cancel: () => undefined };
    },
  };
  const rested = async (): Promise<void> => {
    for (const fn of timers.splice(0)) fn();
    await turn();
  };
  const work = (fails = false) =>
    sparingly(500, clock, () => {
      done += 1;
      return fails ? Promise.reject(new Error('no')) : Promise.resolve();
    });

  beforeEach(() => {
    timers = [];
    done = 0;
  });

  it('works at once, then once for all that have asked meanwhile', async () => {
    const ask = work();
    for (let n = 0; n < 100; n += 1) ask();
    await turn();
    assert.equal(done, 1);
    await rested();
    assert.equal(done, 2);
    await rested();
    assert.equal(done, 2);
    ask();
    assert.equal(done, 3);
  });

  it('goes on after a failure', async () => {
    const ask = work(true);
    ask();
    ask();
    await turn();
    await rested();
    assert.equal(done, 2);
  });
});
