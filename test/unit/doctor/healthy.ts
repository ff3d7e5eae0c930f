/** Facts of a healthy cluster with a protected VM, for tests to spoil. */
import type { FenceEvent } from '../../../daemon/fencing.js';
import type {
  ClusterFacts,
  ConfigFacts,
  ConfigurationFacts,
  Facts,
  Known,
  LiveFacts,
  NodeFacts,
  NodeView,
  VmFacts,
} from '../../../daemon/doctor/facts.js';

export const config: ConfigFacts = {
  name: 'vm1',
  type: 'pvh',
  memory_mib: 512,
  vifs: ['mac=00:16:3e:77:02:32,bridge=xenbr0'],
  disks: [],
  digest: 'a'.repeat(64),
};

export const vm1: VmFacts = {
  resource: 'vm1',
  config_path: '/etc/xen/vm1.cfg',
  name: null,
  allow_unfenced: false,
  unsafe_disks: false,
  netbuf_off: false,
  restarts: false,
  clone: { id: 'vm1-ha', meta: { promotable: 'true', 'promoted-max': '1', priority: '10' } },
  monitored: ['Promoted', 'Unpromoted'],
};

const dom0 = { name: 'Domain-0', domid: 0, mem_mib: 2048, runs: true };

export function node(name: string, more: Partial<NodeFacts> = {}): NodeFacts {
  const primary = name === 'pm1';
  const other = primary ? 'pm2' : 'pm1';
  return {
    node: name,
    release: '0.1.0',
    received_ms: 1_000,
    sent_ms: 1_100,
    xen: {
      ok: {
        major: 4,
        minor: 17,
        free_mib: 4096,
        virt_caps: ['pv', 'hvm', 'hap'],
        dom0_fixed: true,
      },
    },
    domains: {
      ok: [
        dom0,
        primary
          ? { name: 'vm1', domid: 7, mem_mib: 512, runs: true }
          : { name: 'vm1--incoming', domid: 3, mem_mib: 512, runs: false },
      ],
    },
    modules: { ifb: true, sch_plug: true, sch_ingress: true, act_mirred: true, cls_matchall: true },
    bridges: { ok: ['xenbr0'] },
    ifbs: { ok: primary ? ['rem7.0'] : [] },
    default_bridge: null,
    processes: {
      ok: primary
        ? [
            { pid: 100, kind: 'xl remus', resource: 'vm1' },
            { pid: 101, kind: 'sender', resource: 'vm1' },
          ]
        : [{ pid: 200, kind: 'receiver', resource: 'vm1' }],
    },
    started: { ok: [{ resource: 'vm1', domain: 'vm1' }] },
    damaged: [],
    configs: [{ path: '/etc/xen/vm1.cfg', config: { ok: config } }],
    ntp: true,
    enabled: true,
    can_fence: { [name]: [], [other]: [`fence-${other}`] },
    ...more,
  };
}

export function view(facts: NodeFacts, more: Partial<NodeView> = {}): NodeView {
  return { name: facts.node, facts, problem: null, clock: { ahead_ms: 5, give_ms: 2 }, ...more };
}

const member = {
  ...{ unclean: false, standby: false, maintenance: false, pending: false, online: true },
};

export const live: LiveFacts = {
  members: [
    { name: 'pm1', id: '1', ...member },
    { name: 'pm2', id: '2', ...member },
  ],
  quorum: true,
  stonith_enabled: true,
  maintenance_mode: false,
  resources: [
    {
      id: 'fence-pm1',
      agent: 'stonith:fence_ipmilan',
      role: 'Started',
      failed: false,
      managed: true,
      nodes: ['pm2'],
    },
    {
      id: 'fence-pm2',
      agent: 'stonith:fence_ipmilan',
      role: 'Started',
      failed: false,
      managed: true,
      nodes: ['pm1'],
    },
  ],
};

export const configuration: ConfigurationFacts = {
  properties: { 'stonith-enabled': 'true', 'priority-fencing-delay': '5s' },
  nodes: ['pm1', 'pm2'],
  devices: [
    { id: 'fence-pm1', targets: ['pm1'], delayed: false },
    { id: 'fence-pm2', targets: ['pm2'], delayed: false },
  ],
  vms: [vm1],
  constraints: [],
  alerts: [
    {
      id: 'remus',
      path: '/usr/share/pacemaker/alerts/alert_remus.sh',
      selected: ['nodes', 'fencing'],
    },
  ],
};

function fenced(target: string): FenceEvent {
  return { target, action: 'reboot', status: 'success', completed: '2026-11-21 09:00:00Z' };
}

const cluster: ClusterFacts = {
  live: { ok: live },
  configuration: { ok: configuration },
  corosync: {
    ok: {
      flags: ['2Node', 'Quorate', 'WaitForAll'],
      ...{ expected_votes: 2, total_votes: 2, quorum: 1, votes: { '1': 1, '2': 1 } },
      links: [{ link: '0', nodeid: '2', state: 'connected' }],
    },
  },
  fence_events: { ok: ['pm1', 'pm2'].map(fenced) },
};

export const healthy: Facts = {
  here: 'pm1',
  release: '0.1.0',
  daemon: { kind: 'runs', release: '0.1.0' },
  cluster,
  nodes: [view(node('pm1')), view(node('pm2'))],
  vms: [vm1],
};

/** With another pm1 or pm2. */
export function withNode(name: string, more: Partial<NodeFacts>): Facts {
  const nodes = healthy.nodes.map((one) => (one.name === name ? view(node(name, more)) : one));
  return { ...healthy, nodes };
}

export function withView(name: string, more: Partial<NodeView>): Facts {
  const nodes = healthy.nodes.map((one) => (one.name === name ? { ...one, ...more } : one));
  return { ...healthy, nodes };
}

export function withCluster(more: Partial<ClusterFacts>): Facts {
  return { ...healthy, cluster: { ...cluster, ...more } };
}

export function withLive(more: Partial<LiveFacts>): Facts {
  return withCluster({ live: { ok: { ...live, ...more } } });
}

export function withConfiguration(more: Partial<ConfigurationFacts>): Facts {
  return withCluster({ configuration: { ok: { ...configuration, ...more } } });
}

/** The VM's configuration, on one node or on both. */
export function withConfig(more: Partial<ConfigFacts>, ...names: readonly string[]): Facts {
  const found: Known<ConfigFacts> = { ok: { ...config, ...more } };
  const configs = [{ path: '/etc/xen/vm1.cfg', config: found }];
  const nodes = healthy.nodes.map((one) =>
    names.length > 0 && !names.includes(one.name) ? one : view(node(one.name, { configs })),
  );
  return { ...healthy, nodes };
}

export function withVm(more: Partial<VmFacts>): Facts {
  return { ...healthy, vms: [{ ...vm1, ...more }] };
}
