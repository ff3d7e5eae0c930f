/** What must not be there: everything of a VM on a node that does not belong to its role (promise P6). */
import type { Nodes } from '../lab/nodes.js';

/** One ps for all: a shell that looks at each process itself keeps an emulated dom0 busy for many seconds. */
const INVENTORY = `
ps -eww -o pid=,args=
ip -o link | sed -n 's/^[0-9]*: \\(rem[0-9][^:@]*\\).*/ifb \\1/p'
ls "/run/pacemaker-remus/$1" 2>/dev/null | sed 's/^/file /'
true
`;

/** The data processes of whatever VM. */
const KINDS: readonly (readonly [string, RegExp])[] = [
  ['xl-remus', /xl.* remus -F/],
  ['sender', /relay\/sender-main\.js/],
  ['receiver', /relay\/receiver-main\.js/],
  ['xl-receive', /xl.* migrate-receive/],
  ['tc', /tc.* -batch -/],
  // The simulated xl does that work itself.
  ['restore-helper', /libxl-save-helper --restore-domain/],
];

/** What a node has of a VM: process names with their pids, and the rest as words. */
export interface Inventory {
  readonly processes: Readonly<Record<string, readonly number[]>>;
  readonly ifbs: readonly string[];
  readonly files: readonly string[];
}

/** The first that fits: xl has the sender's command among its arguments. */
function kindOf(line: string): string | undefined {
  return KINDS.find(([, pattern]) => pattern.test(line))?.[0];
}

/** Looks at a node that is on. */
export async function inventory(lab: Nodes, node: string, vm: string): Promise<Inventory> {
  const text = await lab.sh(node, ['sh', '-s', vm], { stdin: INVENTORY });
  const processes: Record<string, number[]> = {};
  const ifbs: string[] = [];
  const files: string[] = [];
  for (const line of text.split('\n')) {
    const [first = '', what = ''] = line.trim().split(' ');
    const kind = kindOf(line);
    if (first === 'ifb') ifbs.push(what);
    else if (first === 'file') files.push(what);
    else if (kind !== undefined) (processes[kind] ??= []).push(Number(first));
  }
  return { processes, ifbs, files };
}

const PRIMARY = { 'xl-remus': 1, sender: 1, tc: 1 };
const BACKUP = { receiver: 1, 'xl-receive': 1 };
/** On real Xen. */
const BACKUP_HELPERS = 1;

function tooMany(
  node: string,
  found: Inventory,
  wanted: Readonly<Record<string, number>>,
): string[] {
  const kinds = new Set([...Object.keys(found.processes), ...Object.keys(wanted)]);
  return [...kinds].flatMap((kind) => {
    const pids = found.processes[kind] ?? [];
    const count = wanted[kind] ?? 0;
    return pids.length === count
      ? []
      : [`${node} has ${pids.length} ${kind} (${pids.join(' ')}), not ${count}`];
  });
}

async function domainNames(lab: Nodes, node: string): Promise<string> {
  return (await lab.hypervisor(node)).map(({ name }) => name).join(' ');
}

/** What is wrong, in words, on two nodes between which the VM is protected. */
export async function leftOvers(
  lab: Nodes,
  vm: string,
  { primary, backup }: { readonly primary: string; readonly backup: string },
): Promise<string[]> {
  const [on, off, status] = await Promise.all([
    inventory(lab, primary, vm),
    inventory(lab, backup, vm),
    lab.crmMon(primary),
  ]);
  const [ours, theirs] = await Promise.all([domainNames(lab, primary), domainNames(lab, backup)]);
  const helpers = off.processes['restore-helper'] ?? [];
  const backups =
    helpers.length === BACKUP_HELPERS ? { ...BACKUP, 'restore-helper': BACKUP_HELPERS } : BACKUP;
  const wrong = [...tooMany(primary, on, PRIMARY), ...tooMany(backup, off, backups)];
  if (ours !== vm) wrong.push(`${primary} has the domains "${ours}"`);
  if (theirs !== `${vm}--incoming`) wrong.push(`${backup} has the domains "${theirs}"`);
  if (on.ifbs.length !== 1) wrong.push(`${primary} has the ifbs "${on.ifbs.join(' ')}", not one`);
  if (off.ifbs.length !== 0) wrong.push(`${backup} has the ifbs "${off.ifbs.join(' ')}"`);
  for (const failure of status.failures.filter(({ exit_code }) => [190, 191].includes(exit_code)))
    wrong.push(`crm_mon still says "${failure.reason}" of ${failure.node}`);
  return wrong;
}

/** What is left of a VM on a node that must have nothing of it. */
export async function anythingLeft(lab: Nodes, node: string, vm: string): Promise<string[]> {
  const found = await inventory(lab, node, vm);
  return [
    ...tooMany(node, found, {}),
    ...found.ifbs.map((ifb) => `${node} has the ifb ${ifb}`),
    ...found.files.map((file) => `${node} has /run/pacemaker-remus/${vm}/${file}`),
    ...(await lab.hypervisor(node)).map(({ name }) => `${node} has the domain ${name}`),
  ];
}
