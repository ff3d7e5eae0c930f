import assert from 'node:assert/strict';
import { isAdapterError } from '../../daemon/adapters/errors.js';
import { errorResponse } from '../../daemon/adapters/peer-frames.js';
import { understood } from '../../daemon/peer-calls.js';

describe('requests of a peer', () => {
  it('are understood, with their defaults', () => {
    const replica = { generation: 3, session: 'ab12cd34' };
    const asked = understood('drop', { resource: 'vm1', replica });
    assert.deepEqual(asked, { resource: 'vm1', replica, paused: false });
  });

  it('that are not are refused in a sentence (found by a fuzzer)', () => {
    for (const [params, field] of [
      [{ resource: 'vm1', timeout_ms: '1' }, 'timeout_ms'],
      [{ resource: '../vm1', timeout_ms: 1 }, 'resource'],
      [null, 'it'],
    ] as const)
      assert.throws(
        () => understood('pause', params),
        (error: unknown) =>
          isAdapterError(error) &&
          error.sentence ===
            `it does not understand the request pause: ${field} is missing or not valid; install the same release on both nodes`,
      );
  });

  it('that fail in any other way are answered in one line', () => {
    const answer = errorResponse(1, new Error('a\n  "b": \u001b[2J'));
    assert.deepEqual(answer, { id: 1, error: { code: 'failed', sentence: 'a   "b":  [2J' } });
  });
});
