/**
 * Real Pacemaker with three nodes: a VM that has lost its backup, or its primary, is protected again by the third node
 * while the lost one is away; and a node on its own has no quorum.
 */
import assert from 'node:assert/strict';
import { fenced } from './support/events.js';
import { anythingLeft, leftOvers } from './support/left-overs.js';
import { measure } from './support/measures.js';
import { protectedPair } from './support/operations.js';
import { PATIENCE_MS, type Scenario, VM, labWith, leaveLab, scenario } from './support/scenario.js';

const NODES = 3;

function third(s: Scenario): string {
  const found = s.lab.nodes().find((node) => ![s.primary, s.backup].includes(node));
  assert.ok(found, 'there is a third node');
  return found;
}

type Pair = NonNullable<ReturnType<typeof protectedPair>>;

/** Protected between these two, as crm_mon says; the lost node may be away. */
async function protectedBetween(s: Scenario, primary: string, backup: string): Promise<Pair> {
  const pair = await s.lab.waitFor(
    `${VM} runs on ${primary}, protected by ${backup}`,
    async () => {
      const found = protectedPair(await s.lab.crmMon(primary), VM);
      return found?.primary === primary && found.backup === backup ? found : undefined;
    },
    PATIENCE_MS,
  );
  await s.untilAnswer();
  return pair;
}

/** Nothing of the VM where it does not belong. */
async function tidyBetween(s: Scenario, pair: Pair): Promise<void> {
  await s.lab.waitFor(
    'nothing is left over',
    async () => {
      assert.deepEqual(await leftOvers(s.lab, VM, pair), []);
      for (const node of s.lab.nodes().filter((one) => !Object.values(pair).includes(one)))
        if (s.lab.power(node) === 'on') assert.deepEqual(await anythingLeft(s.lab, node, VM), []);
      return true;
    },
    PATIENCE_MS,
  );
}

/** The lost node comes back to a cluster that does well without it: nothing moves. */
async function backWithoutMoving(s: Scenario, node: string, pair: Pair): Promise<void> {
  await s.lab.boot(node);
  const roles = await s.untilProtected();
  assert.deepEqual([roles.primary, roles.backup], [pair.primary, pair.backup]);
  await s.assertUnbroken();
  await tidyBetween(s, pair);
}

describe('three nodes', () => {
  before(() => labWith({}, NODES));
  after(leaveLab);

  it(
    'the backup loses its power: the replica moves to the third node, and stays there when the lost one is back',
    scenario(async (s) => {
      const began_ms = Date.now();
      await s.lab.kill(s.backup);
      const pair = await protectedBetween(s, s.primary, third(s));
      const { longest_silence } = await s.assertUnbroken();
      measure('three nodes: backup lost', {
        silence_ms: longest_silence.ms,
        protected_ms: Date.now() - began_ms,
      });
      await tidyBetween(s, pair);
      await backWithoutMoving(s, s.backup, pair);
    }),
  );

  it(
    'the primary loses its power: the replica takes over with its memory, protected by the third node',
    scenario(async (s) => {
      const began_ms = Date.now();
      await s.lab.kill(s.primary);
      const pair = await protectedBetween(s, s.backup, third(s));
      const { longest_silence } = await s.assertUnbroken();
      measure('three nodes: primary lost', {
        silence_ms: longest_silence.ms,
        protected_ms: Date.now() - began_ms,
      });
      assert.ok((await s.lab.crmMon(s.backup)).quorum, 'two of three are a quorum');
      await tidyBetween(s, pair);
      await backWithoutMoving(s, s.primary, pair);
    }),
  );

  it(
    'the primary is cut off from both others: it has no quorum and is fenced, the replica takes over',
    scenario(async (s) => {
      const began_ms = Date.now();
      await s.lab.cutAll([s.backup, third(s)], [s.primary]);
      const pair = await protectedBetween(s, s.backup, third(s));
      const { longest_silence } = await s.assertUnbroken();
      measure('three nodes: primary cut off', { silence_ms: longest_silence.ms });
      assert.ok(fenced(s.lab, s.primary, began_ms), 'the one without quorum is fenced');
      assert.equal(fenced(s.lab, s.backup, began_ms), undefined);
      await s.lab.healAll();
      await backWithoutMoving(s, s.primary, pair);
    }),
  );

  it(
    'the third node loses its power: nobody notices',
    scenario(async (s) => {
      const node = third(s);
      const began_ms = Date.now();
      await s.lab.kill(node);
      await s.lab.waitFor(`${node} is fenced`, () => fenced(s.lab, node, began_ms), PATIENCE_MS);
      const pair = await protectedBetween(s, s.primary, s.backup);
      await backWithoutMoving(s, node, pair);
      const { grant } = await s.untilProtected();
      assert.equal(grant, s.grant, 'the replica was made anew');
    }),
  );
});
