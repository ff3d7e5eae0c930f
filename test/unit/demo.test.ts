import assert from 'node:assert/strict';
import { type SceneSeen, whatWasSeen } from '../cluster/demo/seen.js';
import { answersIn, aroundSilence, eventsSince, timeline } from '../cluster/demo/timeline.js';
import { Tally } from '../cluster/lab/tally.js';

/** A client that has heard these counts, one a second. */
function heard(...seqs: readonly number[]): SceneSeen {
  const tally = new Tally(0);
  for (const [index, seq] of seqs.entries()) {
    const at_ms = (index + 1) * 1000;
    tally.sent(index + 1, at_ms - 10);
    tally.heard({ n: index + 1, seq, ticks: index, boot: 'b1' }, at_ms);
  }
  return { scene: 'a scene', summary: tally.summary(seqs.length * 1000) };
}

describe('demo: what the client saw', () => {
  it('is good when nothing is wrong, and adds the scenes up', () => {
    const { good, lines } = whatWasSeen([heard(1, 2, 3), heard(1, 2)]);
    assert.ok(good);
    assert.match(lines.find((line) => line.includes('in total')) ?? '', / 5 +0 +1\.00 s$/);
  });

  it('is not good when an answer is lost, repeated or going back, or when there is none', () => {
    for (const bad of [heard(1, 3), heard(1, 1), heard(2, 1)])
      assert.equal(whatWasSeen([heard(1, 2), bad]).good, false);
    assert.equal(whatWasSeen([heard()]).good, false);
  });

  it('is not good when the last request was never answered', () => {
    const tally = new Tally(0);
    tally.sent(1, 0);
    tally.heard({ n: 1, seq: 1, ticks: 1, boot: 'b1' }, 10);
    tally.sent(2, 20);
    assert.equal(whatWasSeen([{ scene: 'x', summary: tally.summary(9000) }]).good, false);
  });
});

describe('demo: the time around a power cut', () => {
  it('takes the lab events since the last one of a kind, in order, with times', () => {
    const log = '10.5 kill pm1\n11.0 boot pm1\n20.25 kill pm1\n22.5 fence pm1 rc=0\nrubbish\n';
    const events = eventsSince(log, 'kill pm1');
    const more = [{ at_ms: 20_000, text: 'last answer' }];
    assert.deepEqual(timeline([...events, ...more], 20_250), [
      '   -0.25 s  last answer',
      '    0.00 s  kill pm1',
      '    2.25 s  fence pm1 rc=0',
    ]);
    assert.deepEqual(eventsSince(log, 'nothing'), []);
  });

  it('finds the answers on both sides of the longest silence', () => {
    const at = (s: number): string => new Date(s * 1000).toISOString();
    const answer = (s: number, seq: number): string =>
      JSON.stringify({ at: at(s), event: 'answer', n: seq, seq, ticks: 1, boot: 'b' });
    const log = [answer(1, 1), answer(9, 2), answer(10, 3), answer(13, 4), ''].join('\n');
    const found = aroundSilence(answersIn(log), 9500);
    assert.deepEqual([found?.before.seq, found?.after.seq], [3, 4]);
    assert.equal(aroundSilence(answersIn(''), 0), undefined);
  });
});
