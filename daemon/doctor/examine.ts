/** From facts to a report: every check, the worst first. Pure. */
import type { Finding, Report, Severity } from '../../ctl/doctor.js';
import { findingsOf } from './check.js';
import { CHECKS } from './checks.js';
import { type Facts, type NodeFacts, failure, labelOf } from './facts.js';

const ORDER: readonly Severity[] = ['error', 'warning', 'note'];
/** Whatever its severity: the others depend on it. */
const FIRST: readonly string[] = ['remusd-down', 'pacemaker-down'];

/** @param only the VM to look at, with what it depends on; null: all */
export function examine(facts: Facts, only: string | null): Report {
  const findings = CHECKS.flatMap((check) => findingsOf(check, facts))
    .filter(({ vm }) => only === null || vm === undefined || vm === only)
    // Sorting is stable: within a severity the table's order stays.
    .sort((a, b) => rank(a) - rank(b));
  return {
    node: facts.here,
    release: facts.release,
    nodes: facts.nodes.filter((node) => node.facts !== null).map(({ name }) => name),
    vms: facts.vms.map(labelOf).filter((label) => only === null || label === only),
    checks: CHECKS.length,
    findings,
    unchecked: unchecked(facts),
  };
}

function rank({ id, severity }: Finding): number {
  return FIRST.includes(id) ? -1 : ORDER.indexOf(severity);
}

function unchecked(facts: Facts): string[] {
  const { cluster } = facts;
  // What is not known because Pacemaker does not run is one finding.
  const runs = 'ok' in cluster.live;
  const parts: readonly (readonly [string, string | null])[] = [
    ["the cluster's configuration", failure(cluster.configuration)],
    ['corosync and quorum', runs ? failure(cluster.corosync) : null],
    ['the history of fencing', runs ? failure(cluster.fence_events) : null],
  ];
  return [
    ...facts.nodes.flatMap(({ name, problem, facts: own }) =>
      own === null ? [`${name}: ${problem?.sentence ?? 'not asked'}`] : uncheckedOn(own),
    ),
    ...parts.flatMap(([what, why]) => (why === null ? [] : [`${what}: ${why}`])),
  ];
}

function uncheckedOn(node: NodeFacts): string[] {
  const unknown = Object.keys(node.modules).filter((name) => node.modules[name] === null);
  const parts: readonly (readonly [string, string | null])[] = [
    ['its bridges', failure(node.bridges)],
    ['its interfaces', failure(node.ifbs)],
    ['its processes', failure(node.processes)],
    ['the VMs that are started there', failure(node.started)],
    [
      `the kernel modules ${unknown.join(' ')}`,
      unknown.length === 0 ? null : 'its kernel does not say what it has',
    ],
  ];
  const failed = parts.flatMap(([what, why]) =>
    why === null ? [] : [`${node.node}, ${what}: ${why}`],
  );
  // Without Xen there is a finding that says so.
  const domains = 'ok' in node.xen ? failure(node.domains) : null;
  return domains === null ? failed : [...failed, `${node.node}, its domains: ${domains}`];
}
