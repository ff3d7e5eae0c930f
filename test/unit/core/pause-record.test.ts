import assert from 'node:assert/strict';
import {
  formatPause,
  momentWords,
  parsePause,
  type Pause,
  pauseWords,
  samePause,
} from '../../../daemon/core/pause-record.js';
import { initialState, type Phase, type State } from '../../../daemon/core/state.js';
import { words } from '../../../daemon/core/view.js';

const NOTHING: Pause = { by: null, node: null, at: null, until: null, why: null };
const WHOLE: Pause = {
  ...{ by: 'root', node: 'pm1', at: '2026-11-23T12:00:00Z', until: '2026-11-23T14:00:00Z' },
  why: 'storage work',
};
const TEXT =
  'true at=2026-11-23T12:00:00Z by=root node=pm1 until=2026-11-23T14:00:00Z why=storage work';

describe('the text of a pause', () => {
  it('begins as the one of a former release, which is understood, too', () => {
    assert.equal(formatPause(WHOLE), TEXT);
    assert.equal(formatPause(NOTHING), 'true');
    assert.deepEqual(parsePause('true'), NOTHING);
  });

  it('comes back as it was, whatever was said, in ASCII', () => {
    for (const pause of [
      WHOLE,
      { ...WHOLE, until: null, why: null },
      {
        ...WHOLE,
        by: 'DOM\\j\u00fcrgen m',
        why: 'why=100% "it\'s" <b> until=2026-11-23T13:00:00Z',
      },
      { ...WHOLE, why: 'Wartung: \u00e4\u00f6\u00fc \u{1f980}' },
    ]) {
      const text = formatPause(pause);
      assert.match(text, /^true [ -~]+$/);
      assert.deepEqual(parsePause(text), pause);
    }
  });

  it('typed by hand: what cannot be understood is not known, and drives no terminal', () => {
    assert.deepEqual(parsePause('until=tomorrow by= at=2026-11-23'), NOTHING);
    assert.deepEqual(parsePause('1 why=50% off%1b'), { ...NOTHING, why: '50% off%1b' });
    assert.deepEqual(parsePause('true by=a%0Ab why=%1B[2J'), {
      ...NOTHING,
      ...{ by: 'a b', why: ' [2J' },
    });
    assert.equal(parsePause(`true why=${'x'.repeat(5_000)}`).why?.length, 200);
  });

  it('for people', () => {
    assert.equal(pauseWords(NOTHING), 'paused by the operator');
    assert.equal(pauseWords(WHOLE), 'paused until 2026-11-23 14:00 UTC by root: storage work');
    assert.equal(momentWords('2026-11-23T14:00:30Z'), '2026-11-23 14:00:30 UTC');
  });

  it('is the same order whenever it was given', () => {
    assert.ok(samePause(WHOLE, { ...WHOLE, at: '2026-11-23T12:00:05Z' }));
    assert.ok(!samePause(WHOLE, { ...WHOLE, until: null }));
    assert.ok(!samePause(WHOLE, { ...WHOLE, why: 'work' }));
    assert.ok(samePause(null, null) && !samePause(null, WHOLE));
  });
});

describe('the words of a paused VM', () => {
  const of = (paused: Pause | null): string | null => {
    const protection = { kind: 'none', reason: 'paused by the operator', tag: 0 };
    const phase = { kind: 'primary', protection } as unknown as Phase;
    const state: State = { ...initialState('pm1', 'vm1'), phase, paused };
    return words(state);
  };

  it('say who, until when, why, and what to type where there is room', () => {
    assert.equal(
      of(WHOLE),
      'unprotected: paused until 2026-11-23 14:00 UTC by root: storage work; type: remusctl resume vm1',
    );
    const long = of({
      ...WHOLE,
      why: 'storage work in the second rack, and then in the third one',
    });
    assert.equal(
      long,
      'unprotected: paused until 2026-11-23 14:00 UTC by root: storage work in the second rack, and then in the third one',
    );
    assert.equal(of({ ...WHOLE, why: 'x'.repeat(200) })?.length, 120);
  });

  it('of a former release, or not known: as ever', () => {
    assert.equal(of(parsePause('true')), 'unprotected: paused by the operator');
    assert.equal(of(null), 'unprotected: paused by the operator');
  });

  it('are ASCII: attrd_updater refuses anything else in the C locale', () => {
    assert.match(of({ ...WHOLE, why: 'K\u00fchlung \u{1f980}' }) ?? '', /: K\?hlung \?; type: /);
  });
});
