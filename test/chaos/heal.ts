/** The end of a round: machines, processes, cluster and VM are set right again, as an operator would. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../cluster/lab/lab.js';
import { VM } from '../cluster/support/observed.js';
import { signal } from '../cluster/support/processes.js';
import { healMachines } from '../cluster/support/well.js';
import type { Stage } from './stage.js';

const CLONE = `${VM}-ha`;
/** A command may wait for a cluster that is just forming. */
const COMMAND_MS = 60_000;
const BOOT_MS = 12_000;
const TRIES = 40;
const AGAIN_MS = 1_500;
/** Failures that Pacemaker does not get over by itself, and waits for an operator to clean up. */
const BLOCKING = new Set(['start', 'promote', 'demote', 'stop']);

/** Every fault is over when this returns. */
export async function heal(stage: Stage): Promise<void> {
  const { lab } = stage;
  await healMachines(lab);
  for (const { node, pid } of stage.stopped.splice(0)) await signal(lab, node, pid, 'CONT');
  await Promise.all(lab.nodes().map((node) => startAll(lab, node)));
  await takeBack(lab);
}

/**
 * The programs that a node boots with; one that has just booted is about to start them by itself. A fencing that was ordered
 * before may still come, and switch it off again; or never, when corosync died here and the others have lost their quorum.
 */
async function startAll(lab: Lab, node: string): Promise<void> {
  const look = ['sh', '-c', 'rm -f /run/remusd.hold; pidof pacemakerd && pidof corosync'];
  let until_ms = performance.now() + BOOT_MS;
  for (let left = TRIES; left > 0; left -= 1) {
    if (lab.power(node) === 'off') {
      await lab.boot(node).catch(() => undefined); // somebody else did
      until_ms = performance.now() + BOOT_MS;
    }
    if ((await lab.exec(node, look)).code === 0) return;
    if (performance.now() > until_ms) await begin(lab, node).catch(() => undefined);
    await sleep(AGAIN_MS);
  }
  throw new Error(`Pacemaker does not start on ${node}`);
}

/** A Pacemaker that has lost its corosync is not to be had any more: the reset button. */
async function begin(lab: Lab, node: string): Promise<void> {
  if ((await lab.exec(node, ['pidof', 'pacemakerd'])).code === 0) await lab.kill(node);
  else await lab.start(node);
}

/** What an operator may have typed, as the CIB shows it, and what takes it back. */
const TYPED: readonly { readonly sign: RegExp; readonly line: (lab: Lab) => string }[] = [
  {
    sign: /name="standby" value="(on|true)"/,
    line: (lab) =>
      lab
        .nodes()
        .map((node) => `crm_standby -D -N ${node}`)
        .join('; '),
  },
  {
    sign: /name="target-role" value="Stopped"/,
    line: () => `crm_resource -r ${CLONE} --meta -p target-role -v Started`,
  },
  { sign: /id="cli-(prefer|ban)-/, line: () => `crm_resource --clear -r ${CLONE}` },
];

/** The cluster may be forming: looked at again and again, until nothing is left to take back. */
async function takeBack(lab: Lab): Promise<void> {
  let trouble = '';
  for (let left = TRIES; left > 0; left -= 1) {
    const node = lab.anyNode();
    const { code, stdout, stderr } = await lab.exec(node, [
      'cibadmin',
      '-Q',
      '-A',
      '//configuration',
    ]);
    const due = TYPED.filter(({ sign }) => sign.test(stdout));
    if (code === 0 && due.length === 0) return;
    trouble = stderr.trim();
    for (const { line } of due) {
      const said = await lab.exec(node, ['sh', '-c', line(lab)], { timeout_ms: COMMAND_MS });
      trouble = said.stderr.trim();
    }
    await sleep(AGAIN_MS);
  }
  throw new Error(`what operators have typed cannot be taken back: ${trouble}`);
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
  if (words.some((text) => /: paused (?:until .+ )?by /.test(text))) {
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
