/** Each check on good facts and on bad ones. */
import assert from 'node:assert/strict';
import type { Finding, Severity } from '../../../ctl/doctor.js';
import { CHECKS } from '../../../daemon/doctor/checks.js';
import { findingsOf } from '../../../daemon/doctor/check.js';
import { examine } from '../../../daemon/doctor/examine.js';
import type { Facts } from '../../../daemon/doctor/facts.js';
import {
  config,
  configuration,
  healthy,
  live,
  node,
  view,
  vm1,
  withCluster,
  withConfig,
  withConfiguration,
  withLive,
  withNode,
  withView,
  withVm,
} from './healthy.js';

interface Bad {
  readonly id: string;
  readonly name?: string;
  readonly facts: Facts;
  readonly what: RegExp;
  readonly fix?: readonly string[];
  readonly on?: string;
  readonly severity?: Severity;
  /** Nothing is found. */
  readonly none?: true;
}

const failed = { failed: 'it cannot be looked at' };
const corosync = {
  ...{ flags: ['2Node', 'Quorate', 'WaitForAll'], links: [] },
  ...{ expected_votes: 2, total_votes: 2, quorum: 1, votes: { '1': 1, '2': 1 } },
};
const pm2_only = (facts: Facts['nodes'][number]['facts']): Facts => ({
  ...healthy,
  nodes: healthy.nodes.map((one) => (one.name === 'pm2' ? { ...one, facts } : one)),
});
const xen = (minor: number, free_mib = 4096, dom0_fixed = true) => ({
  xen: { ok: { major: 4, minor, free_mib, virt_caps: ['hvm', 'hap'], dom0_fixed } },
});
const members = (more: object) =>
  withLive({
    members: live.members.map((one) => (one.name === 'pm2' ? { ...one, ...more } : one)),
  });
const event = {
  target: 'pm2',
  action: 'reboot',
  status: 'failed',
  completed: '2026-11-23 05:07:42Z',
};
const vmsOf = (more: Partial<Facts['vms'][number]>) => ({ vms: withVm(more).vms });
const without_vm = [{ name: 'Domain-0', domid: 0, mem_mib: 2048, runs: true }];
const peer = (
  kind: 'offline' | 'no-remusd' | 'unreachable' | 'certificate' | 'protocol' | 'older',
) => withView('pm2', { facts: null, problem: { kind, sentence: 'it said so.' } });

