/**
 * What the checks are made of. A node's facts cross the wire between daemons, so they are schemas: a later release may add to
 * them, and what is too long for a frame is refused there.
 */
import type { FenceEvent } from '../fencing.js';
import { z } from 'zod';
import type { Severity } from '../../ctl/doctor.js';

/** Something that could be found out, or the sentence that says why not. */
export type Known<T> = { readonly ok: T } | { readonly failed: string };

/** On the wire. */
export function knownSchema<T>(schema: z.ZodType<T>): z.ZodType<Known<T>> {
  return z.union([z.object({ ok: schema }), z.object({ failed: z.string() })]);
}

/** The value, or null when it is not known. */
export function value<T>(fact: Known<T>): T | null {
  return 'ok' in fact ? fact.ok : null;
}

/** The reason why it is not known, or null. */
export function failure(fact: Known<unknown>): string | null {
  return 'failed' in fact ? fact.failed : null;
}

/** What holding a guest's output needs of dom0's kernel. */
export const MODULES = ['ifb', 'sch_plug', 'sch_ingress', 'act_mirred', 'cls_matchall'] as const;

/** What a request for a node's facts asks for. */
export const factsRequest = z.object({
  /** Domain configuration files. */
  configs: z.array(z.string().max(4_096)).max(256),
  /** Which nodes could be fenced from there? */
  targets: z.array(z.string().max(255)).max(64),
});
export type FactsRequest = z.infer<typeof factsRequest>;

const config = z.object({
  name: z.string(),
  type: z.enum(['pv', 'pvh', 'hvm']),
  memory_mib: z.number(),
  /** As the file has them. */
  vifs: z.array(z.string()),
  disks: z.array(z.string()),
  digest: z.string(),
});
export type ConfigFacts = z.infer<typeof config>;

const xen = z.object({
  major: z.number(),
  minor: z.number(),
  free_mib: z.number(),
  virt_caps: z.array(z.string()),
  /** dom0 has a fixed size (dom0_mem): it gives no memory to guests. */
  dom0_fixed: z.boolean(),
});

const domain = z.object({
  name: z.string(),
  domid: z.number(),
  mem_mib: z.number(),
  /** It executes guest code: neither paused nor suspended nor at its end. */
  runs: z.boolean(),
});
export type DomainFacts = z.infer<typeof domain>;

const stray = z.object({
  pid: z.number(),
  /** For people: sender, receiver, xl remus, xl migrate-receive. */
  kind: z.string(),
  /** The VM by its name in Pacemaker. */
  resource: z.string(),
});

/** What a node says of itself. */
export const nodeFacts = z.object({
  node: z.string(),
  release: z.string(),
  /** Its wall clock when the request came and when the answer went, milliseconds since 1970. */
  received_ms: z.number(),
  sent_ms: z.number(),
  xen: knownSchema(xen),
  domains: knownSchema(z.array(domain)),
  /** By name: whether the running kernel has or can load it; null when nobody can tell. */
  modules: z.record(z.string(), z.boolean().nullable()),
  bridges: knownSchema(z.array(z.string())),
  /** Our ifbs, e.g. rem7.0. */
  ifbs: knownSchema(z.array(z.string())),
  /** vif.default.bridge of xl.conf. */
  default_bridge: z.string().nullable(),
  /** Our data processes. */
  processes: knownSchema(z.array(stray)),
  /** The VMs that are started there. */
  started: knownSchema(z.array(z.object({ resource: z.string(), domain: z.string() }))),
  /** Registrations that could not be read and were set aside. */
  damaged: z.array(z.string()),
  configs: z.array(z.object({ path: z.string(), config: knownSchema(config) })),
  /** Whether its clock is kept by NTP; null when nobody can tell. */
  ntp: z.boolean().nullable(),
  /** remusd.service is started at boot; null when there is no such unit. */
  enabled: z.boolean().nullable(),
  /** By target: the devices with which it could be fenced from there; null when that cannot be told. */
  can_fence: z.record(z.string(), z.array(z.string())).nullable(),
});
export type NodeFacts = z.infer<typeof nodeFacts>;

/** Why a node's facts are not there. */
export type NodeProblem =
  | 'offline'
  | 'no-remusd' // it has published no address
  | 'unreachable'
  | 'certificate'
  | 'protocol' // it speaks another version of the control protocol
  | 'older' // it does not know the question
  | 'unasked'; // we have nobody to ask it

