/** Checks of the cluster: Pacemaker, corosync, fencing. */
import type { Check } from './check.js';
import {
  type ConfigurationFacts,
  type Facts,
  type LiveFacts,
  type MemberFacts,
  failure,
  labelOf,
  value,
} from './facts.js';
import { seen } from './views.js';
import { OCF } from '../core/ocf.js';
import { lastFencing, unproven } from '../fencing.js';

const ALERT_AGENT = '/usr/share/pacemaker/alerts/alert_remus.sh';

const live = (facts: Facts): LiveFacts | null => value(facts.cluster.live);
const members = (facts: Facts): readonly MemberFacts[] => live(facts)?.members ?? [];
const configuration = (facts: Facts): ConfigurationFacts | null =>
  value(facts.cluster.configuration);

/** Whether fencing is on: by the running cluster, or by what its configuration on the disk says. */
function fencingIsOn(facts: Facts): boolean | null {
  const now = live(facts);
  if (now !== null) return now.stonith_enabled;
  const set = configuration(facts)?.properties;
  return set === undefined
    ? null
    : !/^(?:false|no|off|0|n)$/i.test(set['stonith-enabled'] ?? set['fencing-enabled'] ?? 'true');
}

/** The devices with which others than the node itself could fence it; null when that cannot be told. */
export function devicesFor(facts: Facts, target: string): readonly string[] | null {
  const others = seen(facts).filter(({ node }) => node !== target);
  const told = others.flatMap(({ can_fence }) =>
    can_fence === null ? [] : [can_fence[target] ?? []],
  );
  const devices = [...new Set(told.flat())];
  if (devices.length > 0 || (told.length > 0 && told.length === facts.nodes.length - 1))
    return devices;
  // Not everybody has answered: what the configuration says stands in for it.
  const configured = configuration(facts)?.devices;
  if (configured === undefined) return null;
  return configured
    .filter(({ targets }) => targets === null || targets.includes(target))
    .map(({ id }) => id);
}

function fenceRace(facts: Facts): boolean {
  const configured = configuration(facts);
  if (configured === null || configured.nodes.length !== 2 || fencingIsOn(facts) !== true)
    return false;
  const delay = configured.properties['priority-fencing-delay'] ?? '0';
  return /^0[a-z]*$/.test(delay) && !configured.devices.some(({ delayed }) => delayed);
}

