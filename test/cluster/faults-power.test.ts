/** Real Pacemaker: nodes that lose their power, or hang; fencing that is slow or fails. */
import assert from 'node:assert/strict';
import { eventLike, eventsSince, fenced } from './support/events.js';
import { measure } from './support/measures.js';
import { PATIENCE_MS, type Scenario, VM, leaveLab, scenario } from './support/scenario.js';
import { takeoverParts } from './support/takeover.js';

/** What had been acknowledged in time may still be on its way to a client that waits for a CPU. */
const OUTPUT_IN_FLIGHT_MS = 400;

function promotedOn(s: Scenario, node: string): Promise<unknown> {
  return s.untilCrm(`${VM} is promoted on ${node}`, node, (status) =>
    status.resources.some((one) => one.role === 'Promoted' && one.nodes.includes(node)),
  );
}

/** The backup has taken over with the guest's memory. */
async function takenOver(s: Scenario, name: string): Promise<void> {
  await promotedOn(s, s.backup);
  await s.untilAnswer();
  const { longest_silence, repeats } = await s.assertUnbroken();
  const parts = await takeoverParts(s.lab, s.primary, s.backup, longest_silence);
  measure(name, { silence_ms: longest_silence.ms, repeats, ...parts });
}

async function backAndProtected(s: Scenario, node: string, primary: string): Promise<void> {
  const began = performance.now();
  await s.lab.boot(node);
  const roles = await s.untilProtectedAnew();
  measure('protected again after boot', { ms: Math.round(performance.now() - began) });
  assert.equal(roles.primary, primary, 'a node that comes back must not move the VM');
  await s.assertUnbroken();
  await s.assertTidy(roles);
}

async function fencedFrom(s: Scenario, node: string, from_ms: number): Promise<number> {
  const found = await s.lab.waitFor(
    `${node} is fenced`,
    () => fenced(s.lab, node, from_ms),
    PATIENCE_MS,
  );
  return found.at_ms;
}

/** P4: nothing may leave between the moment at which nobody acknowledges any more and the end of the fencing. */
async function heldUntilFenced(s: Scenario, from_ms: number): Promise<void> {
  const end_ms = await fencedFrom(s, s.backup, from_ms);
  const { longest_silence } = await s.untilAnswer();
  const early = s
    .answerTimes()
    .filter((at_ms) => at_ms > from_ms + OUTPUT_IN_FLIGHT_MS && at_ms < end_ms);
  assert.deepEqual(early, [], 'answers before the backup was known to be fenced');
  measure('backup lost', {
    silence_ms: longest_silence.ms,
    fence_end_ms: Math.round(end_ms - from_ms),
    first_answer_ms: Math.round(Date.parse(longest_silence.to) - from_ms),
  });
}

/** Both the cluster's screen and the operator's say that, and why, the VM is unprotected. */
async function saidToAll(s: Scenario): Promise<void> {
  const reason = `unprotected: peer ${s.backup} is offline`;
  await s.untilWords(new RegExp(`^${reason}$`), s.primary);
  const { stdout } = await s.lab.exec(s.primary, ['remusctl', 'status']);
  assert.ok(stdout.includes(`peer ${s.backup} is offline`), `remusctl says: ${stdout}`);
  // With the reason of the first monitor that said so: Pacemaker records no other until the result is another.
  await s.untilCrm('crm_mon shows the degraded monitor', s.primary, (status) =>
    status.failures.some((one) => one.exit_code === 191 && /^unprotected\b/.test(one.reason)),
  );
}

function deadAt(s: Scenario, node: string, from_ms: number): number {
  const dead = eventLike(s.lab, new RegExp(`^(dead|freeze) ${node}$`), from_ms);
  assert.ok(dead, `${node} is dead`);
  return dead.at_ms;
}

/** Whoever is left knows nothing for certain: no output, and no other copy. */
function nothingHappens(s: Scenario, node: string, from_ms: number): void {
  const heard = s.answerTimes().filter((at_ms) => at_ms > from_ms + OUTPUT_IN_FLIGHT_MS);
  assert.equal(fenced(s.lab, s.primary, from_ms) ?? fenced(s.lab, s.backup, from_ms), undefined);
  assert.deepEqual(heard, [], 'answers although nobody is known to be fenced');
  if (node === s.backup) {
    const running = s.lab.hypervisor(node).filter((domain) => domain.running);
    assert.deepEqual(running, [], 'a replica runs although nobody is known to be fenced');
  }
}

/** P5: its output is held, but the guest itself is not left suspended. */
async function guestRunsHeld(s: Scenario): Promise<void> {
  await s.untilWords(/^unprotected, output held: /, s.primary);
  await s.lab.waitFor(
    'the guest runs',
    () => s.lab.hypervisor(s.primary).some(({ name, running }) => name === VM && running),
    PATIENCE_MS,
  );
}

