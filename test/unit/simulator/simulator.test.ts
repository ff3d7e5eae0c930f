/**
 * A short run of the simulator (test/simulator) with fixed seeds, and each of its planted bugs found: without that, a
 * clean run would prove nothing. The long run is `npm run simulate -- --seeds 100000`.
 */
import assert from 'node:assert/strict';
import { MUTATIONS } from '../../simulator/mutations/all.js';
import { hunt } from '../../simulator/mutations/hunt.js';
import { runMany } from '../../simulator/many.js';
import { run } from '../../simulator/run.js';
import { SCENES, type SceneName } from '../../simulator/scenes.js';

const SEEDS = { 2: 300, 3: 100 } as const;
/** Several times what the rarest of them needs. */
const HUNT_MAX = 600;

describe('simulator', function () {
  this.timeout(120_000);

  for (const nodes of [2, 3] as const) {
    it(`${SEEDS[nodes]} lives of a cluster of ${nodes} nodes keep the promises`, async () => {
      const tally = await runMany({
        ...{ first: 1, count: SEEDS[nodes], nodes, jobs: 1 },
        progress: () => undefined,
      });
      const again = `npm run simulate -- --nodes ${nodes} --trace --seed`;
      assert.deepEqual(tally.bad, [], again);
      // They are worth nothing when no replica ever takes over.
      assert.ok(tally.activations > SEEDS[nodes] / 20, `only ${tally.activations} activations`);
    });
  }

  it('so do they in the scenes in which planted bugs are looked for', async () => {
    for (const scene of Object.keys(SCENES) as SceneName[])
      for (const nodes of [2, 3] as const)
        for (let seed = 1; seed <= 40; seed++) {
          const { violation } = await run({ seed, nodes, trace: false, scene });
          assert.equal(violation, null, `${scene}, ${nodes} nodes, seed ${seed}`);
        }
  });

  it('a seed makes the same life each time, event by event', async () => {
    const shape = { seed: 7, nodes: 3, trace: true } as const;
    const [one, two] = [await run(shape), await run(shape)];
    assert.ok(one.trace.length > 50);
    assert.deepEqual(one, two);
  });

  for (const mutation of MUTATIONS) {
    it(`finds a planted bug: ${mutation.name}`, async () => {
      const found = await hunt(mutation, 2, mutation.first ?? 1, HUNT_MAX);
      assert.ok(
        found !== null,
        `${mutation.what}: not found in ${HUNT_MAX} seeds; see "first" in mutation.ts`,
      );
    });
  }
});