const BAD: readonly Bad[] = [
  {
    id: 'remusd-down',
    facts: { ...healthy, daemon: { kind: 'down', sentence: 'it is not running', waits: false } },
    what: /^remusd does not answer on pm1: it is not running\.$/,
    fix: ['systemctl start remusd'],
    on: 'pm1',
  },
  {
    id: 'remusd-down',
    name: 'waits',
    facts: { ...healthy, daemon: { kind: 'down', sentence: 'it waits', waits: true } },
    what: /it waits/,
    fix: ['systemctl start corosync pacemaker'],
  },
  {
    id: 'remusd-other-release',
    facts: { ...healthy, daemon: { kind: 'runs', release: '0.0.9' } },
    what: /than this remusctl \(0\.1\.0\): it is 0\.0\.9\./,
    fix: ['systemctl restart remusd'],
  },
  {
    id: 'remusd-other-release',
    name: 'does not know the question',
    facts: { ...healthy, daemon: { kind: 'older', sentence: 'it does not know it' } },
    what: /it does not know it\.$/,
  },
  {
    id: 'peer-no-remusd',
    facts: peer('no-remusd'),
    what: /does not run on pm2: it said so\.$/,
    fix: ['systemctl start remusd'],
    on: 'pm2',
  },
  { id: 'peer-unreachable', facts: peer('unreachable'), what: /on pm2 cannot be asked/, on: 'pm2' },
  { id: 'peer-certificate', facts: peer('certificate'), what: /address of pm2/, on: 'pm2' },
  { id: 'peer-protocol', facts: peer('protocol'), what: /^it said so\.$/ },
  {
    id: 'peer-older',
    facts: peer('older'),
    what: /pm2 is of a former release/,
    severity: 'warning',
  },
  {
    id: 'release-differs',
    facts: withNode('pm2', { release: '0.2.0' }),
    what: /remusd is 0\.2\.0 on pm2, and 0\.1\.0 on pm1/,
    on: 'pm2',
  },
  {
    id: 'unit-disabled',
    facts: withNode('pm2', { enabled: false }),
    what: /boot on pm2/,
    fix: ['systemctl enable remusd'],
    on: 'pm2',
  },
  {
    id: 'unit-disabled',
    name: 'no systemd',
    facts: withNode('pm2', { enabled: null }),
    what: /./,
    none: true,
  },
  {
    id: 'no-xen',
    facts: withNode('pm2', { xen: failed, domains: failed }),
    what: /^pm2 has no Xen.*looked at\.$/,
    on: 'pm2',
  },
  { id: 'xen-old', facts: withNode('pm2', xen(14)), what: /pm2 has Xen 4\.14/ },
  {
    id: 'xen-differs',
    facts: withNode('pm2', xen(20)),
    what: /^pm1 has Xen 4\.17, and pm2 has 4\.20\.$/,
    on: 'pm1',
    severity: 'warning',
  },
  {
    id: 'kernel-module',
    facts: withNode('pm2', {
      modules: { ifb: true, sch_plug: false, cls_matchall: false, act_mirred: null },
    }),
    what: /^The kernel of pm2 neither has nor can load sch_plug and cls_matchall\.$/,
    fix: ['modprobe -a sch_plug cls_matchall'],
    on: 'pm2',
  },
  {
    id: 'kernel-module',
    name: 'no VM needs any',
    facts: { ...withNode('pm2', { modules: { sch_plug: false } }), ...vmsOf({ netbuf_off: true }) },
    what: /./,
    none: true,
  },
  {
    id: 'kernel-module',
    name: 'one of two VMs needs them',
    facts: {
      ...withNode('pm2', { modules: { sch_plug: false } }),
      vms: [...withVm({ netbuf_off: true }).vms, { ...vm1, resource: 'vm2' }],
    },
    what: /sch_plug/,
  },
  {
    id: 'netbuf-off',
    facts: withVm({ netbuf_off: true }),
    what: /^What vm1 sends is not held until its backup has the checkpoint behind it \(netbuf=off\)\.$/,
    fix: ['crm_resource --resource vm1 --delete-parameter netbuf'],
    severity: 'warning',
  },
  {
    id: 'clock',
    facts: withView('pm2', { clock: { ahead_ms: -3_200, give_ms: 100 } }),
    what: /^The clock of pm2 is 3\.2 s behind that of pm1\.$/,
  },
  {
    id: 'clock',
    name: 'ahead',
    facts: withView('pm2', { clock: { ahead_ms: 90_000, give_ms: 0 } }),
    what: /90\.0 s ahead of/,
  },
  {
    id: 'clock',
    name: 'a slow answer proves nothing',
    facts: withView('pm2', { clock: { ahead_ms: 2_500, give_ms: 900 } }),
    what: /./,
    none: true,
  },
  { id: 'no-ntp', facts: withNode('pm2', { ntp: false }), what: /pm2/, severity: 'note' },
  { id: 'no-ntp', name: 'not known', facts: withNode('pm2', { ntp: null }), what: /./, none: true },
  {
    id: 'left-ifb',
    facts: withNode('pm2', { ifbs: { ok: ['rem99.0', 'rem3.0'] } }),
    what: /^pm2 has the interface rem99\.0, and no domain 99\.$/,
    fix: ['ip link delete rem99.0'],
    on: 'pm2',
  },
  {
    id: 'left-ifb',
    name: 'without the list of domains',
    facts: withNode('pm2', { ifbs: { ok: ['rem99.0'] }, domains: failed }),
    what: /./,
    none: true,
  },
  {
    id: 'left-incoming',
    facts: withNode('pm2', { processes: { ok: [] } }),
    what: /^pm2 has the domain vm1--incoming, which is the replica of no VM that is started there\.$/,
    fix: ['xl destroy vm1--incoming'],
    on: 'pm2',
  },
  {
    id: 'left-incoming',
    name: 'processes not known',
    facts: withNode('pm2', { processes: failed }),
    what: /./,
    none: true,
  },
  {
    id: 'left-process',
    facts: withNode('pm2', {
      processes: { ok: [{ pid: 4711, kind: 'receiver', resource: 'old' }] },
      domains: { ok: without_vm },
    }),
    what: /^pm2 has a process of old \(receiver, 4711\), and old is not started there\.$/,
    fix: ['kill 4711'],
    on: 'pm2',
  },
  {
    id: 'left-registration',
    facts: withNode('pm1', { damaged: ['/run/pacemaker-remus/vms/vm1.json.damaged'] }),
    what: /vm1\.json\.damaged/,
    fix: ['rm /run/pacemaker-remus/vms/vm1.json.damaged'],
  },
  {
    id: 'pacemaker-down',
    facts: withCluster({ live: failed }),
    what: /^pm1: it cannot be looked at\.$/,
    fix: ['systemctl start corosync pacemaker'],
    on: 'pm1',
  },
  { id: 'one-node', facts: withConfiguration({ nodes: ['pm1'] }), what: /no other node than pm1/ },
  {
    id: 'node-offline',
    facts: members({ online: false }),
    what: /^pm2 is offline\.$/,
    on: 'pm2',
    severity: 'warning',
  },
  {
    id: 'node-unclean',
    facts: members({ online: false, unclean: true }),
    what: /^pm2 is unclean/,
    fix: ['stonith_admin --history pm2 --verbose', 'stonith_admin --reboot pm2'],
  },
  {
    id: 'node-offline',
    name: 'unclean is worse',
    facts: members({ online: false, unclean: true }),
    what: /./,
    none: true,
  },
  {
    id: 'node-standby',
    facts: members({ standby: true }),
    what: /pm2 is in standby/,
    fix: ['crm_attribute --node pm2 --name standby --delete'],
  },
  {
    id: 'node-standby',
    name: 'it joins',
    facts: members({ standby: true, pending: true }),
    what: /./,
    none: true,
  },
  {
    id: 'maintenance',
    facts: withLive({ maintenance_mode: true }),
    what: /maintenance/,
    fix: ['crm_attribute --name maintenance-mode --update false'],
  },
  { id: 'no-quorum', facts: withLive({ quorum: false }), what: /pm1 is in a part/ },
  {
    id: 'two-node',
    facts: withCluster({ corosync: { ok: { ...corosync, flags: ['Quorate'] } } }),
    what: /two_node: 1/,
  },
  {
    id: 'wait-for-all',
    facts: withCluster({ corosync: { ok: { ...corosync, flags: ['2Node', 'Quorate'] } } }),
    what: /wait_for_all/,
  },
  {
    id: 'quorum-ignored',
    facts: withConfiguration({ properties: { 'no-quorum-policy': 'ignore' } }),
    what: /ignore/,
    fix: ['crm_attribute --name no-quorum-policy --update stop'],
  },
  {
    id: 'link-down',
    facts: withCluster({
      corosync: { ok: { ...corosync, links: [{ link: '1', nodeid: '2', state: 'disconnected' }] } },
    }),
    what: /link 1 from pm1 to pm2 is disconnected/,
  },
  {
    id: 'fencing-off',
    facts: withLive({ stonith_enabled: false }),
    what: /stonith-enabled is false/,
    fix: ['crm_attribute --name stonith-enabled --update true'],
  },
  {
    id: 'fencing-off',
    name: 'on the disk, without Pacemaker',
    facts: withCluster({
      live: failed,
      configuration: { ok: { ...configuration, properties: { 'stonith-enabled': 'false' } } },
    }),
    what: /stonith-enabled is false/,
  },
  {
    id: 'fencing-no-device',
    facts: withNode('pm1', { can_fence: { pm1: [], pm2: [] } }),
    what: /^No fence device can fence pm2\.$/,
  },
  {
    id: 'fencing-no-device',
    name: 'only by itself',
    facts: {
      ...healthy,
      nodes: [
        view(node('pm1', { can_fence: { pm1: ['fence-pm1'], pm2: ['x'] } })),
        view(node('pm2', { can_fence: { pm1: [], pm2: ['x'] } })),
      ],
    },
    what: /can fence pm1/,
  },
  {
    id: 'fencing-no-device',
    name: 'the peer is not there: by the configuration',
    facts: pm2_only(null),
    what: /./,
    none: true,
  },
  {
    id: 'fencing-no-device',
    name: 'the peer is not there, and nothing is configured',
    facts: {
      ...pm2_only(null),
      cluster: withConfiguration({ devices: [] }).cluster,
      nodes: [view(node('pm1', { can_fence: null })), { ...view(node('pm2')), facts: null }],
    },
    what: /can fence pm1/,
  },
  {
    id: 'fence-device-broken',
    facts: withLive({
      resources: live.resources.map((one) => ({ ...one, failed: one.id === 'fence-pm2' })),
    }),
    what: /^The fence device fence-pm2 has failed\.$/,
    fix: ['crm_resource --cleanup --resource fence-pm2'],
  },
  {
    id: 'fence-device-broken',
    name: 'stopped',
    facts: withLive({ resources: live.resources.map((one) => ({ ...one, role: 'Stopped' })) }),
    what: /fence-pm1 is stopped/,
  },
  {
    id: 'fencing-failed',
    facts: withCluster({
      fence_events: {
        ok: [event, { ...event, status: 'success', completed: '2026-11-22 05:07:42Z' }],
      },
    }),
    what: /fence pm2 has failed \(action reboot, 2026-11-23 05:07:42Z\)/,
    fix: ['stonith_admin --cleanup --history pm2'],
  },
  {
    id: 'fencing-failed',
    name: 'the last one was a success',
    facts: withCluster({
      fence_events: {
        ok: [event, { ...event, status: 'success', completed: '2026-11-23 05:08:00Z' }],
      },
    }),
    what: /./,
    none: true,
  },
  {
    id: 'fencing-untested',
    facts: withCluster({ fence_events: { ok: [{ ...event, target: 'pm1', status: 'success' }] } }),
    what: /^Since the cluster was started nobody has been seen to fence pm2\.$/,
    severity: 'warning',
    fix: ['stonith_admin --reboot pm2'],
  },
  {
    id: 'fencing-untested',
    name: 'it was tried and has failed: another check says so',
    facts: withCluster({ fence_events: { ok: [event, { ...event, target: 'pm1' }] } }),
    what: /./,
    none: true,
  },
  {
    id: 'fence-race',
    facts: withConfiguration({ properties: {} }),
    what: /no delay/,
    severity: 'note',
  },
  {
    id: 'fence-race',
    name: 'a device that waits',
    facts: withConfiguration({
      properties: {},
      devices: configuration.devices.map((one) => ({ ...one, delayed: true })),
    }),
    what: /./,
    none: true,
  },
  {
    id: 'no-priority',
    facts: withVm({ clone: { id: 'vm1-ha', meta: { promotable: 'true' } } }),
    what: /^vm1 has no priority/,
    fix: ['crm_resource --resource vm1-ha --meta --set-parameter priority --parameter-value 1'],
  },
  {
    id: 'no-alert',
    facts: withConfiguration({ alerts: [] }),
    what: /^Pacemaker does not tell remusd of fencing/,
    fix: [
      `cibadmin --modify --allow-create --scope alerts --xml-text '<alert id="remus" path="/usr/share/pacemaker/alerts/alert_remus.sh"> <select> <select_nodes/> <select_fencing/> </select> </alert>'`,
    ],
    severity: 'note',
  },
  {
    id: 'no-alert',
    name: 'not for fencing',
    facts: withConfiguration({
      alerts: [{ id: 'a', path: '/opt/alert_remus.sh', selected: ['nodes'] }],
    }),
    what: /^Pacemaker does not tell remusd of fencing/,
  },
  {
    id: 'no-alert',
    name: 'in another place',
    facts: withConfiguration({
      alerts: [{ id: 'a', path: '/opt/alert_remus.sh', selected: ['nodes', 'fencing'] }],
    }),
    what: /./,
    none: true,
  },
  {
    id: 'constraint-left',
    facts: withConfiguration({
      constraints: [
        { id: 'cli-ban-vm1-ha-on-pm1', resource: 'vm1-ha' },
        { id: 'cli-ban-x', resource: 'x' },
      ],
    }),
    what: /cli-ban-vm1-ha-on-pm1 was left/,
    fix: ['crm_resource --clear --resource vm1-ha'],
  },
  {
    id: 'config-unreadable',
    facts: withNode('pm2', { configs: [{ path: '/etc/xen/vm1.cfg', config: failed }] }),
    what: /^The configuration of vm1 cannot be used on pm2/,
    fix: ['scp /etc/xen/vm1.cfg pm2:/etc/xen/vm1.cfg'],
    on: 'pm1',
  },
  {
    id: 'config-differs',
    facts: withConfig({ digest: 'b' }, 'pm2'),
    what: /^\/etc\/xen\/vm1\.cfg on pm2 is another one than on pm1\.$/,
    fix: ['scp /etc/xen/vm1.cfg pm2:/etc/xen/vm1.cfg'],
    on: 'pm1',
  },
  {
    id: 'config-differs',
    name: 'seen from the backup: the file of the primary counts',
    facts: {
      ...withConfig({ digest: 'b' }, 'pm2'),
      here: 'pm2',
      nodes: [...withConfig({ digest: 'b' }, 'pm2').nodes].reverse(),
    },
    what: /on pm2 is another one than on pm1/,
    on: 'pm1',
  },
  {
    id: 'name-parameter',
    facts: withVm({ name: 'other' }),
    what: /name=other, and \/etc\/xen\/vm1\.cfg says vm1/,
  },
  {
    id: 'name-clash',
    facts: {
      ...healthy,
      nodes: [
        view(
          node('pm1', {
            configs: ['vm1', 'vm2'].map((name) => ({
              path: `/etc/xen/${name}.cfg`,
              config: { ok: config },
            })),
          }),
        ),
      ],
      vms: [vm1, { ...vm1, resource: 'vm2', config_path: '/etc/xen/vm2.cfg' }],
    },
    what: /^The VMs vm1 and vm2 have the same name for Xen, vm1\.$/,
  },
  {
    id: 'two-copies',
    facts: withNode('pm2', {
      domains: { ok: [...without_vm, { name: 'vm1', domid: 9, mem_mib: 512, runs: true }] },
    }),
    what: /^vm1 runs on pm1 and pm2 at the same time\.$/,
  },
  { id: 'pv-guest', facts: withConfig({ type: 'pv' }), what: /vm1 is a PV guest/ },
  {
    id: 'pv-guest',
    name: 'with shadow paging',
    facts: {
      ...withConfig({ type: 'pv' }),
      nodes: [
        view(
          node('pm1', {
            ...{ configs: [{ path: vm1.config_path, config: { ok: { ...config, type: 'pv' } } }] },
            xen: {
              ok: {
                major: 4,
                minor: 17,
                free_mib: 4096,
                virt_caps: ['pv', 'shadow'],
                dom0_fixed: true,
              },
            },
          }),
        ),
      ],
    },
    what: /./,
    none: true,
  },
  { id: 'hvm-guest', facts: withConfig({ type: 'hvm' }), what: /HVM/, severity: 'warning' },
  {
    id: 'disk-ahead',
    facts: withConfig({ disks: ['/dev/vg/vm1,raw,xvda,rw', '/srv/x.iso,,hdc,cdrom'] }),
    what: /^vm1 writes to \/dev\/vg\/vm1, and/,
    fix: ['crm_resource --resource vm1 --set-parameter mode --parameter-value restart'],
    severity: 'error',
  },
  {
    id: 'disk-ahead',
    name: 'on purpose',
    facts: { ...withConfig({ disks: [',raw,xvda,w'] }), ...vmsOf({ unsafe_disks: true }) },
    what: /^vm1 writes to xvda, and/,
    fix: [],
    severity: 'warning',
  },
  {
    id: 'disk-ahead',
    name: 'a file is no resource yet',
    facts: {
      ...withConfig({ disks: ['/dev/vg/vm1,raw,xvda,rw'] }),
      ...vmsOf({ resource: null }),
    },
    what: /^\/etc\/xen\/vm1\.cfg writes to/,
    fix: [],
    severity: 'error',
  },
  {
    id: 'disk-ahead',
    name: 'read only',
    facts: withConfig({ disks: ['/dev/vg/vm1,raw,xvda,ro'] }),
    what: /./,
    none: true,
  },
  {
    id: 'no-bridge',
    facts: withNode('pm2', { bridges: { ok: ['br0'] } }),
    what: /^vm1 needs the bridge xenbr0, which pm2 does not have\.$/,
    fix: ['ip link add xenbr0 type bridge', 'ip link set xenbr0 up'],
    on: 'pm2',
  },
  {
    id: 'no-bridge',
    name: 'the default one of xl.conf',
    facts: {
      ...withConfig({ vifs: ['mac=x'] }),
      nodes: [
        view(
          node('pm1', {
            default_bridge: 'br7',
            configs: [{ path: vm1.config_path, config: { ok: { ...config, vifs: ['mac=x'] } } }],
          }),
        ),
      ],
    },
    what: /br7/,
  },
  {
    id: 'no-bridge',
    name: 'a routed vif',
    facts: withConfig({ vifs: ['ip=10.0.0.1,script=vif-route,bridge=none'] }),
    what: /./,
    none: true,
  },
  {
    id: 'vif-name',
    facts: withConfig({ vifs: ['bridge=xenbr0,vifname=mail0'] }),
    what: /vifname=mail0/,
    fix: ["sed -i 's/,vifname=mail0//' /etc/xen/vm1.cfg"],
  },
  {
    id: 'vif-backend',
    facts: withConfig({ vifs: ['bridge=xenbr0,backend=netdom'] }),
    what: /served by the domain netdom/,
  },
  {
    id: 'vif-backend',
    name: 'nothing is to be held',
    facts: { ...withConfig({ vifs: ['backend=netdom'] }), ...vmsOf({ netbuf_off: true }) },
    what: /./,
    none: true,
  },
  {
    id: 'vif-name',
    name: 'nothing is to be held',
    facts: { ...withConfig({ vifs: ['vifname=mail0'] }), ...vmsOf({ netbuf_off: true }) },
    what: /./,
    none: true,
  },
  {
    id: 'memory',
    facts: withNode('pm2', { ...xen(17, 100), domains: { ok: without_vm } }),
    what: /^pm2 has 100 MiB of memory free, and vm1 would need 534 MiB there\.$/,
    on: 'pm2',
    severity: 'error',
  },
  {
    id: 'memory',
    name: 'dom0 can give some',
    facts: withNode('pm2', { ...xen(17, 100, false), domains: { ok: without_vm } }),
    what: /pm2/,
    severity: 'warning',
  },
  {
    id: 'memory',
    name: 'the replica is there',
    facts: withNode('pm2', xen(17, 100)),
    what: /./,
    none: true,
  },
  {
    id: 'wrong-way',
    facts: withNode('pm1', xen(20)),
    what: /^vm1 runs on pm1, which has a later Xen than pm2\.$/,
    on: 'pm2',
  },
  {
    id: 'no-clone',
    facts: withVm({ clone: null }),
    what: /not in a promotable clone/,
    fix: [
      'crm configure clone vm1-ha vm1 meta promotable=true promoted-max=1 clone-max=2 interleave=true',
    ],
  },
  {
    id: 'no-clone',
    name: 'not promotable',
    facts: withVm({ clone: { id: 'c', meta: { priority: '1' } } }),
    what: /./,
    fix: ['crm_resource --resource c --meta --set-parameter promotable --parameter-value true'],
  },
  {
    id: 'no-clone',
    name: 'a file is no resource yet',
    facts: withVm({ resource: null, clone: null }),
    what: /./,
    none: true,
  },
  { id: 'no-monitor', facts: withVm({ monitored: ['Unpromoted'] }), what: /for the role Promoted/ },
  { id: 'unfenced', facts: withVm({ allow_unfenced: true }), what: /allow_unfenced/ },
];

