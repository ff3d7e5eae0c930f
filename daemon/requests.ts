/** What comes over the control socket: Pacemaker's actions by the agent, the operator's by remusctl. */
import type { Status } from '../ctl/status.js';
import type { ControlAnswer, ControlRequest } from './adapters/control-protocol.js';
import type { ControlHandler } from './adapters/control-socket.js';
import { sentenceOf } from './adapters/errors.js';
import { parseRecord } from './core/record.js';
import { OCF } from './core/ocf.js';
import type { OpRef, VmConfig } from './core/state.js';
import type { Event } from './core/event.js';
import type { Doctor } from './doctor/doctor.js';
import type { Answer } from './driver.js';
import type { RemusNode } from './node.js';
import type { PeerCalls } from './peer-calls.js';
import type { History } from './adapters/store.js';
import { historyAnswer } from './history-view.js';
import type { ClusterView } from './cluster-view.js';
import type { PeerDirectory } from './peers.js';
import type { Cluster, ClusterNode, Clock, Xl } from './ports.js';
import { roleOf } from './status-view.js';
import {
  ConfigError,
  fallbackConfig,
  type Loaded,
  loadVm,
  requireReplicable,
} from './vm-config.js';

/** Exit code of an operator's command that was refused. */
const REFUSED = 3;
const USAGE = 2;
const DEFAULT_TIMEOUT_MS = 60_000;
/** For a peer's answer that comes at its own deadline. */
const ANSWER_MS = 3_000;

export interface RequestParts {
  readonly node: RemusNode;
  readonly cluster: Cluster;
  readonly xl: Xl;
  readonly clock: Clock;
  readonly calls: PeerCalls;
  readonly directory: PeerDirectory;
  readonly view: Pick<ClusterView, 'look'>;
  readonly history: Pick<History, 'newest'>;
  readonly release: string;
  /** Settles when every VM of a former daemon has been taken over. */
  readonly recovered: Promise<void>;
  /** Reads the parameters and the configuration file. */
  readonly load?: typeof loadVm;
  readonly doctor?: Doctor;
}

type Progress = (text: string) => void;
type Handler = (request: ControlRequest, progress: Progress) => Promise<ControlAnswer>;

