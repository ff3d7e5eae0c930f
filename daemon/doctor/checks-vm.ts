/** Checks of each VM: its configuration, what it needs of the nodes, how Pacemaker has it. */
import { mayBeAhead, parseDisk } from '../adapters/xl-disk.js';
import { OCF } from '../core/ocf.js';
import type { Check, Found } from './check.js';
import { plain } from './checks-cluster.js';
import { isBridged, isOfDom0, parseVif, type Vif } from './devices.js';
import { type Facts, type NodeFacts, type VmFacts, failure, labelOf, value } from './facts.js';
import { configOf, configOn, hostsOf, incoming, list, seen, shellWord } from './views.js';

/** What Xen takes for a guest beside its own memory: a guess that is rather too high. */
function neededMib(memory_mib: number): number {
  return memory_mib + 16 + Math.ceil(memory_mib / 100);
}

/** dom0 is not asked to go below this. */
const DOM0_LEAST_MIB = 1_024;

type Values = Found['values'];

/** Of each VM. */
function each(
  facts: Facts,
  find: (vm: VmFacts) => readonly (Omit<Found, 'vm' | 'values'> & { readonly values?: Values })[],
): Found[] {
  return facts.vms.flatMap((vm) =>
    find(vm).map((found) => ({
      ...found,
      vm: labelOf(vm),
      values: { vm: labelOf(vm), config: shellWord(vm.config_path), ...found.values },
    })),
  );
}

/** Of each VM on each node whose facts are there. */
function eachOn(facts: Facts, find: (vm: VmFacts, node: NodeFacts) => readonly Values[]): Found[] {
  return each(facts, (vm) =>
    seen(facts).flatMap((node) =>
      find(vm, node).map((values) => ({ values: { node: node.node, ...values }, on: node.node })),
    ),
  );
}

function vifsOf(facts: Facts, vm: VmFacts): readonly Vif[] {
  return configOf(facts, vm)?.config.vifs.map(parseVif) ?? [];
}

/** None with netbuf=off: any interface will do. */
function heldVifsOf(facts: Facts, vm: VmFacts): readonly Vif[] {
  return vm.netbuf_off || vm.restarts ? [] : vifsOf(facts, vm);
}

/** The bridges that a VM needs on a node; null: whichever xl's script finds first, for it has no name. */
export function wantedBridges(vm: VmFacts, node: NodeFacts): readonly (string | null)[] {
  const wanted = (configOn(node, vm)?.vifs ?? [])
    .map(parseVif)
    .filter(isBridged)
    .map(({ bridge }) => bridge ?? node.default_bridge);
  return [...new Set(wanted)];
}

/** Those that are not there. */
function missingBridges(vm: VmFacts, node: NodeFacts): readonly string[] {
  const there = value(node.bridges);
  if (there === null) return [];
  return wantedBridges(vm, node)
    .filter((bridge) => (bridge === null ? there.length === 0 : !there.includes(bridge)))
    .map((bridge) => bridge ?? 'xenbr0');
}

/** Where the file is the reference: where the VM runs, or else the first node that can read it. */
function referenceOf(facts: Facts, vm: VmFacts): { node: string; digest: string } | null {
  const first = configOf(facts, vm);
  if (first === null) return null;
  const host = hostsOf(facts, first.config.name).find((node) => configOn(node, vm) !== null);
  const config = host === undefined ? null : configOn(host, vm);
  if (host === undefined || config === null)
    return { node: first.node, digest: first.config.digest };
  return { node: host.node, digest: config.digest };
}

function configDiffers(facts: Facts): Found[] {
  return each(facts, (vm) => {
    const reference = referenceOf(facts, vm);
    if (reference === null) return [];
    return seen(facts).flatMap((node) => {
      const config = configOn(node, vm);
      if (config === null || config.digest === reference.digest) return [];
      return [{ values: { node: node.node, reference: reference.node }, on: reference.node }];
    });
  });
}

function configUnreadable(facts: Facts): Found[] {
  return each(facts, (vm) => {
    const reference = referenceOf(facts, vm);
    return seen(facts).flatMap((node) => {
      const found = node.configs.find(({ path }) => path === vm.config_path);
      const sentence = found === undefined ? null : failure(found.config);
      if (sentence === null) return [];
      const values = { node: node.node, sentence: plain(sentence) };
      if (reference === null) return [{ values, on: node.node }];
      const fix = [`scp {config} ${node.node}:{config}`];
      return [{ values, on: reference.node, fix }];
    });
  });
}

