/** The last word on a data process that never came up says where its own words are. */
import assert from 'node:assert/strict';
import { DataLink } from '../../../daemon/adapters/data-link.js';

/** Nobody listens there; by this clock the process has had its time at the second try. */
function lastWordOn(path: string): Promise<string> {
  let now = 0;
  const clock = {
    now_ms: () => (now += 1e9),
    after: (_ms: number, work: () => void) => {
      const timer = setImmediate(work);
      return { cancel: () => clearImmediate(timer) };
    },
  };
  return new Promise((resolve) => {
    new DataLink(path, clock as never, { onState: () => undefined, onGone: resolve });
  });
}

describe('adapters/data-link', () => {
  it('a process that did not start: which, and in which file it says why', async () => {
    assert.equal(
      await lastWordOn('/nowhere/vm1/receiver.sock'),
      'the receiver did not start; see /nowhere/vm1/receiver.log',
    );
    assert.equal(
      await lastWordOn('/nowhere/vm1/sender.sock'),
      'the sender did not start; see /nowhere/vm1/xl-remus.log',
    );
  });
});
