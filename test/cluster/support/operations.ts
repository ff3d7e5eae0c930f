/** What a sysadmin does to the cluster in tests, and what is asked afterwards. */
import assert from 'node:assert/strict';
import type { Status, VmStatus } from '../../../ctl/status.js';
import { type CrmStatus, nodesInRole } from '../lab/crm-status.js';
import type { Nodes } from '../lab/nodes.js';
import { anythingLeft } from './left-overs.js';
import { daemonPid } from './processes.js';

/** A shell line in a node; its stdout. Rejects unless it ends with 0. */
export function shell(
  lab: Nodes,
  node: string,
  line: string,
  timeout_ms = 60_000,
): Promise<string> {
  return lab.sh(node, ['sh', '-c', line], { timeout_ms });
}

/** What a `remusctl ... --json` has printed, and its exit code; it must not have complained. */
export async function askJson<T>(
  lab: Nodes,
  node: string,
  words: readonly string[],
  parse: (json: unknown) => T | null,
  timeout_ms = 60_000,
): Promise<{ readonly code: number | null; readonly found: T }> {
  const command = ['remusctl', ...words, '--json'];
  const { code, stdout, stderr } = await lab.exec(node, command, { timeout_ms });
  assert.equal(stderr, '');
  const found = parse(JSON.parse(stdout));
  assert.ok(found, `${command.join(' ')} printed something else: ${stdout}`);
  return { code, found };
}

/** Orderly end of remusd, as by systemctl stop; its supervisor starts it no more. */
export async function stopDaemon(lab: Nodes, node: string): Promise<void> {
  await shell(lab, node, ': >/run/remusd.hold');
  const pid = await daemonPid(lab, node);
  if (pid !== undefined) await lab.exec(node, ['kill', '-TERM', String(pid)]);
  await lab.waitFor(
    `remusd on ${node} has ended`,
    async () =>
      pid === undefined || (await lab.exec(node, ['test', '-e', `/proc/${pid}`])).code === 1,
    lab.patience_ms,
  );
}

/** As by systemctl start: it answers when this returns. */
export async function startDaemon(lab: Nodes, node: string): Promise<void> {
  await shell(lab, node, 'rm -f /run/remusd.hold');
  await lab.waitFor(
    `remusd on ${node} answers`,
    async () => (await lab.exec(node, ['remusctl', 'status'])).code === 0,
    lab.patience_ms,
  );
}

/** As by systemctl restart. */
export async function restartDaemon(lab: Nodes, node: string): Promise<void> {
  await stopDaemon(lab, node);
  await startDaemon(lab, node);
}

/** As by a crash: during `work` remusd ends, at the moment at which it logs `message`, and is started anew. */
export async function crashDaemonAt(
  lab: Nodes,
  node: string,
  message: string,
  work: () => Promise<unknown>,
): Promise<void> {
  const pid = await daemonPid(lab, node);
  const kill = await whenLogged(lab, node, message, `kill -KILL ${pid ?? ''}`);
  await Promise.all([work(), kill()]);
  await startDaemon(lab, node);
}

/** @returns waits until remusd on `node` logs `message`, from now on, and then runs `command` there, at once. */
export async function whenLogged(
  lab: Nodes,
  node: string,
  message: string,
  command: string,
): Promise<() => Promise<unknown>> {
  const pid = await daemonPid(lab, node);
  assert.ok(pid, `remusd is not running on ${node}`);
  const log = '/var/log/remusd.log';
  const lines = Number(await shell(lab, node, `wc -l <${log}`));
  const tail = `tail --pid=${pid} -n +${lines + 1} -F ${log}`;
  const then = `grep -q -m1 -F '"msg":"${message}"' < <(${tail}) && ${command}`;
  return () => lab.sh(node, ['timeout', '60', 'bash', '-c', then]);
}

/** What `remusctl status --json` says of a VM. */
export async function remusctlVm(lab: Nodes, node: string, vm: string): Promise<VmStatus> {
  const status = JSON.parse(await shell(lab, node, 'remusctl status --json')) as Status; // same build
  const found = status.vms.find(({ resource }) => resource === vm);
  assert.ok(found, `remusctl on ${node} does not know ${vm}`);
  return found;
}

/** An action of the agent by hand, with what Pacemaker would set. `interval_ms` 0 = a probe. */
export async function agent(
  lab: Nodes,
  node: string,
  vm: string,
  action: string,
  interval_ms = 0,
  timeout_ms = 20_000,
): Promise<{ readonly rc: number | null; readonly reason: string }> {
  const given = {
    OCF_ROOT: '/usr/lib/ocf',
    OCF_RESOURCE_INSTANCE: vm,
    OCF_RESKEY_config: `/etc/xen/${vm}.cfg`,
    OCF_RESKEY_CRM_meta_timeout: String(timeout_ms),
    OCF_RESKEY_CRM_meta_interval: String(interval_ms),
  };
  const words = Object.entries(given).map(([name, value]) => `${name}=${value}`);
  const path = '/usr/lib/ocf/resource.d/xen/remus';
  const { code, stderr } = await lab.exec(node, ['env', ...words, path, action], {
    timeout_ms: timeout_ms + 20_000,
  });
  const reasons = [...stderr.matchAll(/^ocf-exit-reason:(.*)$/gm)].map(([, text]) => text ?? '');
  return { rc: code, reason: reasons.at(-1) ?? '' };
}