/** One node of the cluster, as far as it is known. */
export interface NodeView {
  readonly name: string;
  readonly facts: NodeFacts | null;
  readonly problem: { readonly kind: NodeProblem; readonly sentence: string } | null;
  /** How far its clock is ahead of ours, and how sure that is, milliseconds. */
  readonly clock: { readonly ahead_ms: number; readonly give_ms: number } | null;
}

/** A node as Pacemaker and corosync see it. */
export interface MemberFacts {
  readonly name: string;
  /** Corosync's nodeid. */
  readonly id: string;
  readonly online: boolean;
  readonly unclean: boolean;
  readonly standby: boolean;
  readonly maintenance: boolean;
  readonly pending: boolean;
}

export interface ResourceState {
  readonly id: string;
  /** e.g. stonith:fence_ipmilan */
  readonly agent: string;
  readonly role: string;
  readonly failed: boolean;
  /** Pacemaker starts, stops and moves it. */
  readonly managed: boolean;
  readonly nodes: readonly string[];
}

export interface FenceDevice {
  readonly id: string;
  /** pcmk_host_list and pcmk_host_map; null: the device itself knows. */
  readonly targets: readonly string[] | null;
  /** It waits before it fences: in a partition one node wins. */
  readonly delayed: boolean;
}

/** A VM as Pacemaker has it, or a configuration file that is to become one. */
export interface VmFacts {
  /** Null for a file. */
  readonly resource: string | null;
  readonly config_path: string;
  readonly name: string | null;
  readonly allow_unfenced: boolean;
  readonly unsafe_disks: boolean;
  /** What it sends is not held. */
  readonly netbuf_off: boolean;
  /** mode=restart: no replica is kept. */
  readonly restarts: boolean;
  /** The clone around it, with its meta attributes. */
  readonly clone: { readonly id: string; readonly meta: Readonly<Record<string, string>> } | null;
  /** The roles that have a recurring monitor. */
  readonly monitored: readonly string[];
}

export interface CorosyncFacts {
  /** 2Node, WaitForAll, Quorate, ... */
  readonly flags: readonly string[];
  readonly expected_votes: number;
  /** What there is now, and what is needed. */
  readonly total_votes: number;
  readonly quorum: number;
  /** The votes of each member, by corosync's nodeid. */
  readonly votes: Readonly<Record<string, number>>;
  readonly links: readonly {
    readonly link: string;
    readonly nodeid: string;
    readonly state: string;
  }[];
}

export interface LiveFacts {
  readonly members: readonly MemberFacts[];
  readonly quorum: boolean;
  readonly stonith_enabled: boolean;
  readonly maintenance_mode: boolean;
  readonly resources: readonly ResourceState[];
}

export interface ConfigurationFacts {
  /** Cluster properties that are set. */
  readonly properties: Readonly<Record<string, string>>;
  readonly nodes: readonly string[];
  readonly devices: readonly FenceDevice[];
  readonly vms: readonly VmFacts[];
  /** Left by "crm_resource --move" and its like. */
  readonly constraints: readonly { readonly id: string; readonly resource: string }[];
  readonly alerts: readonly AlertFacts[];
}

/** An alert of Pacemaker's. */
export interface AlertFacts {
  readonly id: string;
  /** The agent. */
  readonly path: string;
  /** nodes, fencing, resources, attributes: what it is called for. */
  readonly selected: readonly string[];
}

export interface ClusterFacts {
  /** Fails when Pacemaker does not run here. */
  readonly live: Known<LiveFacts>;
  /** From the running cluster, or else from the disk. */
  readonly configuration: Known<ConfigurationFacts>;
  readonly corosync: Known<CorosyncFacts>;
  readonly fence_events: Known<readonly FenceEvent[]>;
}

export type DaemonFacts =
  | { readonly kind: 'runs'; readonly release: string }
  /** waits: its process is there, and waits for the cluster. */
  | { readonly kind: 'down'; readonly sentence: string; readonly waits: boolean }
  /** It runs, and does not know the question. */
  | { readonly kind: 'older'; readonly sentence: string };

/** Everything a check may look at. */
export interface Facts {
  /** This node. */
  readonly here: string;
  /** Of the program that looks. */
  readonly release: string;
  readonly daemon: DaemonFacts;
  readonly cluster: ClusterFacts;
  /** This node first. */
  readonly nodes: readonly NodeView[];
  readonly vms: readonly VmFacts[];
}

/** How a VM is called: by its resource, or its file. */
export function labelOf(vm: VmFacts): string {
  return vm.resource ?? vm.config_path;
}

export type { Severity };
