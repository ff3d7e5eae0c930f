import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SIGNS } from '../../chaos/ambush.js';
import { roundOf } from '../../chaos/generate.js';
import {
  type Kind,
  MOMENTS,
  faultWords,
  parseSchedule,
  scheduleText,
} from '../../chaos/schedule.js';

const KINDS: readonly Kind[] = [
  ...(['kill', 'stop', 'restart-daemon', 'power-cut', 'outage', 'freeze', 'partition'] as const),
  ...(['cut-replication', 'fencing-fails', 'slow-fencing', 'crash-stack', 'leave'] as const),
  ...(['standby', 'stop-resource', 'move', 'switchover', 'failover', 'pause', 'guest'] as const),
  'kill-domain',
];

function rounds(seed: number, count: number) {
  return Array.from({ length: count }, (_, index) => roundOf(seed, index + 1));
}

describe('chaos: the schedule', () => {
  it('is the same for the same seed, and another one for another', () => {
    assert.deepEqual(rounds(7, 50), rounds(7, 50));
    assert.notDeepEqual(rounds(7, 50), rounds(8, 50));
  });

  it('has each kind of fault, alone and in overlap, in the order of time', () => {
    const all = rounds(1, 1000);
    const kinds = new Set(all.flatMap(({ strikes }) => strikes.map(({ fault }) => fault.kind)));
    assert.deepEqual([...kinds].sort(), [...KINDS].sort());
    const sizes = new Set(all.map(({ strikes }) => strikes.length));
    assert.deepEqual([...sizes].sort(), [1, 2, 3, 4, 5, 6]);
    for (const { strikes } of all) {
      const times = strikes.map(({ at_ms }) => at_ms);
      assert.equal(times[0], 0);
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
    }
  });

  it('plants nothing by itself', () => {
    const faults = rounds(3, 1000).flatMap(({ strikes }) => strikes.map(({ fault }) => fault));
    assert.ok(faults.every(({ kind }) => kind !== 'plant'));
  });

  it('comes back from its file as it was', () => {
    const schedule = { seed: 7, nodes: 3 as const, rounds: rounds(7, 20) };
    assert.deepEqual(parseSchedule(scheduleText(schedule)), schedule);
  });

  it('is refused when a fault is unknown, or half said', () => {
    const text = (fault: object) =>
      JSON.stringify({
        ...{ seed: null, nodes: 2 },
        rounds: [{ number: 1, strikes: [{ at_ms: 0, fault }] }],
      });
    assert.throws(() => parseSchedule(text({ kind: 'meteorite' })));
    assert.throws(() => parseSchedule(text({ kind: 'freeze', on: 'primary' })));
    assert.throws(() => parseSchedule(text({ kind: 'freeze', on: 'pm1', for_ms: 100 })));
  });

  it('waits for moments that the product and the lab still tell of', () => {
    const sources = readdirSync('daemon', { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join('daemon', name), 'utf8'))
      .join('\n');
    for (const { of, line } of Object.values(SIGNS).filter((sign) => sign.of === 'remusd')) {
      const said = [...sources.matchAll(/'([^'\n]{5,})'/g)].map(
        ([, text]) => `"msg":"${text ?? ''}"`,
      );
      assert.ok(
        said.some((text) => line.test(text)),
        `${of} does not say ${String(line)}`,
      );
    }
    const waited = rounds(1, 500).flatMap(({ strikes }) =>
      strikes.map(({ after }) => after?.moment).filter((moment) => moment !== undefined),
    );
    assert.deepEqual([...new Set(waited)].sort(), [...MOMENTS].sort());
  });

  it('is in words for people', () => {
    const words = rounds(1, 500).flatMap(({ strikes }) =>
      strikes.map(({ fault }) => faultWords(fault)),
    );
    assert.ok(words.every((text) => /^\S.*\S$/.test(text) && !text.includes('undefined')));
    assert.equal(
      faultWords({ kind: 'stop', on: 'backup', process: 'receiver', for_ms: 1234 }),
      'SIGSTOP of receiver on the backup for 1.2 s',
    );
  });
});
