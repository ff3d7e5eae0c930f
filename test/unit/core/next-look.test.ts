import assert from 'node:assert/strict';
import { DELAY, nextLook } from '../../../daemon/core/policy.js';

describe('core/policy: how often the hypervisor is asked', () => {
  it('every two seconds, when it answers at once', () => assert.equal(nextLook(20), DELAY.poll));
  it('for at most a tenth of the time, when it is busy', () => assert.equal(nextLook(700), 6_300));
  it('but never so rarely that a monitor finds it stale', () =>
    assert.equal(nextLook(60_000), DELAY.poll_max));
});
