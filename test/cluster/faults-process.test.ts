/**
 * Real Pacemaker: each of our processes killed and stopped, on each side. Nothing may activate a replica, nothing may stop
 * the guest; output must flow again within a bound; protection comes back by itself.
 */
import assert from 'node:assert/strict';
import { eventsSince } from './support/events.js';
import { measure } from './support/measures.js';
import {
  REPLICATION,
  type Target,
  dataProcesses,
  daemonPid,
  pidOf,
  signal,
} from './support/processes.js';
import {
  PATIENCE_MS,
  type Roles,
  type Scenario,
  VM,
  leaveLab,
  scenario,
} from './support/scenario.js';

/** Generous for two shared cores; replication_timeout is 5 s, and what waits for it waits once. */
const FLOWS_AGAIN_MS = 30_000;
/**
 * Longer than replication_timeout and every grace on top of it; and long enough for a monitor of each role (every 10 or 11 s)
 * to lose its patience with the daemon (10 s): the agent has answered alone, and written "unknown", when the daemon wakes up.
 */
const STOPPED_MS = 25_000;

const DAEMONS: readonly Target[] = [
  { side: 'primary', process: 'remusd' },
  { side: 'backup', process: 'remusd' },
];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The VM stayed where it was, the same guest; nobody was fenced, promoted or demoted. */
async function undisturbed(s: Scenario, roles: Roles, began_ms: number): Promise<void> {
  assert.equal(roles.primary, s.primary, 'the VM has moved');
  await s.assertUnbroken();
  const fencing = eventsSince(s.lab, began_ms).filter(({ text }) => text.startsWith('fence_'));
  assert.deepEqual(fencing, [], 'somebody was fenced');
  await s.assertTidy(roles);
}

async function flowsAgain(s: Scenario, name: string): Promise<void> {
  await s.untilAnswer();
  const { longest_silence } = await s.client.report();
  measure(name, { silence_ms: longest_silence.ms });
  assert.ok(
    longest_silence.ms < FLOWS_AGAIN_MS,
    `the guest was silent for ${longest_silence.ms} ms`,
  );
}

/** Protection by a new replica, after the old one has been dropped. */
async function protectedAnew(s: Scenario, name: string, began_ms: number): Promise<void> {
  const roles = await s.untilProtectedAnew();
  measure(`${name}: protected again`, { ms: Date.now() - began_ms });
  await flowsAgain(s, name);
  await undisturbed(s, roles, began_ms);
}

/** A daemon's trouble is none of its data processes: the same ones, the same replica. */
async function replicationUntouched(
  s: Scenario,
  before: Awaited<ReturnType<typeof dataProcesses>>,
  began_ms: number,
): Promise<void> {
  const roles = await s.untilProtected();
  assert.equal(roles.grant, s.grant, 'the replica was made anew');
  assert.deepEqual(await dataProcesses(s.lab, [s.primary, s.backup], VM), before);
  await undisturbed(s, roles, began_ms);
}

function statusOf(s: Scenario, node: string): Promise<string> {
  return s.lab.waitFor(
    `remusd answers on ${node}`,
    async () => {
      const { code, stdout } = await s.lab.exec(node, ['remusctl', 'status']);
      return code === 0 && stdout.includes(VM) ? stdout : undefined;
    },
    PATIENCE_MS,
  );
}

function killed(target: Target): () => Promise<void> {
  const name = `kill -9 of ${target.process} on the ${target.side}`;
  return scenario(async (s) => {
    const began_ms = Date.now();
    const node = s[target.side];
    await signal(s.lab, node, await pidOf(s.lab, node, target.process, VM), 'KILL');
    await protectedAnew(s, name, began_ms);
  });
}

/** Stopped for good: whoever waits for it has to go on without it. */
function stopped(target: Target): () => Promise<void> {
  const name = `SIGSTOP of ${target.process} on the ${target.side}`;
  return scenario(async (s) => {
    const began_ms = Date.now();
    const node = s[target.side];
    const pid = await pidOf(s.lab, node, target.process, VM);
    await signal(s.lab, node, pid, 'STOP');
    try {
      await protectedAnew(s, name, began_ms);
    } finally {
      await signal(s.lab, node, pid, 'CONT');
    }
  });
}

function daemonKilled(target: Target): () => Promise<void> {
  return scenario(async (s) => {
    const began_ms = Date.now();
    const node = s[target.side];
    const before = await dataProcesses(s.lab, [s.primary, s.backup], VM);
    const pid = await pidOf(s.lab, node, 'remusd', VM);
    await signal(s.lab, node, pid, 'KILL');
    await s.lab.waitFor(
      'remusd is back',
      async () => ![undefined, pid].includes(await daemonPid(s.lab, node)),
      PATIENCE_MS,
    );
    await statusOf(s, node);
    await flowsAgain(s, `kill -9 of remusd on the ${target.side}`);
    await replicationUntouched(s, before, began_ms);
  });
}

function daemonStopped(target: Target): () => Promise<void> {
  return scenario(async (s) => {
    const began_ms = Date.now();
    const node = s[target.side];
    const before = await dataProcesses(s.lab, [s.primary, s.backup], VM);
    const pid = await pidOf(s.lab, node, 'remusd', VM);
    await signal(s.lab, node, pid, 'STOP');
    try {
      await pause(STOPPED_MS);
    } finally {
      await signal(s.lab, node, pid, 'CONT');
    }
    await statusOf(s, node);
    await flowsAgain(s, `SIGSTOP of remusd on the ${target.side}`);
    await replicationUntouched(s, before, began_ms);
  });
}

describe('faults: processes', () => {
  after(leaveLab);

  for (const target of REPLICATION) {
    const { process, side } = target;
    it(`kill -9 of ${process} on the ${side}: the VM goes on, protected anew`, killed(target));
    it(`SIGSTOP of ${process} on the ${side}: the VM goes on, protected anew`, stopped(target));
  }
  for (const target of DAEMONS) {
    const { side } = target;
    it(`kill -9 of remusd on the ${side}: replication goes on untouched`, daemonKilled(target));
    it(
      `SIGSTOP of remusd on the ${side} for longer than the timeout: replication goes on untouched`,
      daemonStopped(target),
    );
  }
});