export class Requests {
  readonly #parts: RequestParts;
  readonly #load: typeof loadVm;
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor(parts: RequestParts) {
    this.#parts = parts;
    this.#load = parts.load ?? loadVm;
    const vm = (make: VmAction) => (request: ControlRequest, progress: Progress) =>
      this.#onVm(request, progress, make);
    this.#handlers = new Map<string, Handler>([
      ['start', (request, progress) => this.#start(request, progress)],
      ['stop', vm((op, config) => ({ type: 'op-stop', op, config }))],
      ['promote', vm((op) => ({ type: 'op-promote', op }))],
      ['demote', vm((op) => ({ type: 'op-demote', op }))],
      ['monitor', (request, progress) => this.#monitor(request, progress)],
      ['validate-all', (request) => this.#validate(request)],
      ['reload-agent', (request) => this.#reload(request)],
      ['reload', (request) => this.#reload(request)],
      ['status', () => this.#status()],
      ['history', (request) => this.#history(request)],
      ['ping', () => Promise.resolve({ rc: OCF.SUCCESS })],
      ['switchover', (request, progress) => this.#switchover(request, progress)],
      ['pause', (request, progress) => this.#replication('pause', request, progress)],
      ['resume', (request, progress) => this.#replication('resume', request, progress)],
      ['failover', (request, progress) => this.#failover(request, progress)],
      ['doctor', (request) => this.#doctor(request)],
    ]);
  }

  readonly handle: ControlHandler = async (request, progress) => {
    const handler = this.#handlers.get(request.action);
    if (handler === undefined) {
      return {
        rc: OCF.ERR_UNIMPLEMENTED,
        reason: `this remusd does not know the action ${request.action}`,
      };
    }
    if (!AT_ONCE.has(request.action)) await this.#parts.recovered;
    try {
      return await handler(request, progress);
    } catch (error) {
      const rc = error instanceof ConfigError ? error.rc : OCF.ERR_GENERIC;
      return { rc, reason: sentenceOf(error) };
    }
  };

  async #onVm(request: ControlRequest, progress: Progress, make: VmAction): Promise<ControlAnswer> {
    const vm = this.#parts.node.vm(resourceOf(request));
    vm.checkStillOurs();
    const config = vm.driver.state.config ?? (await configOrFallback(request, this.#load));
    return this.#ask(request, progress, (op) => make(op, config, request));
  }

  async #monitor(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const answer = await this.#onVm(request, progress, (op, config, { probe }) => ({
      type: 'op-monitor',
      op,
      config,
      probe,
    }));
    const { node } = this.#parts;
    if (!request.probe) node.monitored(resourceOf(request), answer.rc);
    else if (answer.rc === OCF.RUNNING_PROMOTED) await node.scoreKnown(resourceOf(request));
    return answer;
  }

  async #ask(
    request: ControlRequest,
    progress: Progress,
    make: (op: OpRef) => Event,
  ): Promise<ControlAnswer> {
    const vm = this.#parts.node.vm(resourceOf(request));
    vm.checkStillOurs();
    const timeout_ms = request.timeout_ms ?? DEFAULT_TIMEOUT_MS;
    return asAnswer(await vm.driver.request(make, timeout_ms, progress));
  }

  async #start(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const loaded = await this.#load(resourceOf(request), request.params);
    await this.#requireReplicable(loaded);
    await this.#requireFencing(loaded.params.allow_unfenced);
    const make = (op: OpRef): Event => ({ type: 'op-start', op, config: loaded.config });
    return this.#ask(request, progress, make);
  }

  async #requireReplicable(loaded: Loaded): Promise<void> {
    if (loaded.xl.type === 'pv') requireReplicable(loaded, (await this.#parts.xl.info()).virt_caps);
  }

  async #requireFencing(allow_unfenced: boolean): Promise<void> {
    if (allow_unfenced || (await this.#parts.cluster.status()).stonith_enabled) return;
    throw new ConfigError(
      OCF.ERR_CONFIGURED,
      'fencing is off, two copies could run: set stonith-enabled=true, with fence devices (experiments: allow_unfenced=true)',
    );
  }

  async #reload(request: ControlRequest): Promise<ControlAnswer> {
    const { config } = await this.#load(resourceOf(request), request.params);
    if (this.#parts.node.known(config.resource) === null) {
      return { rc: OCF.NOT_RUNNING, reason: `${config.resource} is not started here` };
    }
    return this.#ask(
      request,
      () => undefined,
      (op) => ({ type: 'op-reload', op, config }),
    );
  }

  async #validate(request: ControlRequest): Promise<ControlAnswer> {
    const loaded = await this.#load(resourceOf(request), request.params);
    await this.#requireReplicable(loaded);
    if (request.check_level < 10) return { rc: OCF.SUCCESS };
    await this.#requireFencing(loaded.params.allow_unfenced);
    await this.#parts.doctor?.validate(resourceOf(request), loaded, request.check_level);
    return { rc: OCF.SUCCESS };
  }

  async #doctor(request: ControlRequest): Promise<ControlAnswer> {
    const { doctor } = this.#parts;
    return doctor === undefined ? { rc: OCF.ERR_UNIMPLEMENTED } : doctor.answer(request);
  }

  async #status(): Promise<ControlAnswer> {
    const { node, release } = this.#parts;
    const status: Status = {
      node: node.name,
      release,
      ...(await this.#parts.view.look()),
      vms: node.statuses(),
    };
    return { rc: 0, json: status };
  }

  #history(request: ControlRequest): Promise<ControlAnswer> {
    const { node, history, calls } = this.#parts;
    const others = async (): Promise<readonly { name: string; online: boolean }[]> => {
      try {
        return await this.#others();
      } catch {
        // Pacemaker does not say who is there: then those that it has named before are asked.
        const known = this.#parts.directory.all().filter((peer) => peer.node !== node.name);
        return known.map((peer) => ({ name: peer.node, online: true }));
      }
    };
    const parts = { node: node.name, history, calls, others };
    return historyAnswer(parts, request, resourceOf(request));
  }

  async #others(): Promise<readonly ClusterNode[]> {
    const { cluster, node } = this.#parts;
    return (await cluster.status()).nodes.filter((one) => one.name !== node.name);
  }

  /** On the node that runs the VM it is done here; from its backup the primary is asked. */
  async #switchover(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    const vm = this.#parts.node.known(resource);
    if (vm === null) return unknownVm(resource, this.#parts.node.name);
    const to = request.options['to'] ?? null;
    const { phase } = vm.driver.state;
    if (phase.kind !== 'replica') {
      return this.#ask(request, progress, (op) => ({ type: 'op-switchover', op, to }));
    }
    const timeout_ms = request.timeout_ms ?? DEFAULT_TIMEOUT_MS;
    progress(`asking remusd on ${phase.from}, where ${resource} runs`);
    const json = await this.#parts.calls.call(
      phase.from,
      'switchover',
      { resource, to, timeout_ms },
      timeout_ms,
    );
    return { rc: 0, json };
  }