function sameNames(facts: Facts): Found[] {
  const names = facts.vms.map((vm) => ({ vm, name: configOf(facts, vm)?.config.name ?? null }));
  return names.flatMap(({ vm, name }, index) => {
    const other = names.slice(0, index).find((one) => name !== null && one.name === name);
    if (other === undefined || name === null) return [];
    const values = { vm: labelOf(vm), other: labelOf(other.vm), domain: name };
    return [{ values: { ...values, config: shellWord(vm.config_path) }, vm: labelOf(vm) }];
  });
}

interface Memory {
  readonly vm: string;
  readonly mib: number;
}

/** What is still to be found on a node for the VMs that are not there yet, neither running nor as a replica. */
function stillNeeded(facts: Facts, node: NodeFacts): readonly Memory[] {
  const names = new Set((value(node.domains) ?? []).map(({ name }) => name));
  return facts.vms.flatMap((vm) => {
    const config = configOf(facts, vm)?.config;
    if (config === undefined || names.has(config.name) || names.has(incoming(config.name)))
      return [];
    return [{ vm: labelOf(vm), mib: neededMib(config.memory_mib) }];
  });
}

function tooLittleMemory(facts: Facts): Found[] {
  return seen(facts).flatMap((node) => {
    const [xen, domains] = [value(node.xen), value(node.domains)];
    const needed = stillNeeded(facts, node);
    const need = needed.reduce((sum, { mib }) => sum + mib, 0);
    if (xen === null || domains === null || need <= xen.free_mib) return [];
    const dom0 = domains.find(({ domid }) => domid === 0)?.mem_mib ?? 0;
    const given = xen.dom0_fixed ? 0 : Math.max(0, dom0 - DOM0_LEAST_MIB);
    const values = {
      node: node.node,
      vms: list(needed.map(({ vm }) => vm)),
      need,
      free: xen.free_mib,
    };
    const found = { values, on: node.node };
    if (need > xen.free_mib + given) return [found];
    return [
      {
        ...found,
        severity: 'warning' as const,
        advice:
          'dom0 has no fixed size, so xl takes the rest from it, which takes time and may fail. Give dom0 a fixed size: dom0_mem=2G,max:2G on the command line of Xen.',
      },
    ];
  });
}

/** A VM runs on a node with a later Xen than the others have: none of them can take its replica. */
function wrongWay(facts: Facts): Found[] {
  const number = (node: NodeFacts): number | null => {
    const xen = value(node.xen);
    return xen === null ? null : xen.major * 1_000 + xen.minor;
  };
  return each(facts, (vm) => {
    const name = configOf(facts, vm)?.config.name;
    const [host] = name === undefined ? [] : hostsOf(facts, name);
    const here = host === undefined ? null : number(host);
    if (host === undefined || here === null) return [];
    const others = seen(facts).filter((node) => node.node !== host.node && number(node) !== null);
    if (others.length === 0 || others.some((node) => (number(node) ?? 0) >= here)) return [];
    const old = others.map((node) => node.node);
    return [{ values: { node: host.node, old: list(old) }, on: old[0] ?? host.node }];
  });
}

/** An error, for a start is refused; a warning where somebody has said that it shall be so. */
function disksAhead(facts: Facts): Found[] {
  return each(facts, (vm) => {
    if (vm.restarts) return [];
    const disks = (configOf(facts, vm)?.config.disks ?? []).map(parseDisk).filter(mayBeAhead);
    if (disks.length === 0) return [];
    const values = { disks: list(disks.map(({ target, vdev }) => target || (vdev ?? 'a disk'))) };
    if (vm.unsafe_disks) {
      const advice =
        'Better make them read only, or do without them. Then: crm_resource --resource {vm} --delete-parameter unsafe_disks';
      return [{ values, severity: 'warning', fix: [], advice }];
    }
    if (vm.resource !== null) return [{ values }];
    const advice =
      'Make them read only, or add the VM with mode=restart; only if the guest can lose what is on them while it runs, with unsafe_disks=true.';
    return [{ values, fix: [], advice }];
  });
}