/** Fencing fails; then, when Pacemaker has tried, it works again. */
async function fencingFailsFor(s: Scenario, node: string, from_ms: number): Promise<void> {
  const failed = new RegExp(`^fence_remuslab\\S* reboot ${node} rc=1$`);
  const survivor = node === s.primary ? s.backup : s.primary;
  await s.lab.waitFor(
    `fencing of ${node} has failed`,
    () => eventLike(s.lab, failed, from_ms),
    PATIENCE_MS,
  );
  if (survivor === s.primary) await guestRunsHeld(s);
  nothingHappens(s, survivor, from_ms);
  await s.lab.fenceOk();
  const tries = eventsSince(s.lab, from_ms).filter(({ text }) => failed.test(text)).length;
  measure('fencing failed', { node, tries });
}

describe('faults: power', () => {
  after(leaveLab);

  for (const round of ['first', 'second', 'third']) {
    it(
      `power cut of the primary, the ${round}: the replica takes over with its memory, and is protected again after boot`,
      scenario(async (s) => {
        await s.lab.kill(s.primary);
        await takenOver(s, 'power cut of the primary');
        await s.untilWords(new RegExp(`^unprotected: peer ${s.primary} is offline$`), s.backup);
        await backAndProtected(s, s.primary, s.backup);
      }),
    );
  }

  it(
    'power cut of the backup: output is held until it is fenced, then the VM goes on, and all can see that it is unprotected',
    scenario(async (s) => {
      const began_ms = Date.now();
      await s.lab.kill(s.backup);
      await heldUntilFenced(s, deadAt(s, s.backup, began_ms));
      await s.assertUnbroken();
      await saidToAll(s);
      await backAndProtected(s, s.backup, s.primary);
    }),
  );

  it(
    'the primary hangs: it is fenced, the replica takes over',
    scenario(async (s) => {
      await s.lab.freeze(s.primary);
      await takenOver(s, 'freeze of the primary');
      await backAndProtected(s, s.primary, s.backup);
    }),
  );

  it(
    'the backup hangs: it is fenced, the VM goes on',
    scenario(async (s) => {
      const began_ms = Date.now();
      await s.lab.freeze(s.backup);
      await heldUntilFenced(s, deadAt(s, s.backup, began_ms));
      await s.untilWords(new RegExp(`^unprotected: peer ${s.backup} is offline$`), s.primary);
      await backAndProtected(s, s.backup, s.primary);
    }),
  );

  it(
    'slow fencing of the primary: nothing is promoted before its end',
    scenario(async (s) => {
      await s.lab.fenceDelay(4);
      const began_ms = Date.now();
      await s.lab.kill(s.primary);
      const begun = new RegExp(`reboot ${s.primary} begin$`);
      await s.lab.waitFor(
        'fencing has begun',
        () => eventLike(s.lab, begun, began_ms),
        PATIENCE_MS,
      );
      nothingHappens(s, s.backup, deadAt(s, s.primary, began_ms));
      await takenOver(s, 'slow fencing of the primary');
      await s.lab.fenceOk();
      await backAndProtected(s, s.primary, s.backup);
    }),
  );

  it(
    'slow fencing of the backup: output is held until its end',
    scenario(async (s) => {
      await s.lab.fenceDelay(4);
      const began_ms = Date.now();
      await s.lab.kill(s.backup);
      await guestRunsHeld(s);
      await heldUntilFenced(s, deadAt(s, s.backup, began_ms));
      await s.lab.fenceOk();
      await backAndProtected(s, s.backup, s.primary);
    }),
  );

  it(
    'fencing of the primary fails for a while: nothing is promoted until it works',
    scenario(async (s) => {
      await s.lab.fenceDelay(1);
      await s.lab.fenceFail(s.primary);
      const began_ms = Date.now();
      await s.lab.kill(s.primary);
      await fencingFailsFor(s, s.primary, deadAt(s, s.primary, began_ms));
      await takenOver(s, 'failing fencing of the primary');
      await backAndProtected(s, s.primary, s.backup);
    }),
  );

  it(
    'fencing of the backup fails for a while: output is held until it works',
    scenario(async (s) => {
      await s.lab.fenceDelay(1);
      await s.lab.fenceFail(s.backup);
      const began_ms = Date.now();
      await s.lab.kill(s.backup);
      const dead_ms = deadAt(s, s.backup, began_ms);
      await fencingFailsFor(s, s.backup, dead_ms);
      await heldUntilFenced(s, dead_ms);
      await backAndProtected(s, s.backup, s.primary);
    }),
  );
});
