import assert from 'node:assert/strict';
import { distribution, longestSilence, outages } from '../../chaos/numbers.js';

describe('chaos: numbers', () => {
  it('distributions are of values that were measured', () => {
    assert.deepEqual(distribution([]), { count: 0, median: 0, p90: 0, max: 0 });
    assert.deepEqual(distribution([5]), { count: 1, median: 5, p90: 5, max: 5 });
    const ten = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1];
    assert.deepEqual(distribution(ten), { count: 10, median: 5, p90: 9, max: 10 });
  });

  it('the longest silence is one that overlaps the window, whole', () => {
    const answers = [0, 100, 200, 1200, 1300, 5000];
    assert.equal(longestSilence(answers, 250, 400), 1000);
    assert.equal(longestSilence(answers, 1250, 1260), 100);
    assert.equal(longestSilence(answers, 1250, 9000), 4000);
    assert.equal(longestSilence([], 0, 3000), 3000);
  });

  it('each fault has the silence until the next one, or that it fell into', () => {
    const strikes = [
      { kind: 'kill', at_ms: 1000 },
      { kind: 'freeze', at_ms: 3000 },
    ] as const;
    const answers = [900, 1100, 1400, 2900, 3100, 9100];
    assert.deepEqual(outages(strikes, answers, 9000), [
      { kind: 'kill', silence_ms: 1500 },
      { kind: 'freeze', silence_ms: 6000 },
    ]);
  });
});
