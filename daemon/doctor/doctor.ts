/** The daemon's doctor: answers remusctl, tells a peer about this node, and is what validate-all asks. */
import type { ControlAnswer, ControlRequest } from '../adapters/control-protocol.js';
import { createXl } from '../adapters/xl.js';
import { patient } from '../adapters/patience.js';
import type { Exec } from '../ports.js';
import type { PeerCalls } from '../peer-calls.js';
import type { PeerDirectory } from '../peers.js';
import type { Rooms } from '../rooms.js';
import { ConfigError, type Loaded } from '../vm-config.js';
import type { Check } from './check.js';
import { findingsOf } from './check.js';
import { CHECKS } from './checks.js';
import { collect, type CollectParts } from './collect.js';
import { examine } from './examine.js';
import {
  type ClusterFacts,
  type Facts,
  type FactsRequest,
  labelOf,
  type NodeFacts,
  type VmFacts,
} from './facts.js';
import { gatherBriefly, gatherNode } from './gather-node.js';

/** xl within a time that somebody at a screen waits. */
export const XL_TIMEOUTS = { create_ms: patient(6_000), call_ms: patient(6_000) };
const PEER_MS = patient(15_000);
const FAILED = 1;

export interface DoctorParts {
  readonly node: string;
  readonly release: string;
  readonly rooms: Rooms;
  readonly exec: Exec;
  readonly calls: PeerCalls;
  readonly directory: PeerDirectory;
}

export class Doctor {
  readonly #parts: CollectParts;

  constructor({ node, release, rooms, exec, calls, directory }: DoctorParts) {
    this.#parts = {
      ...{ node, release, rooms, exec, xl: createXl(exec, XL_TIMEOUTS), now: Date.now },
      daemon: { kind: 'runs', release },
      peers: () => directory.all().map((peer) => peer.node),
      ask: (name, request) => calls.call(name, 'facts', request, PEER_MS),
    };
  }

  /** action=doctor, of remusctl. */
  async answer({ resource, options }: ControlRequest): Promise<ControlAnswer> {
    const config = options['config'];
    return diagnosis(this.#parts, resource ?? null, config ?? null);
  }

  /** Everything that the checks look at; for the drill. */
  look(): Promise<Facts> {
    return collect(this.#parts, null);
  }

  /** For a peer. */
  facts(request: FactsRequest): Promise<NodeFacts> {
    return gatherNode(this.#parts, request);
  }

  /** The errors that keep this VM from working. @throws ConfigError the first of them */
  async validate(resource: string, { params }: Loaded, level: number): Promise<void> {
    const vm: VmFacts = {
      ...{ resource, config_path: params.config, name: params.name },
      ...{ allow_unfenced: params.allow_unfenced, unsafe_disks: params.unsafe_disks },
      ...{ netbuf_off: params.netbuf === 'off', restarts: params.mode === 'restart' },
      ...{ clone: null, monitored: [] },
    };
    const facts =
      level < 20
        ? this.#local(vm, await gatherBriefly(this.#parts, params.config))
        : await collect(this.#parts, vm);
    const error = firstError(facts, vm, level);
    if (error !== null) throw error;
  }

  #local(vm: VmFacts, own: NodeFacts): Facts {
    const { node, release, daemon } = this.#parts;
    const here = { name: node, facts: own, problem: null, clock: null };
    return { here: node, release, daemon, cluster: UNASKED, nodes: [here], vms: [vm] };
  }
}

const not_asked = { failed: 'not asked' };
const UNASKED: ClusterFacts = {
  live: not_asked,
  configuration: not_asked,
  corosync: not_asked,
  fence_events: not_asked,
};

/** What validate-all fails with, or null. Exported for tests. */
export function firstError(facts: Facts, vm: VmFacts, level: number): ConfigError | null {
  const label = labelOf(vm);
  const asked = CHECKS.filter(({ id, validate }) => {
    if (validate === undefined || validate.level > level) return false;
    if ((vm.netbuf_off || vm.restarts) && id === 'kernel-module') return false;
    return !(vm.allow_unfenced && id.startsWith('fencing-'));
  });
  for (const check of asked) {
    const found = findingsOf(check, facts).find(
      (one) => one.severity === 'error' && (one.vm === undefined || one.vm === label),
    );
    if (found !== undefined)
      return new ConfigError(rcOf(check), `${found.what} See: remusctl doctor`);
  }
  return null;
}

function rcOf({ validate }: Check): number {
  return validate?.rc ?? FAILED;
}

/** A report as an answer; a VM that is not there is a failure. */
export async function diagnosis(
  parts: CollectParts,
  resource: string | null,
  config: string | null,
): Promise<ControlAnswer> {
  const facts = await collect(parts, config === null ? null : candidate(config));
  const only = resource ?? candidateLabel(facts, config);
  if (only !== null && !facts.vms.some((vm) => labelOf(vm) === only)) {
    const { configuration } = facts.cluster;
    const names = facts.vms.map(labelOf).join(', ');
    const has = names === '' ? 'none' : names;
    const reason =
      'ok' in configuration
        ? `Pacemaker has no VM "${only}" of ocf:xen:remus: it has ${has}; for a file: remusctl doctor --config FILE`
        : `it is not known whether there is a VM "${only}": ${configuration.failed}`;
    return { rc: FAILED, reason };
  }
  return { rc: 0, json: examine(facts, only) };
}

/** A file that is a VM's already is that VM. */
function candidateLabel(facts: Facts, config: string | null): string | null {
  const vm = facts.vms.find(({ config_path }) => config_path === config);
  return vm === undefined ? null : labelOf(vm);
}

function candidate(config_path: string): VmFacts {
  return {
    ...{ resource: null, config_path, name: null },
    ...{ allow_unfenced: false, unsafe_disks: false, netbuf_off: false, restarts: false },
    ...{ clone: null, monitored: [] },
  };
}
