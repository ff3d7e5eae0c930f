/** What the outside listener of the Xen lab makes of the guest's unasked words. */
import assert from 'node:assert/strict';
import { WordTally, parseWord } from '../../xen/support/words.js';

const word = (number: number, boot = 'ab') => ({ number, boot });

describe('the words of the lab guest', () => {
  it('are read as they are written, and nothing else is', () => {
    assert.deepEqual(parseWord('word 7 boot=ce2a00af\n'), { number: 7, boot: 'ce2a00af' });
    assert.equal(parseWord('word 7 boot='), undefined);
    assert.equal(parseWord('answer a 1 seq=1 ticks=1 boot=ab'), undefined);
  });

  it('may rise by leaps, and come by two ways at a pace of their own', () => {
    const tally = new WordTally();
    tally.heard('udp', word(5), 1000);
    tally.heard('tcp', word(2), 1001);
    tally.heard('udp', word(9), 1002);
    tally.heard('tcp', word(3), 1003);
    const report = tally.report();
    assert.deepEqual(report.regressions, []);
    assert.deepEqual(report.udp, { words: 2, last: word(9), last_at_ms: 1002 });
    assert.deepEqual(report.tcp, { words: 2, last: word(3), last_at_ms: 1003 });
  });

  it('may not be said again, nor go back, nor come from another boot', () => {
    const tally = new WordTally();
    tally.heard('udp', word(5), 1);
    tally.heard('udp', word(5), 2);
    tally.heard('udp', word(2), 3);
    tally.heard('udp', word(3), 4);
    tally.heard('udp', word(9, 'cd'), 5);
    tally.broken('read ECONNRESET', 6);
    const { regressions, regression_count } = tally.report();
    assert.deepEqual(
      regressions.map(({ way, back, at_ms }) => [way, back, at_ms]),
      [
        ['udp', 1, 2],
        ['udp', 4, 3],
        ['udp', null, 5],
        ['tcp', null, 6],
      ],
    );
    assert.equal(regression_count, 4);
  });

  it('are all counted, and the first told in full', () => {
    const tally = new WordTally();
    for (let i = 0; i < 100; i++) tally.heard('udp', word(1), i);
    const { regressions, regression_count } = tally.report();
    assert.equal(regression_count, 99);
    assert.equal(regressions.length, 20);
  });
});
