/**
 * The nodes' simulated hypervisors, read from outside, without a process in the node: cheap enough for 40 Hz, and
 * true even when the node is frozen or its tools hang.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Domain } from './nodes.js';

/** Where the lab keeps its state. */
export function labDir(): string {
  return process.env.REMUS_LAB ?? '/run/remus-lab';
}

const stateSchema = z.object({
  name: z.string(),
  paused: z.boolean(),
  shutdown: z.number().nullable(),
});

/** A simulated domain that exists on a node. */
export interface SimDomain extends Domain {
  /** Inside the node's pid namespace. */
  readonly pid: number;
  /** Xen's reason code, null while it is not shut down; 2 = suspended, e.g. for a checkpoint. */
  readonly shutdown: number | null;
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The names of the lab's nodes; none when no lab is up. */
export function labNodes(lab = labDir()): string[] {
  try {
    return readdirSync(join(lab, 'rack', 'nodes')).sort();
  } catch {
    return [];
  }
}

/** Whether the node's cgroup has a process, and whether it is frozen. */
export function nodePower(node: string, lab = labDir()): 'on' | 'off' | 'frozen' {
  const events = text(join(lab, 'rack', 'cg', node, 'cgroup.events')) ?? '';
  if (!events.includes('populated 1')) return 'off';
  return events.includes('frozen 1') ? 'frozen' : 'on';
}

/** The root directory of a node as seen from outside; undefined when it is off. */
export function nodeRoot(node: string, lab = labDir()): string | undefined {
  const outer = text(join(lab, 'nodes', node, 'outer.pid'))?.trim();
  if (outer === undefined || outer === '') return undefined;
  const inner = text(`/proc/${outer}/task/${outer}/children`)?.trim();
  return inner === undefined || inner === '' ? undefined : `/proc/${inner}/root`;
}

/** The start time of a process as in /proc/PID/stat; undefined when it is not there or a zombie. */
function startOf(root: string, pid: string): string | undefined {
  const stat = text(`${root}/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function readDomain(
  node: string,
  root: string,
  domid: string,
  frozen: boolean,
): SimDomain | undefined {
  const dir = `${root}/run/simxen/dom/${domid}`;
  const [pid = '', start] = (text(join(dir, 'pid')) ?? '').trim().split(' ');
  if (pid === '' || startOf(root, pid) !== start) return undefined;
  try {
    const state = stateSchema.parse(JSON.parse(text(join(dir, 'state.json')) ?? ''));
    const running = !state.paused && state.shutdown === null && !frozen;
    return { ...state, node, domid: Number(domid), pid: Number(pid), running };
  } catch {
    return undefined;
  }
}

/** All simulated domains of a node, without Domain-0; none when it is off. */
export function domainsOf(node: string, lab = labDir()): SimDomain[] {
  const power = nodePower(node, lab);
  const root = power === 'off' ? undefined : nodeRoot(node, lab);
  if (root === undefined) return [];
  let ids: string[];
  try {
    ids = readdirSync(`${root}/run/simxen/dom`);
  } catch {
    return [];
  }
  return ids
    .map((domid) => readDomain(node, root, domid, power === 'frozen'))
    .filter((domain) => domain !== undefined)
    .sort((a, b) => a.domid - b.domid);
}
