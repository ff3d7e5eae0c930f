import assert from 'node:assert/strict';
import { bucketsSchema, Histogram } from '../../../daemon/relay/histogram.js';
import {
  parseHistograms,
  SenderHistogramCounters,
  type HistogramsLine,
} from '../../../daemon/relay/sender-histograms.js';
import { parseState } from '../../../daemon/adapters/data-link.js';

describe('a histogram', () => {
  it('counts each value below the first bound that it does not exceed', () => {
    const histogram = new Histogram([1, 2, 5]);
    for (const value of [0, 1, 1.5, 2, 5, 5.1, 1e9]) histogram.observe(value);
    const { counts, sum } = histogram.buckets;
    assert.deepEqual(counts, [2, 2, 1, 2]);
    assert.equal(sum, 0 + 1 + 1.5 + 2 + 5 + 5.1 + 1e9);
  });

  it('is taken from another process only when it adds up', () => {
    const good = { bounds: [1, 2], counts: [0, 1, 2], sum: 9 };
    assert.deepEqual(bucketsSchema.parse(good), good);
    const wrong = [
      { ...good, counts: [0, 1] },
      { ...good, bounds: [2, 1] },
      { ...good, bounds: [] },
      { ...good, sum: -1 },
      { ...good, bounds: Array.from({ length: 40 }, (_, i) => i) },
    ];
    for (const one of wrong) assert.equal(bucketsSchema.safeParse(one).success, false);
  });
});

describe("the sender's histograms", () => {
  it('leave the first copy out', () => {
    const counters = new SenderHistogramCounters();
    counters.end({ number: 1, bytes: 1e9, pages: 1e5 }, 60_000);
    counters.ack(1, 100, 0);
    counters.block(1000);
    counters.end({ number: 2, bytes: 5000, pages: 1 }, 4);
    counters.ack(2, 1.5, 1010);
    const { pause_ms, ack_ms, hold_ms, bytes, pages } = counters.snapshot();
    assert.deepEqual(
      [pause_ms, ack_ms, hold_ms, bytes, pages].map(({ sum }) => sum),
      [4, 1.5, 10, 5000, 1],
    );
  });

  it('come over the control socket as a line that others pass over', () => {
    const histograms = new SenderHistogramCounters().snapshot();
    const line: HistogramsLine = { v: 1, role: 'sender', type: 'histograms', histograms };
    const text = JSON.stringify(line);
    assert.ok(text.length < 4096);
    assert.deepEqual(parseHistograms(text), histograms);
    assert.equal(parseState(text), null);
    assert.equal(parseHistograms('{"type":"histograms"}'), null);
    assert.equal(parseHistograms('{"histograms"'), null);
    assert.equal(parseHistograms('{}'), null);
  });
});
