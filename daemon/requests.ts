/** What comes over the control socket: Pacemaker's actions by the agent, the operator's by remusctl. */
import { HISTORY_LIMIT } from '../ctl/history.js';
import type { Status } from '../ctl/status.js';
import {
  SAME_RELEASE,
  type ControlAnswer,
  type ControlRequest,
} from './adapters/control-protocol.js';
import type { ControlHandler } from './adapters/control-socket.js';
import { sentenceOf } from './adapters/errors.js';
import { OCF, REFUSED } from './core/ocf.js';
import type { OpRef, VmConfig } from './core/state.js';
import type { Event } from './core/event.js';
import type { Doctor } from './doctor/doctor.js';
import type { Answer } from './driver.js';
import type { RemusNode } from './node.js';
import { pauseAsked, pauseOf, whoAsks } from './pause-request.js';
import { type PeerCalls, wasRefused } from './peer-calls.js';
import type { History } from './adapters/store.js';
import type { Driller } from './drill/drill.js';
import type { Foreseer } from './foresight.js';
import type { LiveDumps } from './live-dump.js';
import { historyAnswer, type HistoryParts, interruptionsIn, wholeHistory } from './history-view.js';
import type { ClusterView } from './cluster-view.js';
import type { PeerDirectory } from './peers.js';
import type { Cluster, ClusterNode, Clock, Xl } from './ports.js';
import {
  ConfigError,
  fallbackConfig,
  type Loaded,
  loadVm,
  refusalOfDisks,
  requireReplicable,
} from './vm-config.js';
import { newParameters, notTaken, Superseded, withProblem } from './new-parameters.js';
import { failoverFrom, whereItRuns } from './whereabouts.js';

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
  readonly foreseer?: Foreseer;
  readonly driller?: Pick<Driller, 'drill'>;
  readonly dumps?: Pick<LiveDumps, 'answer'>;
}

type Progress = (text: string) => void;
type Handler = (
  request: ControlRequest,
  progress: Progress,
  abandoned: AbortSignal,
  item: (item: unknown) => void,
) => Promise<ControlAnswer>;

/** Pacemaker takes "not configured" of one node for all: it would stop the VM where it runs. */
function forPacemaker({ action }: ControlRequest, rc: number): number {
  return rc === OCF.ERR_CONFIGURED && action !== 'validate-all' ? OCF.ERR_ARGS : rc;
}

export class Requests {
  readonly #parts: RequestParts;
  readonly #load: typeof loadVm;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #superseded: Superseded;

