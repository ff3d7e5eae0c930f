/** docs/states.md is what the machine does, and not what it once did. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Event } from '../../../daemon/core/event.js';
import type { State } from '../../../daemon/core/state.js';
import { CONFIGS, explore } from '../../diagram/explore.js';
import { nameOf, text } from '../../diagram/names.js';
import { CONFIG } from '../core/rig.js';
import { page } from '../../diagram/page.js';
import type { Mutation } from '../../simulator/mutations/mutation.js';
import { run } from '../../simulator/run.js';

/** What kind of event led from where to where. */
function stepName(before: State, event: Event, after: State): string {
  const what = 'task' in event ? `${event.type} ${event.task}` : event.type;
  return `${text(nameOf(before.phase))} -> ${what} -> ${text(nameOf(after.phase))}`;
}

/** Looks at every turn of every driver of a simulated life. */
function watching(see: (before: State, event: Event, after: State) => void): Mutation {
  const watched = new WeakSet();
  return {
    ...{ name: 'watching', what: 'nothing is broken', breaks: [] },
    driver: (driver) => {
      if (watched.has(driver)) return;
      watched.add(driver);
      const post = driver.post.bind(driver);
      let within = false;
      driver.post = (event) => {
        const before = driver.state;
        // An event that comes up within a turn waits for its end, and then two steps look like one.
        const alone = !within;
        within = true;
        post(event);
        within = !alone;
        if (alone) see(before, event, driver.state);
      };
    },
  };
}

const SEEDS = 60;
/** Of the simulated lives; with less, the comparison says little. */
const STEPS_MIN = 150;

describe('docs/states.md', function () {
  this.timeout(120_000);

  it('is what the code gives', async () => {
    assert.equal(readFileSync('docs/states.md', 'utf8'), await page(), 'type: npm run diagram');
  });

  it('knows every step that simulated lives of a cluster take', async () => {
    const known = new Set<string>();
    // mode=restart is left out of the page, and not of this.
    for (const config of [...CONFIGS, { ...CONFIG, mode: 'restart' as const }])
      explore(config, ({ before, move: { events }, after }) => {
        const [event] = events;
        if (event !== undefined) known.add(stepName(before, event, after));
      });
    const taken = new Map<string, number>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const mutation = watching((before, event, after) => {
        if (before.phase !== after.phase) taken.set(stepName(before, event, after), seed);
      });
      const nodes = seed % 3 === 0 ? 3 : 2;
      const mode = seed % 5 === 0 ? 'restart' : 'remus';
      assert.equal((await run({ seed, nodes, mode, trace: false }, mutation)).violation, null);
    }
    const unknown = [...taken].filter(([step]) => !known.has(step));
    assert.deepEqual(unknown, [], 'test/diagram/moves.ts does not know all that can happen');
    assert.ok(taken.size > STEPS_MIN, `only ${taken.size} different steps`);
  });
});
