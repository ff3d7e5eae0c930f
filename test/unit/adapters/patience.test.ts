import assert from 'node:assert/strict';
import { patienceFactor } from '../../../daemon/adapters/patience.js';

describe('adapters/patience', () => {
  it('only ever makes deadlines longer', () => {
    const of = (text: string | undefined): number => patienceFactor({ REMUS_PATIENCE: text });
    assert.deepEqual(['5', '2.5', '1000'].map(of), [5, 2.5, 100]);
    assert.deepEqual([undefined, '', '0', '-3', '0.1', 'much', 'NaN'].map(of), Array(7).fill(1));
  });
});