  constructor(parts: RequestParts) {
    this.#parts = parts;
    this.#superseded = new Superseded(parts.clock);
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
      ['pause', (request, progress) => this.#pause('pause', request, progress)],
      // An action of its own, for the other node, too: a daemon that does not know it would pause for good.
      ['pause-for', (request, progress) => this.#pause('pause-for', request, progress)],
      ['resume', (request, progress) => this.#resume(request, progress)],
      ['resync', (request, progress) => this.#resync(request, progress)],
      ['failover', (request, progress) => this.#failover(request, progress)],
      ['foresee-switchover', (request) => this.#foreseeSwitchover(request)],
      ['foresee-resync', (request) => this.#foreseeResync(request)],
      ['foresee-failover', (request) => this.#foreseeFailover(request)],
      ['drill', (request, progress) => this.#drill(request, progress)],
      ['doctor', (request) => this.#doctor(request)],
      ['dump', (...asked) => this.#dump(...asked)],
    ]);
  }

  readonly handle: ControlHandler = async (request, progress, abandoned, item = NOBODY) => {
    const handler = this.#handlers.get(request.action);
    if (handler === undefined) {
      return {
        rc: OCF.ERR_UNIMPLEMENTED,
        reason: `this remusd does not know the action ${request.action}; ${SAME_RELEASE}`,
      };
    }
    if (!AT_ONCE.has(request.action)) await this.#parts.recovered;
    try {
      return await handler(request, progress, abandoned, item);
    } catch (error) {
      const rc = error instanceof ConfigError ? forPacemaker(request, error.rc) : OCF.ERR_GENERIC;
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
    if (request.probe) {
      if (answer.rc === OCF.RUNNING_PROMOTED) await node.scoreKnown(resourceOf(request));
      return answer;
    }
    const told = withProblem(answer, await this.#takeNewParameters(request));
    node.monitored(resourceOf(request), told.rc, request.alone);
    return told;
  }

  /** @returns what is wrong with them */
  async #takeNewParameters(request: ControlRequest): Promise<string | null> {
    const current = this.#parts.node.known(resourceOf(request))?.driver.state.config ?? null;
    const { config, problem } = newParameters(current, request.params);
    if (config !== null && !this.#superseded.has(resourceOf(request), config))
      await this.#reloadTo(request, config);
    return problem;
  }

  #reloadTo(request: ControlRequest, config: VmConfig): Promise<ControlAnswer> {
    return this.#ask(
      request,
      () => undefined,
      (op) => ({ type: 'op-reload', op, config }),
    );
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
    const refusal = refusalOfDisks(loaded);
    if (refusal !== null && !(await this.#runsAlready(loaded.config))) throw refusal;
    await this.#requireFencing(loaded.params.allow_unfenced);
    const make = (op: OpRef): Event => ({ type: 'op-start', op, config: loaded.config });
    return this.#ask(request, progress, make);
  }

  async #requireReplicable(loaded: Loaded): Promise<void> {
    if (loaded.xl.type === 'pv') requireReplicable(loaded, (await this.#parts.xl.info()).virt_caps);
  }

  /** Then it is nobody's to refuse: the start of its replica's node after an upgrade, or one where its domain is. */
  async #runsAlready({ resource, domain }: VmConfig): Promise<boolean> {
    const { xl, cluster } = this.#parts;
    if ((await xl.list()).some(({ name }) => name === domain)) return true;
    return (await cluster.promotedOn(resource)).length > 0;
  }

  async #requireFencing(allow_unfenced: boolean): Promise<void> {
    if (allow_unfenced || (await this.#parts.cluster.status()).stonith_enabled) return;
    throw new ConfigError(
      OCF.ERR_ARGS,
      'fencing is off, two copies could run: set stonith-enabled=true, with fence devices (experiments: allow_unfenced=true)',
    );
  }

  async #reload(request: ControlRequest): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    if (this.#parts.node.known(resource) === null)
      return {
        rc: OCF.NOT_RUNNING,
        reason: `${resource} is not started on ${this.#parts.node.name}; type: crm_resource --why -r ${resource}`,
      };
    let config: VmConfig;
    try {
      ({ config } = await this.#load(resource, request.params));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      // Of a file that cannot be read nothing is new; what can be taken without it is.
      await this.#takeNewParameters(request);
      return { rc: OCF.SUCCESS, reason: notTaken(error.sentence) };
    }
    const before = this.#parts.node.known(resource)?.driver.state.config ?? null;
    this.#superseded.reloaded(resource, before, config);
    return this.#reloadTo(request, config);
  }

  async #validate(request: ControlRequest): Promise<ControlAnswer> {
    const loaded = await this.#load(resourceOf(request), request.params);
    await this.#requireReplicable(loaded);
    const refusal = refusalOfDisks(loaded);
    if (refusal !== null) throw refusal;
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
    return historyAnswer(this.#historyParts(), request, resourceOf(request));
  }

  #historyParts(): HistoryParts {
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
    return { node: node.name, history, calls, others };
  }

  async #others(): Promise<readonly ClusterNode[]> {
    const { cluster, node } = this.#parts;
    return (await cluster.status()).nodes.filter((one) => one.name !== node.name);
  }

  async #switchover(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const to = request.options['to'] ?? null;
    const here = (op: OpRef): Event => ({ type: 'op-switchover', op, to });
    return this.#whereItRuns('switchover', request, { to }, here, progress);
  }

  async #pause(
    action: 'pause' | 'pause-for',
    request: ControlRequest,
    progress: Progress,
  ): Promise<ControlAnswer> {
    const { node, clock } = this.#parts;
    const asked = pauseAsked(request.options, action === 'pause-for');
    const here = (op: OpRef): Event => ({
      ...{ type: 'op-pause', op, pause: pauseOf(asked, node.name, clock) },
    });
    const said = Object.entries(asked).filter(([, value]) => value !== null);
    return this.#whereItRuns(action, request, Object.fromEntries(said), here, progress);
  }

  async #resume(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const here = (op: OpRef): Event => ({ type: 'op-resume', op });
    return this.#whereItRuns('resume', request, {}, here, progress);
  }

  async #resync(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const by = whoAsks(request.options);
    const asker = { by, node: this.#parts.node.name };
    const here = (op: OpRef): Event => ({ type: 'op-resync', op, asker });
    return this.#whereItRuns('resync', request, by === null ? {} : { by }, here, progress);
  }

  /** On the node that runs the VM it is done here; from any other node of the cluster remusd on that one is asked. */
  async #whereItRuns(
    action: 'switchover' | 'pause' | 'pause-for' | 'resume' | 'resync',
    request: ControlRequest,
    more: Readonly<Record<string, string | number | null>>,
    here: (op: OpRef) => Event,
    progress: Progress,
  ): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    const where = await whereItRuns(this.#parts, resource);
    if (where.kind === 'here') return this.#ask(request, progress, here);
    if (where.kind === 'refused') return { rc: REFUSED, reason: where.reason };
    const timeout_ms = request.timeout_ms ?? DEFAULT_TIMEOUT_MS;
    progress(`asking remusd on ${where.node}, where ${resource} runs`);
    const asked = { resource, timeout_ms, ...more };
    const { calls } = this.#parts;
    try {
      return { rc: 0, json: await calls.call(where.node, action, asked, timeout_ms + ANSWER_MS) };
    } catch (error) {
      if (wasRefused(error)) return { rc: REFUSED, reason: error.sentence };
      throw error;
    }
  }

  async #failover(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    if (request.options['force'] !== '1') {
      return {
        rc: USAGE,
        reason: 'a failover fences the node that runs the VM: type: remusctl failover VM --force',
      };
    }
    const from = await failoverFrom(this.#parts, resource);
    if (from.kind === 'refused') return { rc: REFUSED, reason: from.reason };
    return this.#fence(request, resource, from.node, progress);
  }

  /** An action of its own, and no option of switchover: a daemon that does not know it must not move the VM. */
  async #foreseeSwitchover(request: ControlRequest): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    const [json, interruptions_ms] = await Promise.all([
      this.#parts.foreseer?.switchover(resource, request.options['to'] ?? null),
      this.#interruptions(resource),
    ]);
    if (json === undefined) return { rc: OCF.ERR_UNIMPLEMENTED };
    return { rc: OCF.SUCCESS, json: { ...json, interruptions_ms } };
  }

  async #foreseeFailover(request: ControlRequest): Promise<ControlAnswer> {
    const json = await this.#parts.foreseer?.failover(resourceOf(request));
    return json === undefined ? { rc: OCF.ERR_UNIMPLEMENTED } : { rc: OCF.SUCCESS, json };
  }

  async #foreseeResync(request: ControlRequest): Promise<ControlAnswer> {
    const json = await this.#parts.foreseer?.resync(resourceOf(request));
    return json === undefined ? { rc: OCF.ERR_UNIMPLEMENTED } : { rc: OCF.SUCCESS, json };
  }

  async #drill(request: ControlRequest, progress: Progress): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    const json = await this.#parts.driller?.drill(resource, progress);
    return json === undefined ? { rc: OCF.ERR_UNIMPLEMENTED } : { rc: OCF.SUCCESS, json };
  }

  async #dump(
    ...[request, progress, abandoned, item]: Parameters<Handler>
  ): Promise<ControlAnswer> {
    const resource = resourceOf(request);
    const told = { progress, abandoned, item };
    return (
      (await this.#parts.dumps?.answer(request, resource, told)) ?? { rc: OCF.ERR_UNIMPLEMENTED }
    );
  }

  /** As the nodes' histories have them; without a history the answer has none. */
  async #interruptions(resource: string): Promise<readonly number[]> {
    try {
      return interruptionsIn(await wholeHistory(this.#historyParts(), resource, HISTORY_LIMIT.max));
    } catch {
      return [];
    }
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

const NOBODY = (): undefined => undefined;

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

function asAnswer({ rc, reason, data }: Answer): ControlAnswer {
  return {
    rc,
    ...(reason === null ? {} : { reason }),
    ...(data === undefined ? {} : { json: data }),
  };
}
