/**
 * Real Pacemaker: a few minutes of chaos (test/chaos) from a fixed seed, and a promise that is broken on purpose: a run
 * that could not fail would prove nothing. The long one is `npm run chaos -- --minutes 60`.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { roundOf } from '../chaos/generate.js';
import { summary } from '../chaos/report.js';
import type { RoundResult } from '../chaos/round.js';
import { runChaos } from '../chaos/run.js';
import type { Round } from '../chaos/schedule.js';
import { leaveLab, takeOverLab } from './support/scenario.js';

const SEED = 10;
const ROUNDS = 5;
const MINUTES = 3;
/** The last round may begin at the end of the minutes, and may have to be waited for. */
const TIMEOUT_MS = 10 * 60_000;

async function play(rounds: readonly Round[], say: (line: string) => void): Promise<RoundResult[]> {
  const room = mkdtempSync(join(tmpdir(), 'remus-chaos-'));
  const lab = takeOverLab();
  const results = await runChaos({
    nodes: 2,
    seed: SEED,
    rounds,
    minutes: MINUTES,
    say,
    lab,
    room,
  });
  const kept = results.every(({ violations }) => violations.length === 0);
  if (kept) rmSync(room, { recursive: true, force: true });
  return results;
}

describe('chaos', function () {
  this.timeout(TIMEOUT_MS);
  after(leaveLab);

  it(`${ROUNDS} rounds from seed ${SEED} keep the promises`, async () => {
    const began_ms = Date.now();
    const lines: string[] = [];
    const rounds = Array.from({ length: ROUNDS }, (_, index) => roundOf(SEED, index + 1));
    const results = await play(rounds, (line) => lines.push(line));
    const broken = results.flatMap(({ violations }) => violations);
    assert.deepEqual(broken, [], lines.join('\n'));
    assert.ok(results.length > 0);
    console.log(summary(results, Date.now() - began_ms));
  });

  it('a second copy that somebody lets run is found', async () => {
    const strikes = [{ at_ms: 0, fault: { kind: 'plant', what: 'two-copies' } as const }];
    const [result] = await play([{ number: 1, strikes }], () => undefined);
    assert.ok(
      result?.violations.some(({ promise }) => promise === 'P1'),
      JSON.stringify(result),
    );
  });
});
