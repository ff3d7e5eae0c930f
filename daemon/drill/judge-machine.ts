/** Judges the backup as a machine: by the doctor's checks, and by the bridges of the VM. Pure. */
import type { Finding } from '../../ctl/doctor.js';
import { findingsOf } from '../doctor/check.js';
import { CHECKS } from '../doctor/checks.js';
import { wantedBridges } from '../doctor/checks-vm.js';
import { type Facts, failure, type NodeFacts, type VmFacts } from '../doctor/facts.js';
import { configOn, list } from '../doctor/views.js';
import { fails, ok, type StepFinding, type StepJudge, unknown } from './finding.js';
import type { Bridge, Evidence } from './proofs.js';

/** What other steps look at themselves, and closer. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  ...['no-quorum', 'two-node', 'fencing-off', 'fencing-no-device', 'fence-device-broken'],
  ...['fencing-failed', 'node-unclean', 'no-bridge', 'remusd-down', 'pacemaker-down'],
]);

/** They go by the needs of all VMs together, and here one of them matters. */
const OF_ONE_VM: ReadonlySet<string> = new Set(['memory', 'kernel-module']);

interface Seen {
  readonly facts: Facts;
  readonly vm: VmFacts;
  readonly node: NodeFacts;
}

/** What the doctor knows of the VM on the backup, or why nothing. */
function look({ doctor, resource, to }: Evidence): Seen | StepFinding {
  const { answer, took_ms } = doctor;
  if ('failed' in answer) return unknown(`${to} could not be looked at: ${answer.failed}`, took_ms);
  const facts = answer.ok;
  const vm = facts.vms.find((one) => one.resource === resource);
  const there = facts.nodes.find(({ name }) => name === to);
  const node = there?.facts ?? null;
  if (node === null) {
    const why = there?.problem?.sentence ?? 'Pacemaker does not know it';
    return unknown(`${to} could not be looked at: ${why}`, took_ms);
  }
  if (vm !== undefined) return { facts, vm, node };
  const why = failure(facts.cluster.configuration) ?? 'Pacemaker has no such VM';
  return unknown(`the configuration of ${resource} is not known: ${why}`, took_ms);
}

export const machine: StepJudge = (evidence) => {
  const seen = look(evidence);
  if ('verdict' in seen) return seen;
  const { to, doctor, resource } = evidence;
  const { took_ms } = doctor;
  const [worst] = inTheWay(seen, resource, to);
  if (worst !== undefined) {
    const { what, fix, on } = worst;
    const [command = `remusctl doctor ${resource}`] = fix;
    const todo = { fix: command, ...(on === undefined ? {} : { on }) };
    return fails(what.replace(/\.$/, ''), took_ms, todo);
  }
  const config = configOn(seen.node, seen.vm);
  const unseen = failure(seen.node.xen) ?? (config === null ? 'its configuration' : null);
  if (unseen !== null) return unknown(`not everything of ${to} is known: ${unseen}`, took_ms);
  const mib = config?.memory_mib ?? 0;
  const what = `the doctor finds nothing in the way on ${to}; the replica has its ${mib} MiB of memory`;
  return ok(what, took_ms);
};

/** The errors that are about the backup or about the VM. Memory that other VMs want there is theirs to worry about. */
function inTheWay({ facts, vm }: Seen, resource: string, to: string): Finding[] {
  const alone = { ...facts, vms: [vm] };
  return CHECKS.filter(({ id }) => !ELSEWHERE.has(id))
    .flatMap((check) => findingsOf(check, OF_ONE_VM.has(check.id) ? alone : facts))
    .filter(({ severity }) => severity === 'error')
    .filter(({ vm: whose, on }) => {
      if (whose !== undefined && whose !== resource) return false;
      return on === to || (whose === resource && on === undefined);
    });
}

export const network: StepJudge = (evidence) => {
  const seen = look(evidence);
  if ('verdict' in seen) return seen;
  const { to, resource } = evidence;
  const { answer, took_ms } = evidence.network;
  const config = configOn(seen.node, seen.vm);
  if (config === null)
    return unknown(`the configuration of ${resource} cannot be read on ${to}`, took_ms);
  if (config.vifs.length === 0) return ok(`${resource} has no network interface`, took_ms);
  if ('failed' in answer)
    return unknown(`the bridges of ${to} cannot be looked at: ${answer.failed}`, took_ms);
  const wanted = wantedBridges(seen.vm, seen.node);
  if (wanted.length === 0)
    return unknown(`no interface of ${resource} is on a bridge; others are not looked at`, took_ms);
  const judged = wanted.map((name) => judgeBridge(name, answer.ok.bridges, to));
  const bad = judged.find(({ verdict }) => verdict !== 'ok');
  const what = list(judged.map((one) => one.what));
  return { ...(bad ?? ok(what, null)), took_ms };
};

/** @param wanted null: whichever there is */
function judgeBridge(wanted: string | null, bridges: readonly Bridge[], to: string): StepFinding {
  const name = wanted ?? 'xenbr0';
  const bridge = wanted === null ? bridges[0] : bridges.find((one) => one.name === wanted);
  const on = to;
  if (bridge === undefined)
    return fails(`${to} has no bridge ${name}`, null, {
      ...{ fix: `ip link add ${name} type bridge && ip link set ${name} up`, on },
    });
  if (!bridge.up)
    return fails(`the bridge ${bridge.name} on ${to} is down`, null, {
      ...{ fix: `ip link set ${bridge.name} up`, on },
    });
  if (bridge.uplinks.length === 0)
    return ok(`${bridge.name} on ${to} is up, with nothing but guests in it`, null);
  const linked = bridge.uplinks.find(({ link }) => link);
  if (linked !== undefined)
    return ok(`${bridge.name} on ${to} is up, with a link at ${linked.name}`, null);
  const names = list(bridge.uplinks.map((one) => one.name));
  return fails(`the bridge ${bridge.name} on ${to} has no link at ${names}`, null, {
    ...{ fix: `ip -brief link show master ${bridge.name}`, on },
  });
}