describe('doctor: checks', () => {
  it('find nothing in a healthy cluster', () => {
    const report = examine(healthy, null);
    assert.deepEqual(report.findings, []);
    assert.deepEqual(report.unchecked, []);
    assert.deepEqual([report.nodes, report.vms], [['pm1', 'pm2'], ['vm1']]);
  });

  it('find nothing wrong before the first VM is added', () => {
    assert.deepEqual(examine({ ...withConfiguration({ vms: [] }), vms: [] }, null).findings, []);
  });

  it('have a bad case each, and names of their own', () => {
    const ids = CHECKS.map(({ id }) => id);
    assert.deepEqual(
      new Set(BAD.filter(({ none }) => none !== true).map(({ id }) => id)),
      new Set(ids),
    );
    assert.equal(new Set(ids).size, ids.length);
  });

  for (const bad of BAD) {
    it(`${bad.id}${bad.name === undefined ? '' : `: ${bad.name}`}`, () => {
      const check = CHECKS.find(({ id }) => id === bad.id);
      assert.ok(check);
      const found = findingsOf(check, bad.facts);
      if (bad.none === true) {
        assert.deepEqual(found, []);
        return;
      }
      const [first] = found;
      assert.ok(first, 'nothing was found');
      assert.match(first.what, bad.what);
      if (bad.fix !== undefined) assert.deepEqual(first.fix, bad.fix);
      if (bad.on !== undefined) assert.equal(first.on, bad.on);
      assert.equal(first.severity, bad.severity ?? check.severity);
      for (const finding of found) wellSaid(finding);
    });
  }

  it('find nothing in what nobody could look at', () => {
    const nothing: Facts = {
      ...healthy,
      cluster: {
        live: { ok: live },
        configuration: failed,
        corosync: failed,
        fence_events: failed,
      },
      nodes: [
        view(
          node('pm1', {
            xen: failed,
            domains: failed,
            bridges: failed,
            ifbs: failed,
            processes: failed,
            started: failed,
            configs: [],
            can_fence: null,
            modules: { ifb: null },
          }),
        ),
      ],
    };
    const report = examine(nothing, null);
    assert.deepEqual(
      report.findings.map(({ id }) => id),
      ['no-xen'],
    );
    assert.equal(report.unchecked.length, 8);
  });

  it('of another VM are left out when one is asked for', () => {
    const facts = { ...healthy, vms: [vm1, { ...vm1, resource: 'vm2', allow_unfenced: true }] };
    assert.ok(examine(facts, null).findings.some(({ vm }) => vm === 'vm2'));
    const report = examine(facts, 'vm1');
    assert.deepEqual([report.vms, report.findings], [['vm1'], []]);
  });

  it('come in the order of their severity, what the others depend on first', () => {
    const facts: Facts = {
      ...withConfiguration({ properties: {}, constraints: [{ id: 'cli-ban-x', resource: 'vm1' }] }),
      daemon: { kind: 'down', sentence: 'it is not running', waits: false },
      nodes: withNode('pm1', { modules: { ifb: false }, ntp: false }).nodes,
    };
    assert.deepEqual(
      examine(facts, null).findings.map(({ id }) => id),
      ['remusd-down', 'kernel-module', 'constraint-left', 'no-ntp', 'fence-race'],
    );
  });
});

/** No word is left open, commands are one line each, sentences end. */
function wellSaid(finding: Finding): void {
  const texts = [finding.what, finding.why, ...finding.fix, finding.advice ?? ''];
  for (const text of texts) assert.doesNotMatch(text, /\{[a-z_]+\}|undefined|null|\n|\.\.$/);
  assert.match(finding.what, /\.$/);
  assert.match(finding.why, /\.$/);
}