export const CLUSTER_CHECKS: readonly Check[] = [
  {
    id: 'pacemaker-down',
    severity: 'error',
    what: '{node}: {sentence}.',
    why: 'Pacemaker decides who runs a VM. Without it on this node none can run or be replicated here. What is said below of its configuration is from the disk.',
    fix: ['systemctl start corosync pacemaker'],
    find: (facts) => {
      const sentence = failure(facts.cluster.live);
      if (sentence === null) return [];
      return [{ values: { node: facts.here, sentence: plain(sentence) }, on: facts.here }];
    },
  },
  {
    id: 'one-node',
    severity: 'error',
    what: 'The cluster has no other node than {node}.',
    why: 'A replica is on another node.',
    fix: ['corosync-cmapctl nodelist.'],
    advice: 'Add a node to the cluster: "crm cluster join" or "pcs cluster node add".',
    find: (facts) =>
      configuration(facts)?.nodes.length === 1 ? [{ values: { node: facts.here } }] : [],
  },
  {
    id: 'node-offline',
    severity: 'warning',
    what: '{node} is offline.',
    why: 'While it is, a VM of two nodes is not protected; and nothing of what is on it could be looked at.',
    fix: ['systemctl start corosync pacemaker'],
    advice: 'When the whole machine is off, switch it on.',
    find: (facts) =>
      members(facts)
        .filter(({ online, unclean }) => !online && !unclean)
        .map(({ name }) => ({ values: { node: name }, on: name })),
  },
  {
    id: 'node-unclean',
    severity: 'error',
    what: '{node} is unclean: it is lost, or has failed, and is not fenced yet.',
    why: 'Pacemaker moves nothing away from it, and a VM whose backup it was holds its output back, until it is known to be down.',
    fix: ['stonith_admin --history {node} --verbose', 'stonith_admin --reboot {node}'],
    advice:
      'The first says why fencing has not succeeded. Repair the device, and then ask for it again with the second: after ten failures Pacemaker gives up. When there is no way to repair it, switch {node} off by hand, see that it is off, and only then type: stonith_admin --confirm {node}',
    find: (facts) =>
      members(facts)
        .filter(({ unclean }) => unclean)
        .map(({ name }) => ({ values: { node: name } })),
  },
  {
    id: 'node-standby',
    severity: 'warning',
    what: '{node} is in standby.',
    why: 'It holds no replica and takes no VM over.',
    fix: ['crm_attribute --node {node} --name standby --delete'],
    find: (facts) =>
      members(facts)
        .filter(({ online, standby, pending }) => online && standby && !pending)
        .map(({ name }) => ({ values: { node: name } })),
  },
  {
    id: 'maintenance',
    severity: 'warning',
    what: 'The cluster is in maintenance mode.',
    why: 'Pacemaker does nothing: a VM whose node dies is not taken over.',
    fix: ['crm_attribute --name maintenance-mode --update false'],
    find: (facts) => (live(facts)?.maintenance_mode === true ? [{ values: {} }] : []),
  },
  {
    id: 'no-quorum',
    severity: 'error',
    what: '{node} is in a part of the cluster without quorum.',
    why: 'Such a part may not promote or start anything, and Pacemaker stops what runs there.',
    fix: ['corosync-quorumtool -s'],
    advice: 'Bring the missing nodes or the links to them back.',
    find: (facts) => (live(facts)?.quorum === false ? [{ values: { node: facts.here } }] : []),
  },
  {
    id: 'two-node',
    severity: 'error',
    what: 'A cluster of two nodes without "two_node: 1" in the section quorum of corosync.conf.',
    why: 'When one node dies, the other one has no quorum: it takes nothing over, and stops what it runs.',
    fix: [
      "sed -i 's/^ *provider: corosync_votequorum/&\\n  two_node: 1/' /etc/corosync/corosync.conf",
      'corosync-cfgtool -R',
    ],
    advice: 'The file must be changed on both nodes before it is read again.',
    find: (facts) => {
      const corosync = value(facts.cluster.corosync);
      const two = configuration(facts)?.nodes.length === 2 && corosync?.expected_votes === 2;
      return two && !corosync.flags.includes('2Node') ? [{ values: {} }] : [];
    },
  },
  {
    id: 'wait-for-all',
    severity: 'warning',
    what: 'wait_for_all is off in a cluster of two nodes.',
    why: 'A node that starts and does not see the other one would fence it and start its VMs, also when only the link is cut: the two could fence each other in turns.',
    fix: ["sed -i 's/wait_for_all: *0/wait_for_all: 1/' /etc/corosync/corosync.conf"],
    advice: 'On both nodes; it takes effect when corosync starts anew.',
    find: (facts) => {
      const flags = value(facts.cluster.corosync)?.flags ?? [];
      return flags.includes('2Node') && !flags.includes('WaitForAll') ? [{ values: {} }] : [];
    },
  },
  {
    id: 'quorum-ignored',
    severity: 'warning',
    what: 'no-quorum-policy is "ignore".',
    why: 'Of a cluster of three and more every part goes on by itself, and only fencing stands between a VM and its second copy. Two nodes do not need it: they have two_node.',
    fix: ['crm_attribute --name no-quorum-policy --update stop'],
    find: (facts) =>
      configuration(facts)?.properties['no-quorum-policy'] === 'ignore' ? [{ values: {} }] : [],
  },
  {
    id: 'link-down',
    severity: 'warning',
    what: "Corosync's link {link} from {here} to {node} is {state}.",
    why: 'The cluster goes on with the links that are left. When the last one is cut, a node is fenced.',
    fix: ['corosync-cfgtool -s'],
    find: (facts) =>
      (value(facts.cluster.corosync)?.links ?? []).flatMap(({ link, nodeid, state }) => {
        const node = members(facts).find(({ id }) => id === nodeid);
        if (node?.online !== true || node.name === facts.here || /^connected/.test(state))
          return [];
        return [{ values: { link, node: node.name, state, here: facts.here } }];
      }),
  },
  {
    id: 'fencing-off',
    severity: 'error',
    what: 'Fencing is off: stonith-enabled is false.',
    why: 'Nothing can prove that a node that does not answer no longer runs a VM: two copies of it could run. The agent refuses to start a VM without it.',
    fix: ['crm_attribute --name stonith-enabled --update true'],
    advice:
      'It needs a working fence device for each node; "stonith_admin --list-installed" shows which kinds there are.',
    find: (facts) => (fencingIsOn(facts) === false ? [{ values: {} }] : []),
  },
  {
    id: 'fencing-no-device',
    severity: 'error',
    what: 'No fence device can fence {node}.',
    why: 'When {node} dies, nobody can know that it is down: its VMs are not taken over, and those that have their replica there hold their output back.',
    fix: ['stonith_admin --list-installed'],
    advice:
      'Add one of these kinds for {node}, that another node can use: "crm configure primitive fence-{node} stonith:KIND params pcmk_host_list={node} ..." or "pcs stonith create fence-{node} KIND pcmk_host_list={node} ...".',
    validate: { level: 20, rc: OCF.ERR_CONFIGURED },
    find: (facts) =>
      fencingIsOn(facts) === false
        ? []
        : (configuration(facts)?.nodes ?? [])
            .filter((node) => devicesFor(facts, node)?.length === 0)
            .map((node) => ({ values: { node } })),
  },
  {
    id: 'fence-device-broken',
    severity: 'error',
    what: 'The fence device {device} {state}.',
    why: 'Pacemaker cannot reach it, so fencing with it will most likely fail.',
    fix: ['crm_resource --cleanup --resource {device}'],
    advice: 'Look at its address and password first; "crm_mon -1rf" shows what it has answered.',
    find: (facts) => {
      const all = members(facts).every(({ online }) => online);
      return (live(facts)?.resources ?? [])
        .filter(({ agent }) => agent.startsWith('stonith:'))
        .filter(({ failed, role }) => failed || (all && role === 'Stopped'))
        .map(({ id, failed }) => ({
          values: { device: id, state: failed ? 'has failed' : 'is stopped' },
        }));
    },
  },
  {
    id: 'fencing-failed',
    severity: 'error',
    what: 'The last attempt to fence {node} has failed (action {action}, {completed}).',
    why: 'The next one may, too: then nothing is taken over from {node} when it dies.',
    fix: ['stonith_admin --cleanup --history {node}'],
    advice:
      'Repair the device first: "stonith_admin --history {node} --verbose" and the log of pacemaker-fenced say what it has answered. To prove that it works, fence {node} when it runs nothing: stonith_admin --reboot {node}',
    find: (facts) =>
      lastFencing(value(facts.cluster.fence_events) ?? [])
        .filter(({ status }) => status === 'failed')
        .map(({ target, action, completed }) => ({ values: { node: target, action, completed } })),
  },
  {
    id: 'fencing-untested',
    severity: 'warning',
    what: 'Since the cluster was started nobody has been seen to fence {node}.',
    why: 'A fence device that has never been tried is one that may not work: then nothing is taken over from {node} when it dies.',
    fix: ['stonith_admin --reboot {node}'],
    advice:
      'Type it when {node} runs nothing that must not stop: put it into standby first. It must go down at once and come back by itself.',
    find: (facts) => {
      const events = value(facts.cluster.fence_events);
      if (events === null || fencingIsOn(facts) !== true) return [];
      const failed = new Set(lastFencing(events).map(({ target }) => target));
      return unproven(configuration(facts)?.nodes ?? [], events)
        .filter((node) => !failed.has(node) && devicesFor(facts, node)?.length !== 0)
        .map((node) => ({ values: { node } }));
    },
  },
  {
    id: 'fence-race',
    severity: 'note',
    what: 'Two nodes, and no delay in fencing.',
    why: 'When the link between them is cut, both fence at once, and it is chance which one survives: half of the time the one that runs no VM.',
    fix: ['crm_attribute --name priority-fencing-delay --update 5s'],
    advice:
      'It favours the node whose VMs have a "priority" among the meta attributes of their clones.',
    find: (facts) => (fenceRace(facts) ? [{ values: {} }] : []),
  },
  {
    id: 'no-priority',
    severity: 'note',
    what: '{vm} has no priority, so priority-fencing-delay does not favour its node.',
    why: 'In a partition the node that runs {vm} may be the one that is fenced.',
    fix: ['crm_resource --resource {clone} --meta --set-parameter priority --parameter-value 1'],
    find: (facts) => {
      const delay = configuration(facts)?.properties['priority-fencing-delay'] ?? '0';
      if (/^0[a-z]*$/.test(delay)) return [];
      return facts.vms.flatMap((vm) =>
        vm.clone === null || Number(vm.clone.meta['priority'] ?? '0') > 0
          ? []
          : [{ values: { vm: labelOf(vm), clone: vm.clone.id }, vm: labelOf(vm) }],
      );
    },
  },
  {
    id: 'no-alert',
    severity: 'note',
    what: 'Pacemaker does not tell remusd of fencing and of nodes that come and go.',
    why: 'remusd asks for it every few seconds, and nothing is missed. With the alert it hears of it at once, and says so in the journal.',
    fix: [
      `cibadmin --modify --allow-create --scope alerts --xml-text '<alert id="remus" path="${ALERT_AGENT}"> <select> <select_nodes/> <select_fencing/> </select> </alert>'`,
    ],
    advice: `Once for the whole cluster; or: crm configure alert remus ${ALERT_AGENT} select nodes fencing`,
    find: (facts) => {
      const alerts = configuration(facts)?.alerts;
      const ours = alerts?.some(
        ({ path, selected }) =>
          path.endsWith('/alert_remus.sh') &&
          selected.includes('nodes') &&
          selected.includes('fencing'),
      );
      return ours === false ? [{ values: {} }] : [];
    },
  },
  {
    id: 'constraint-left',
    severity: 'warning',
    what: 'The constraint {constraint} was left by a move of {resource} by hand.',
    why: 'It keeps {resource} on a node or away from one for ever, so that a failover or a replica there is not possible. "remusctl switchover" leaves none.',
    fix: ['crm_resource --clear --resource {resource}'],
    find: (facts) => {
      const ours = new Map(
        facts.vms.flatMap((vm) => [
          [vm.resource ?? '', vm],
          [vm.clone?.id ?? '', vm],
        ]),
      );
      return (configuration(facts)?.constraints ?? []).flatMap(({ id, resource }) => {
        const vm = ours.get(resource);
        return vm === undefined ? [] : [{ values: { constraint: id, resource }, vm: labelOf(vm) }];
      });
    },
  },
];

/** The sentences of adapters end without a full stop, others with one. */
export function plain(sentence: string): string {
  return sentence.replace(/\.$/, '');
}