/** Where a VM is promoted and protected; undefined while it is not. */
export function protectedPair(
  status: CrmStatus,
  vm: string,
): { primary: string; backup: string } | undefined {
  const [primary] = nodesInRole(status, vm, 'Promoted');
  const [backup] = nodesInRole(status, vm, 'Unpromoted');
  if (primary === undefined || backup === undefined) return undefined;
  const words = (node: string): string => status.attributes[node]?.[`remus-${vm}`] ?? '';
  const well = words(primary) === 'protected' && words(backup) === 'replica: ready';
  return well ? { primary, backup } : undefined;
}

/** Waits until whatever VM is protected. */
export function untilVmProtected(
  lab: Nodes,
  vm: string,
): Promise<{ primary: string; backup: string }> {
  return lab.waitFor(
    `${vm} is protected`,
    async () => protectedPair(await lab.crmMon(lab.anyNode()), vm),
    lab.patience_ms,
  );
}

/** Stops the resource, and waits until Pacemaker says so on all nodes that are on. */
export async function stopResource(lab: Nodes, vm: string): Promise<void> {
  await shell(lab, lab.anyNode(), `crm --wait resource stop ${vm}-ha`, 240_000);
  await lab.waitFor(
    `${vm} is stopped`,
    async () => {
      const { resources, failures } = await lab.crmMon(lab.anyNode());
      const failed = failures.find(({ task }) => task === 'stop' || task === 'demote');
      assert.equal(failed, undefined);
      const ours = resources.filter(({ id }) => id === vm);
      return ours.every(({ role, pending }) => role === 'Stopped' && pending === null);
    },
    lab.patience_ms,
  );
}

export async function startResource(lab: Nodes, vm: string): Promise<void> {
  await shell(lab, lab.anyNode(), `crm resource start ${vm}-ha`);
}

/** What is left of a stopped VM on the nodes and in the cluster: nothing (promise P6). */
export async function assertNothingLeft(
  lab: Nodes,
  vm: string,
  nodes: readonly string[] = lab.nodes(),
): Promise<void> {
  for (const node of nodes) {
    assert.deepEqual(await anythingLeft(lab, node, vm), []);
    const files = await shell(lab, node, 'find /run/pacemaker-remus -mindepth 1 -printf "%P\\n"');
    const ours = files.split('\n').filter((file) => file.startsWith(vm) || file.includes(`/${vm}`));
    assert.deepEqual(ours, [], `${node} has files of ${vm}`);
    const rules = await shell(
      lab,
      node,
      'tc qdisc show; tc filter show dev eth0 ingress; ip -o link',
    );
    assert.doesNotMatch(rules, /plug|ingress|\bvif\d|\brem\d/, `${node} has rules or interfaces`);
  }
  const { attributes } = await lab.crmMon(lab.anyNode());
  for (const node of nodes) {
    const left = Object.keys(attributes[node] ?? {}).filter((name) => name.endsWith(`-${vm}`));
    assert.deepEqual(left, [], `${node} has attributes of ${vm}`);
  }
}

/** The location constraints, as XML. */
export function constraints(lab: Nodes): Promise<string> {
  return shell(lab, lab.anyNode(), 'cibadmin -Q --scope constraints');
}

interface Operation {
  readonly key: string;
  readonly rc: number;
}

/** What Pacemaker remembers of its last operations on a node; not the failures that it keeps beside them. */
async function operations(lab: Nodes, node: string, vm: string): Promise<Operation[]> {
  const path = `//node_state[@uname='${node}']//lrm_resource[@id='${vm}']/lrm_rsc_op[not(contains(@id, '_last_failure_'))]`;
  const { stdout } = await lab.exec(node, ['cibadmin', '-Q', '--xpath', path]);
  return [...stdout.matchAll(/<lrm_rsc_op [^>]*>/g)].map(([text]) => ({
    key: /operation_key="([^"]*)"/.exec(text)?.[1] ?? '',
    rc: Number(/rc-code="(\d+)"/.exec(text)?.[1]),
  }));
}

/** Waits until the operation, e.g. vm1_monitor_6000, has ended with this result the last time. */
export async function untilOperation(
  lab: Nodes,
  node: string,
  key: string,
  rc: number,
): Promise<void> {
  await lab.waitFor(
    `${key} on ${node} answers ${rc}`,
    async () => {
      const all = await operations(lab, node, key.split('_')[0] ?? '');
      const ours = all.find((one) => one.key === key);
      if (ours?.rc !== rc) throw new Error(`it knows ${JSON.stringify(all)}`);
      return true;
    },
    lab.patience_ms,
  );
}
