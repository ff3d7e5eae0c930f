/** A lab that is well: made, or set right again after whatever faults a test has left. */
import type { Lab, LabOptions } from '../lab/lab.js';
import { type Roles, VM, untilProtected } from './observed.js';

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
  const node = lab.anyNode();
  if ((await lab.crmMon(node)).failures.length > 0)
    await lab.sh(node, ['crm_resource', '--cleanup', '--resource', VM]);
}
