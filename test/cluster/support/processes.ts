/** Our processes on a node, and what a test does to them. */
import assert from 'node:assert/strict';
import type { Nodes } from '../lab/nodes.js';
import { type Inventory, inventory } from './left-overs.js';

/** As the inventory of a node calls them; remusd besides. */
export type ProcessName = 'remusd' | 'sender' | 'xl-remus' | 'tc' | 'receiver' | 'xl-receive';

/** A process on one side of a replication. */
export interface Target {
  readonly side: 'primary' | 'backup';
  readonly process: ProcessName;
}

/** All that a replication consists of. */
export const REPLICATION: readonly Target[] = [
  { side: 'primary', process: 'sender' },
  { side: 'primary', process: 'xl-remus' },
  { side: 'primary', process: 'tc' },
  { side: 'backup', process: 'receiver' },
  { side: 'backup', process: 'xl-receive' },
];

export type Signal = 'KILL' | 'STOP' | 'CONT';

/** remusd's pid as its supervisor notes it; undefined while it does not run. */
export async function daemonPid(lab: Nodes, node: string): Promise<number | undefined> {
  const pid = Number((await lab.exec(node, ['cat', '/run/remusd.pid'])).stdout);
  return pid > 0 ? pid : undefined;
}

/** The one process of that name. */
export async function pidOf(
  lab: Nodes,
  node: string,
  name: ProcessName,
  vm: string,
): Promise<number> {
  const pids: readonly (number | undefined)[] =
    name === 'remusd'
      ? [await daemonPid(lab, node)]
      : ((await inventory(lab, node, vm)).processes[name] ?? []);
  const [pid] = pids;
  assert.ok(pid !== undefined && pids.length === 1, `${node} has ${pids.length} ${name}`);
  return pid;
}

/** A process that has gone meanwhile is no trouble. */
export async function signal(lab: Nodes, node: string, pid: number, which: Signal): Promise<void> {
  await lab.exec(node, ['kill', `-${which}`, String(pid)]);
}

/** The data processes of both nodes: what must be the same when nothing may have been disturbed. */
export async function dataProcesses(
  lab: Nodes,
  nodes: readonly string[],
  vm: string,
): Promise<readonly Inventory['processes'][]> {
  const found = await Promise.all(nodes.map((node) => inventory(lab, node, vm)));
  return found.map(({ processes }) => processes);
}