export const VM_CHECKS: readonly Check[] = [
  {
    id: 'config-unreadable',
    severity: 'error',
    what: 'The configuration of {vm} cannot be used on {node}: {sentence}.',
    why: 'The file must be there, and be the same, on every node that may run the VM.',
    fix: ['xl create -n {config}'],
    validate: { level: 20, rc: OCF.ERR_INSTALLED },
    find: configUnreadable,
  },
  {
    id: 'config-differs',
    severity: 'error',
    what: '{config} on {node} is another one than on {reference}.',
    why: 'A replica is refused, and a VM that is started anew on {node} would be another one. Comments, spacing and order do not count.',
    fix: ['scp {config} {node}:{config}'],
    advice:
      'That takes the file of {reference}, where the VM runs or which was looked at first. To see what differs: ssh {node} cat {config} | diff {config} -',
    validate: { level: 20, rc: OCF.ERR_INSTALLED },
    find: configDiffers,
  },
  {
    id: 'name-parameter',
    severity: 'error',
    what: '{vm} has the parameter name={name}, and {config} says {domain}.',
    why: 'The agent refuses it.',
    fix: ['crm_resource --resource {vm} --delete-parameter name'],
    find: (facts) =>
      each(facts, (vm) => {
        const domain = configOf(facts, vm)?.config.name;
        if (domain === undefined || vm.name === null || vm.name === domain) return [];
        return [{ values: { name: vm.name, domain } }];
      }),
  },
  {
    id: 'name-clash',
    severity: 'error',
    what: 'The VMs {other} and {vm} have the same name for Xen, {domain}.',
    why: 'One of them cannot be started while the other one, or its replica {domain}--incoming, is on the node.',
    fix: ['sed -i \'s/^ *name *=.*/name = "{vm}"/\' {config}'],
    advice: 'On every node, while {vm} is stopped.',
    find: sameNames,
  },
  {
    id: 'two-copies',
    severity: 'error',
    what: '{domain} runs on {nodes} at the same time.',
    why: 'Two copies of a VM write to the same disks and answer to the same address. One of them was started by hand, or a replica was unpaused.',
    fix: ['crm_mon -1'],
    advice:
      'Look again first: a VM that was moving just now can look like this. Where Pacemaker does not show {vm} as promoted, type: xl destroy {domain}',
    find: (facts) =>
      each(facts, (vm) => {
        const domain = configOf(facts, vm)?.config.name ?? '';
        const running = hostsOf(facts, domain).filter((node) =>
          value(node.domains)?.some(({ name, runs }) => name === domain && runs),
        );
        return running.length < 2
          ? []
          : [{ values: { domain, nodes: list(running.map(({ node }) => node)) } }];
      }),
  },
  {
    id: 'pv-guest',
    severity: 'error',
    what: '{vm} is a PV guest, and Xen on {node} has no shadow paging.',
    why: "Without it Xen cannot follow what a PV guest writes: it can neither be migrated nor replicated. Debian's Xen is built without it.",
    fix: ['xl info | grep virt_caps'],
    advice: 'Set type = "pvh" in {config}, on every node.',
    validate: { level: 10, rc: OCF.ERR_ARGS },
    find: (facts) =>
      eachOn(facts, (vm, node) => {
        const caps = value(node.xen)?.virt_caps;
        const pv = configOn(node, vm)?.type === 'pv' && !vm.restarts;
        return pv && caps !== undefined && !caps.includes('shadow') ? [{}] : [];
      }),
  },
  {
    id: 'hvm-guest',
    severity: 'warning',
    what: '{vm} is an HVM guest.',
    why: 'Its device model keeps a state of its own. No HVM guest has been tried under replication.',
    fix: ['sed -i \'s/^ *type *=.*/type = "pvh"/\' {config}'],
    advice:
      'On every node, when the guest can be a PVH guest; otherwise try a failover before you rely on it.',
    find: (facts) => each(facts, (vm) => (configOf(facts, vm)?.config.type === 'hvm' ? [{}] : [])),
  },
  {
    id: 'disk-ahead',
    severity: 'error',
    what: '{vm} writes to {disks}, and disks are not replicated with its memory.',
    why: 'A failover goes on from the last checkpoint of the memory. What was written after it is on the disk already: the disk is ahead of the memory, and the file system of the guest may break. Safe are no disk, and disks that are read only. The agent does not start such a VM; one that runs already goes on.',
    fix: ['crm_resource --resource {vm} --set-parameter mode --parameter-value restart'],
    advice:
      'With mode=restart a failover boots the VM anew, and a planned move takes its memory along. Or make the disks read only in {config}, on every node. Only if the guest can lose what is on them while it runs: unsafe_disks=true.',
    validate: { level: 10, rc: OCF.ERR_ARGS },
    find: disksAhead,
  },
  {
    id: 'no-bridge',
    severity: 'error',
    what: '{vm} needs the bridge {bridge}, which {node} does not have.',
    why: 'The VM cannot be started there, and a replica that takes over has no network.',
    fix: ['ip link add {bridge} type bridge', 'ip link set {bridge} up'],
    advice: 'For good, and with a network card in it, in /etc/network/interfaces.',
    validate: { level: 10, rc: OCF.ERR_INSTALLED },
    find: (facts) =>
      eachOn(facts, (vm, node) => missingBridges(vm, node).map((bridge) => ({ bridge }))),
  },
  {
    id: 'vif-name',
    severity: 'error',
    what: 'An interface of {vm} has a name of its own, vifname={vifname}.',
    why: 'What the VM sends is held at vifDOMAIN.NUMBER, which does not exist then: it cannot be protected.',
    fix: ["sed -i 's/,vifname={vifname}//' {config}"],
    advice: 'On every node; it takes effect when the VM is started anew.',
    validate: { level: 10, rc: OCF.ERR_ARGS },
    find: (facts) =>
      each(facts, (vm) =>
        heldVifsOf(facts, vm).flatMap(({ vifname }) =>
          vifname === null ? [] : [{ values: { vifname } }],
        ),
      ),
  },
  {
    id: 'vif-backend',
    severity: 'error',
    what: 'An interface of {vm} is served by the domain {backend}.',
    why: 'Only what goes through dom0 can be held until it is safe: {vm} cannot be protected.',
    fix: ["sed -i 's/,backend={backend}//' {config}"],
    advice: 'On every node; it takes effect when the VM is started anew.',
    validate: { level: 10, rc: OCF.ERR_ARGS },
    find: (facts) =>
      each(facts, (vm) =>
        heldVifsOf(facts, vm)
          .filter((vif) => !isOfDom0(vif))
          .map(({ backend }) => ({ values: { backend: backend ?? '' } })),
      ),
  },
  {
    id: 'memory',
    severity: 'error',
    what: '{node} has {free} MiB of memory free, and {vms} would need {need} MiB there.',
    why: 'A replica has the memory of its VM all the time: without it the VM cannot be protected.',
    fix: ['xl list'],
    advice: 'Stop or shrink other guests there, or give the VMs less.',
    find: tooLittleMemory,
  },
  {
    id: 'wrong-way',
    severity: 'error',
    what: '{vm} runs on {node}, which has a later Xen than {old}.',
    why: 'A replica cannot go to an older Xen: {vm} stays unprotected until {old} is upgraded.',
    fix: ['apt install xen-system-amd64'],
    advice: 'And reboot it.',
    find: wrongWay,
  },
  {
    id: 'no-clone',
    severity: 'error',
    what: '{vm} is not in a promotable clone.',
    why: 'Promoted is the node that runs the VM, unpromoted the one that has its replica. Without a clone there is none.',
    fix: [
      'crm configure clone {vm}-ha {vm} meta promotable=true promoted-max=1 clone-max=2 interleave=true',
    ],
    advice:
      'With pcs: pcs resource promotable {vm} {vm}-ha promoted-max=1 clone-max=2 interleave=true',
    find: (facts) =>
      each(facts, (vm) => {
        if (vm.resource === null) return [];
        if (vm.clone === null) return [{}];
        if (/^(?:true|yes|on|1|y)$/i.test(vm.clone.meta['promotable'] ?? 'false')) return [];
        const fix = `crm_resource --resource ${vm.clone.id} --meta --set-parameter promotable --parameter-value true`;
        return [{ fix: [fix] }];
      }),
  },
  {
    id: 'no-monitor',
    severity: 'warning',
    what: '{vm} has no recurring monitor for the role {role}.',
    why: 'Pacemaker hears of most failures from remusd at once, but looks by itself only with a monitor: one for each role, with intervals that differ.',
    fix: ['crm configure edit {vm}'],
    advice:
      'Add: op monitor interval=10s timeout=30s role=Promoted op monitor interval=11s timeout=30s role=Unpromoted',
    find: (facts) =>
      each(facts, (vm) =>
        vm.resource === null
          ? []
          : ['Promoted', 'Unpromoted']
              .filter((role) => !vm.monitored.includes(role))
              .map((role) => ({ values: { role } })),
      ),
  },
  {
    id: 'netbuf-off',
    severity: 'warning',
    what: 'What {vm} sends is not held until its backup has the checkpoint behind it (netbuf=off).',
    why: 'A failover may then lose what clients have already seen (promise P3 does not hold), and so may a switchover. This is for measuring, for guests without a network that matters, and for hosts whose dom0 lacks sch_plug, ifb or act_mirred.',
    fix: ['crm_resource --resource {vm} --delete-parameter netbuf'],
    advice: 'It takes effect with the next replica: to have that now, type remusctl resync {vm}.',
    find: (facts) => each(facts, (vm) => (vm.netbuf_off && !vm.restarts ? [{}] : [])),
  },
  {
    id: 'unfenced',
    severity: 'warning',
    what: '{vm} is allowed to run without fencing (allow_unfenced).',
    why: 'This is for experiments: in such a cluster two copies of it could run.',
    fix: ['crm_resource --resource {vm} --delete-parameter allow_unfenced'],
    find: (facts) => each(facts, (vm) => (vm.allow_unfenced ? [{}] : [])),
  },
];
