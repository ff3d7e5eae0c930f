/** The end of a round: machines, processes, cluster and VM are set right again, as an operator would. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../cluster/lab/lab.js';
import { VM } from '../cluster/support/observed.js';
import { startDaemon } from '../cluster/support/operations.js';
import { signal } from '../cluster/support/processes.js';
import { healMachines } from '../cluster/support/well.js';
import type { Stage } from './stage.js';

/** crm may wait for a cluster that is just forming. */
const COMMAND_MS = 60_000;
const BOOT_MS = 12_000;
const TRIES = 20;
const AGAIN_MS = 1_500;
/** Failures that Pacemaker does not get over by itself, and waits for an operator to clean up. */
const BLOCKING = new Set(['start', 'promote', 'demote', 'stop']);

/** Every fault is over when this returns. What had to be typed, beyond what the schedule had to take back. */
export async function heal(stage: Stage): Promise<void> {
  const { lab } = stage;
  await healMachines(lab);
  for (const { node, pid } of stage.stopped.splice(0)) await signal(lab, node, pid, 'CONT');
  for (const node of lab.nodes()) await startAll(lab, node);
  await inOrder(lab, [
    ...lab.nodes().map((node) => `crm node online ${node}`),
    `crm resource start ${VM}-ha`,
    `crm_resource --clear -r ${VM}-ha`,
  ]);
}

/** The programs that a node boots with; one that has just booted is about to start them by itself. */
async function startAll(lab: Lab, node: string): Promise<void> {
  const until_ms = performance.now() + BOOT_MS;
  const runs = async (): Promise<boolean> =>
    (await lab.exec(node, ['pidof', 'pacemakerd'])).code === 0;
  while (!(await runs())) {
    if (performance.now() > until_ms) return lab.start(node);
    await sleep(AGAIN_MS);
  }
  await startDaemon(lab, node);
}

/** Typed again while the cluster is forming. */
async function inOrder(lab: Lab, lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    let said = '';
    for (let left = TRIES; left > 0; left -= 1) {
      const { code, stderr } = await lab.exec(lab.anyNode(), ['sh', '-c', line], {
        timeout_ms: COMMAND_MS,
      });
      said = stderr.trim();
      if (code === 0) break;
      if (left === 1) throw new Error(`${line}: ${said}`);
      await sleep(AGAIN_MS);
    }
  }
}

/** What an operator does as long as the VM is not protected: power on, resume, clean up. What was typed. */
export async function nudge(stage: Stage): Promise<string[]> {
  const { lab } = stage;
  const typed: string[] = [];
  for (const node of lab.nodes().filter((one) => lab.power(one) === 'off')) {
    await lab.boot(node);
    typed.push(`power on ${node}`);
  }
  const node = lab.anyNode();
  const { failures, attributes } = await lab.crmMon(node);
  const words = Object.values(attributes).map((each) => each[`remus-${VM}`] ?? '');
  if (words.some((text) => text.includes('paused by the operator'))) {
    await lab.exec(node, ['remusctl', 'resume', VM, '--timeout', '5'], { timeout_ms: COMMAND_MS });
    typed.push('resume');
  }
  const blocked = failures.find(({ task, resource }) => resource === VM && BLOCKING.has(task));
  if (blocked !== undefined) {
    await lab.exec(node, ['crm_resource', '--cleanup', '-r', VM], { timeout_ms: COMMAND_MS });
    typed.push(`cleanup of ${blocked.task} on ${blocked.node} (${blocked.reason})`);
  }
  return typed;
}