  /** Like a switchover; but a paused VM's backup holds no replica: then the record says where it runs. */
  async #replication(
    action: 'pause' | 'resume',
    request: ControlRequest,
    progress: Progress,
  ): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    const { node, calls } = this.#parts;
    const vm = node.known(resource);
    if (vm === null) return unknownVm(resource, node.name);
    const { phase } = vm.driver.state;
    if (roleOf(phase) !== 'backup' || phase.kind === 'promoting') {
      return this.#ask(request, progress, (op) => ({ type: `op-${action}`, op }));
    }
    const from = phase.kind === 'replica' ? phase.from : await this.#primaryOf(resource);
    if (from === null) {
      const reason = `${resource} does not run anywhere, as far as its record says; see "crm_mon -1A"`;
      return { rc: REFUSED, reason };
    }
    const timeout_ms = request.timeout_ms ?? DEFAULT_TIMEOUT_MS;
    progress(`asking remusd on ${from}, where ${resource} runs`);
    const asked = { resource, timeout_ms };
    return { rc: 0, json: await calls.call(from, action, asked, timeout_ms + ANSWER_MS) };
  }

  async #failover(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    if (request.options['force'] !== '1') {
      return { rc: USAGE, reason: 'a failover fences the node that runs the VM: say --force' };
    }
    const vm = this.#parts.node.known(resource);
    if (vm === null) return unknownVm(resource, this.#parts.node.name);
    const { phase } = vm.driver.state;
    if (phase.kind !== 'replica' && phase.kind !== 'idle') {
      const reason = `${resource} is on ${this.#parts.node.name} itself (${phase.kind}), and a failover fences its node: type it on the other node`;
      return { rc: REFUSED, reason };
    }
    const from = await this.#primaryOf(resource);
    if (from === null)
      return { rc: REFUSED, reason: `no record says where ${resource} runs; see "crm_mon -1A"` };
    return this.#fence(request, resource, from, progress);
  }

  async #primaryOf(resource: string): Promise<string | null> {
    const record = parseRecord(await this.#parts.cluster.readRecord(resource, 'dc'));
    return record?.primary === this.#parts.node.name ? null : (record?.primary ?? null);
  }

  async #fence(
    request: ControlRequest,
    resource: string,
    from: string,
    progress: Progress,
  ): Promise<ControlAnswer> {
    const { node, cluster, clock } = this.#parts;
    const began_ms = clock.now_ms();
    const timeout_ms = request.timeout_ms ?? DEFAULT_TIMEOUT_MS;
    progress(`fencing ${from}`);
    await cluster.fence(from);
    progress(`${from} is fenced; waiting for Pacemaker to promote ${resource} here`);
    const here = (): boolean => node.known(resource)?.driver.state.phase.kind === 'primary';
    await node.until(
      here,
      Math.max(1_000, timeout_ms - (clock.now_ms() - began_ms)),
      `${from} is fenced, but Pacemaker has not promoted ${resource} on ${node.name}: see "crm_mon -1Arf"`,
    );
    const interruption_ms = Math.round(clock.now_ms() - began_ms);
    return { rc: 0, json: { from, to: node.name, interruption_ms } };
  }
}

/** What must be answered also when a former daemon's VMs cannot be taken over. */
const AT_ONCE: ReadonlySet<string> = new Set(['ping', 'doctor']);

type VmAction = (op: OpRef, config: VmConfig, request: ControlRequest) => Event;

function resourceOf(request: ControlRequest): string {
  if (request.resource !== undefined) return request.resource;
  throw new ConfigError(OCF.ERR_ARGS, `the action ${request.action} needs a resource`);
}

/** Stop, demote and monitor must work with a configuration that cannot be read any more. */
async function configOrFallback(request: ControlRequest, load: typeof loadVm): Promise<VmConfig> {
  try {
    return (await load(resourceOf(request), request.params)).config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return fallbackConfig(resourceOf(request), request.params);
  }
}

function unknownVm(resource: string, node: string): ControlAnswer {
  return {
    rc: REFUSED,
    reason: `${resource} is not started on ${node}; "remusctl status" lists the VMs`,
  };
}

function asAnswer({ rc, reason, data }: Answer): ControlAnswer {
  return {
    rc,
    ...(reason === null ? {} : { reason }),
    ...(data === undefined ? {} : { json: data }),
  };
}
