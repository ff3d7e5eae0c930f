/** Real Pacemaker: what docs/howto.md says is typed, and comes true. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { nodesInRole } from './lab/crm-status.js';
import { type Step, type Task, tasksOf } from './support/howto.js';
import { shell, startResource, stopResource } from './support/operations.js';
import { type Scenario, VM, leaveLab, scenario } from './support/scenario.js';

type Act = (s: Scenario) => Promise<unknown>;

const LAB: Readonly<Record<string, Act>> = {
  'no VM': async ({ lab }) => {
    await stopResource(lab, VM);
    await shell(lab, lab.anyNode(), `crm configure delete ${VM}-ha ${VM}`);
  },
  'add VM': ({ lab }) => lab.addVm(VM),
  'kill alpha': ({ lab, primary }) => lab.kill(primary),
  'boot alpha': ({ lab, primary }) => lab.boot(primary),
  'fencing fails': ({ lab }) => lab.fenceFail(),
  'fencing works': ({ lab }) => lab.fenceOk(),
  'fenced nodes boot': ({ lab }) => lab.fenceBoot(true),
  'cut replication': ({ lab }) => lab.cutReplication(),
  'heal replication': ({ lab }) => lab.healReplication(),
  'stop all, start all': async ({ lab }) => {
    await Promise.all(lab.nodes().map((node) => lab.stop(node)));
    await Promise.all(lab.nodes().map((node) => lab.start(node)));
  },
};

const THEN: Readonly<Record<string, Act>> = {
  protected: (s) => s.untilProtected(),
  moved: (s) =>
    s.untilCrm('it runs on the other node', s.backup, (status) =>
      nodesInRole(status, VM, 'Promoted').includes(s.backup),
    ),
  stopped: (s) =>
    s.untilCrm('it is stopped', s.primary, ({ resources }) =>
      resources.every(({ id, role }) => id !== VM || role === 'Stopped'),
    ),
  UNCLEAN: ({ lab, primary, backup }) =>
    lab.waitFor(
      `${primary} is unclean`,
      async () => (await lab.sh(backup, ['crm_mon', '-1'])).includes(`${primary}: UNCLEAN`),
      lab.patience_ms,
    ),
};

function named(s: Scenario, text: string): string {
  return text.replaceAll('alpha', s.primary).replaceAll('beta', s.backup);
}

async function take(s: Scenario, step: Step): Promise<void> {
  if (step.kind === 'lab') {
    const act = LAB[step.what];
    assert.ok(act, `the lab cannot do "${step.what}"`);
    await act(s);
  } else if (step.kind === 'then') {
    const words = new RegExp(`^${named(s, step.what)}`);
    await (THEN[step.what]?.(s) ?? s.untilWords(words));
  } else {
    const node = { any: s.lab.anyNode(), alpha: s.primary, beta: s.backup }[step.where];
    assert.ok(node, `where is this typed? ${step.script}`);
    await s.lab.sh(node, ['sh', '-ec', named(s, step.script)], { timeout_ms: s.lab.patience_ms });
  }
}

function follow({ steps }: Task): () => Promise<void> {
  return scenario(async (s) => {
    for (const step of steps) await take(s, step);
    // Whatever the page has done: the next section begins with a VM that is started.
    await startResource(s.lab, VM);
    await s.untilProtected();
  });
}

describe('howto', () => {
  after(leaveLab);
  const tasks = tasksOf(readFileSync('docs/howto.md', 'utf8'));

  it('every task is run, or says why not', () => {
    assert.ok(tasks.length > 10);
    for (const { title, not_run, steps } of tasks)
      assert.ok(not_run !== null || steps.some(({ kind }) => kind === 'type'), title);
  });

  for (const task of tasks) if (task.not_run === null) it(task.title, follow(task));
});
