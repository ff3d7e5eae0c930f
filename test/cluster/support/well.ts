/** A lab that is well: made, or set right again after whatever faults a test has left. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab, LabOptions } from '../lab/lab.js';
import { type Roles, VM, untilProtected } from './observed.js';

const LOOK_MS = 500;
const LOOKS = 20;

/** A fresh lab with the VM in it, protected. */
export async function freshLab(lab: Lab, nodes: number, options: LabOptions): Promise<Roles> {
  await lab.up(nodes, { ...options, replace: true });
  await lab.vmConfig(VM);
  await lab.addVm(VM);
  return untilProtected(lab, 'a fresh lab is protected');
}

/** Ends what was done to links, fencing and power; every node is on when this returns, its cluster maybe not yet. */
export async function healMachines(lab: Lab): Promise<void> {
  await lab.healAll();
  await lab.fenceOk();
  await lab.fenceBoot(false);
  for (const node of lab.nodes()) {
    if (lab.power(node) === 'frozen') await lab.thaw(node);
    if (lab.power(node) === 'off') await lab.boot(node);
  }
}

/** The same, and Pacemaker forgets failures. */
export async function healEverything(lab: Lab): Promise<void> {
  await healMachines(lab);
  if (await failuresStay(lab))
    await lab.sh(lab.anyNode(), ['crm_resource', '--cleanup', '--resource', VM]);
}

/** remusd itself takes "degraded" back; and after a cleanup Pacemaker 2.1.5 restarts the VM at the next change of a parameter. */
async function failuresStay(lab: Lab): Promise<boolean> {
  const node = lab.anyNode();
  for (let left = LOOKS; left > 0; left -= 1) {
    if ((await lab.crmMon(node)).failures.length === 0) return false;
    await sleep(LOOK_MS);
  }
  return true;
}
