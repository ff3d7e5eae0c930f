/**
 * The VMs of this node, and what they have in common: the cluster, the peers, what is published. Composed
 * in main.ts; requests come in through requests.ts.
 */
import { sentenceOf } from './adapters/errors.js';
import type { Logger } from './adapters/log.js';
import type { PacemakerCluster } from './adapters/pacemaker.js';
import type { History, Registrations } from './adapters/store.js';
import type { VmStatus } from '../ctl/status.js';
import { DegradedHistory } from './degraded.js';
import type { DriverHooks } from './driver.js';
import type { State } from './core/state.js';
import { formatPeer, PEER_ATTRIBUTE, type PeerDirectory } from './peers.js';
import type { Clock, Xl } from './ports.js';
import { Publisher } from './publisher.js';
import type { Rooms } from './rooms.js';
import { logState, type StateLine, stateLine } from './state-line.js';
import { vmStatus } from './status-view.js';
import { NOT_HELD, NOT_REPLICATED, READY_TO_START, words } from './core/view.js';
import type { Host } from './tasks/host.js';
import type { Executors } from './tasks/table.js';
import { type Registration, Vm, type VmParts } from './vm.js';

/** How often a node looks whether Pacemaker still knows what it has published. */
const REFRESH_MS = 5_000;
const REFRESH_MAX_MS = 20_000;
const RETRY_MS = 2_000;
/** When it cannot be told cheaply whether the cluster's configuration has changed: so many refreshes, and it is looked at. */
const REFRESHES_UNSEEN = 6;
const MAX_VMS = 512;
/** A timer that is later than this was not late by load: the process was stopped. */
const HUNG_MS = 2_000;

const WELL: readonly (string | null)[] = [
  ...['protected', `protected, ${NOT_HELD}`, 'replica: ready'],
  ...[NOT_REPLICATED, READY_TO_START],
];

function isWell(words: string | null): boolean {
  return WELL.includes(words);
}

/** A probe waits so long at most for the promotion score to be in the CIB. */
const SCORE_KNOWN_MS = 5_000;
const SCORE_LOOK_MS = 100;
const LOOKS_UNTIL_RESENT = 5;

export interface NodeParts {
  readonly node: string;
  readonly rooms: Rooms;
  readonly clock: Clock;
  readonly host: Host;
  readonly xl: Xl;
  readonly cluster: PacemakerCluster;
  readonly directory: PeerDirectory;
  readonly log: Logger;
  readonly registrations: Registrations<Registration>;
  readonly history: History;
  /** Where peers reach us; null until we listen. */
  readonly published: () => { address: string; port: number; fingerprint: string } | null;
  /** Something visible has changed. */
  readonly changed: () => void;
  /** A VM has come to this state. */
  readonly turned?: (state: State) => void;
  /** Where the line of a state change goes; default the log. */
  readonly stated?: (line: StateLine) => void;
  readonly connect?: VmParts['connect'];
}

/** The node attribute that says in words how a VM's replication does. */
function wordsAttribute(resource: string): string {
  return `remus-${resource}`;
}

export class RemusNode {
  readonly #parts: NodeParts;
  readonly #vms = new Map<string, Vm>();
  readonly #publisher: Publisher;
  readonly #watchers = new Set<() => void>();
  readonly #switchedAt = new Map<string, { readonly key: string; readonly at: string }>();
  /** The words of each VM's last line in the journal. */
  readonly #stated = new Map<string, string>();
  #executors: Executors | null = null;
  #refresh: { cancel(): void } | null = null;
  #refreshes = 0;
  /** Of the cluster's configuration, as last seen. */
  #revision: string | null = null;
  #closed = false;
  readonly #degraded: DegradedHistory;
  /** The VMs of which a monitor was answered since our start, and since we were last hung. */
  readonly #monitored = new Set<string>();

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#degraded = new DegradedHistory((resource) => this.#clearDegraded(resource));
    this.#publisher = new Publisher(parts.clock, (key, error) => {
      parts.log.warn('could not be published in the cluster; trying again', { key, error });
    });
  }

  get name(): string {
    return this.#parts.node;
  }

  /** The executors need the VMs (their data processes), so they come after. */
  use(executors: Executors): void {
    this.#executors = executors;
  }

  vm(resource: string): Vm {
    const known = this.#vms.get(resource);
    if (known !== undefined) return known;
    if (this.#vms.size >= MAX_VMS) this.#forgetStopped();
    if (this.#vms.size >= MAX_VMS) throw new Error(`more than ${MAX_VMS} VMs on one node`);
    if (this.#executors === null) throw new Error('the node is not composed yet');
    const { node, rooms, clock, host, xl, cluster, log, registrations, connect } = this.#parts;
    const executors = this.#executors;
    const parts = { node, rooms, clock, host, xl, cluster, registrations, executors };
    const vm = new Vm(resource, {
      ...parts,
      log: log.with({ vm: resource }),
      hooks: this.#hooks(),
      ...(connect === undefined ? {} : { connect }),
    });
    this.#vms.set(resource, vm);
    return vm;
  }

  known(resource: string): Vm | null {
    const vm = this.#vms.get(resource);
    return vm === undefined || vm.driver.state.phase.kind === 'stopped' ? null : vm;
  }

  /** Take over every VM that a former daemon had. Those that cannot be looked at yet are tried until they can. */
  async recover(): Promise<void> {
    const { registrations, log } = this.#parts;
    const { found, damaged } = await registrations.all();
    for (const file of damaged)
      log.error('a registration is damaged and was set aside', { ...file });
    await Promise.all([...found].map(([resource, one]) => this.#recoverOne(resource, one)));
  }

  async #recoverOne(resource: string, registration: Registration): Promise<void> {
    const { log, clock } = this.#parts;
    while (!this.#closed) {
      try {
        await this.vm(resource).recover(registration);
        return;
      } catch (error) {
        log.error('a VM could not be taken over yet; trying again', { vm: resource, error });
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
      }
    }
  }

  /** From now on the node's attributes are kept in the cluster. */
  begin(): void {
    this.#publishPeer();
    this.#keepFresh();
  }

  /** Something may have happened in the cluster: what is looked at every few seconds is looked at now. */
  async look(): Promise<void> {
    if (!this.#closed) await this.#lookAtCluster();
  }

  statuses(): readonly VmStatus[] {
    return [...this.#vms.values()]
      .filter((vm) => vm.driver.state.phase.kind !== 'stopped')
      .sort((a, b) => (a.resource < b.resource ? -1 : 1))
      .map((vm) => vmStatus(vm, this.#switchTime(vm)));
  }

  /** For the heartbeat: what is wrong, VM by VM. */
  pulse(): readonly string[] {
    return [...this.#vms.values()].flatMap((vm) =>
      vm.pulse().map((sentence) => `${vm.resource}: ${sentence}`),
    );
  }

  /** Resolves when `test` holds; looked at after each turn of any VM. Rejects after `ms`. */
  until(test: () => boolean, ms: number, late: string): Promise<void> {
    if (test()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const watcher = (): void => {
        if (!test()) return;
        this.#watchers.delete(watcher);
        timer.cancel();
        resolve();
      };
      const timer = this.#parts.clock.after(ms, () => {
        this.#watchers.delete(watcher);
        reject(new Error(late));
      });
      this.#watchers.add(watcher);
    });
  }

  /**
   * Resolves when the DC has the promotion score of a VM that runs here. Pacemaker demotes what a probe calls promoted
   * and has no score: a VM that is adopted would be shut down. So would one whose controller has died: the DC deletes all
   * attributes of that node, the attribute daemon believes them written, and the new controller probes (seen in chaos).
   */
  async scoreKnown(resource: string): Promise<void> {
    const { cluster, clock, node, log } = this.#parts;
    const end_ms = clock.now_ms() + SCORE_KNOWN_MS;
    for (let looks = 1; !this.#closed && clock.now_ms() < end_ms; looks += 1) {
      try {
        if (await cluster.hasPromotionScore(resource, node, 'dc')) return;
        // It is on its way; or nobody sends it, because it is believed to be there.
        if (looks % LOOKS_UNTIL_RESENT === 0) await cluster.resendAttributes();
      } catch (error) {
        log.warn('cannot see whether the cluster has the promotion score', { resource, error });
      }
      await new Promise<void>((resolve) => clock.after(SCORE_LOOK_MS, resolve));
    }
  }

  close(): void {
    this.#closed = true;
    this.#refresh?.cancel();
    this.#publisher.close();
    for (const vm of this.#vms.values()) vm.dispose();
  }

  #hooks(): DriverHooks {
    const { cluster, node, log, changed, turned } = this.#parts;
    return {
      note: (resource, text, data) => this.#note(resource, text, data),
      publishWords: (resource, words) => {
        const name = wordsAttribute(resource);
        this.#publisher.set(name, words, (value) => cluster.setAttribute(node, name, value));
        this.#state(resource);
        changed();
      },
      publishScore: (resource, score) => {
        const text = score === null ? null : String(score);
        this.#publisher.set(`score of ${resource}`, text, (value) =>
          cluster.setPromotionScore(resource, node, value === null ? null : Number(value)),
        );
      },
      reportFailure: (resource, reason) => {
        cluster.fail(resource, node, reason).catch((error: unknown) => {
          log.warn('Pacemaker was not told of the failure; its next monitor will see it', {
            error,
          });
        });
      },
      turned: ({ state }) => {
        turned?.(state);
        for (const watcher of [...this.#watchers]) watcher();
      },
    };
  }

  /** One line in the log and one in the history: every decision has its reason. */
  #note(resource: string, text: string, data: Readonly<Record<string, unknown>>): void {
    const { log, history, clock } = this.#parts;
    log.info(text, { vm: resource, ...data });
    history.append(resource, { at: clock.wall(), text, ...data }).catch((error: unknown) => {
      log.warn('the history could not be written', { why: sentenceOf(error) });
    });
  }

  /** One line in the journal for each state that a VM comes to. */
  #state(resource: string): void {
    const vm = this.#vms.get(resource);
    if (vm === undefined) return;
    const line = stateLine(vmStatus(vm, null), this.#stated.get(resource) ?? null);
    if (line === null) return;
    this.#stated.set(resource, line.words);
    if (this.#parts.stated === undefined) logState(this.#parts.log, line);
    else this.#parts.stated(line);
  }

  /** A peer's remusd has called, and can be understood, or cannot for this reason. */
  peerGreeted(from: string, problem: string | null): void {
    for (const { driver } of this.#vms.values())
      driver.post({ type: 'peer-version', from, problem });
  }

  /**
   * What a recurring monitor has answered. Before it the agent may have been alone, and written its own words.
   * @param alone it has been, as it says itself. It cannot when nothing can be written where it keeps that.
   */
  monitored(resource: string, rc: number, alone = false): void {
    this.#degraded.monitored(resource, rc, alone);
    if (this.#monitored.has(resource) && !alone) return;
    this.#monitored.add(resource);
    this.#publisher.again(wordsAttribute(resource));
  }

  #wasHung(): void {
    this.#degraded.wasHung();
    this.#monitored.clear();
  }

  async #clearDegraded(resource: string): Promise<void> {
    const { cluster, node, log } = this.#parts;
    try {
      await cluster.clearDegraded(resource, node);
    } catch (error) {
      log.warn('the former "degraded" could not be cleared', { vm: resource, error });
      throw error;
    }
  }

  #publishPeer(): void {
    const own = this.#parts.published();
    if (own === null) return;
    const { cluster, node } = this.#parts;
    this.#publisher.set(PEER_ATTRIBUTE, formatPeer(own), (value) =>
      cluster.setAttribute(node, PEER_ATTRIBUTE, value),
    );
  }

  /** A cluster that is slow to answer is busy: asking takes at most a tenth of the time. */
  #keepFresh(rest_ms = REFRESH_MS): void {
    if (this.#closed) return;
    const { clock } = this.#parts;
    const asleep_ms = clock.now_ms();
    this.#refresh = clock.after(rest_ms, () => {
      const awake_ms = clock.now_ms();
      if (awake_ms - asleep_ms > rest_ms + HUNG_MS) this.#wasHung();
      void this.#lookAtCluster()
        .then((degraded) => this.#stillDegraded(degraded))
        .finally(() => {
          const took_ms = clock.now_ms() - awake_ms;
          this.#keepFresh(Math.max(REFRESH_MS, Math.min(9 * took_ms, REFRESH_MAX_MS)));
        });
    });
  }

  /** @returns the resources that Pacemaker's history shows as degraded here. */
  async #lookAtCluster(): Promise<ReadonlySet<string>> {
    const { cluster, directory, node, log, changed } = this.#parts;
    changed();
    await this.#lookAtConfiguration();
    try {
      await directory.refresh();
      const { attribute, degraded } = await cluster.statusInCib(node, PEER_ATTRIBUTE);
      const own = this.#parts.published();
      if (own === null) return degraded;
      if (directory.get(node)?.fingerprint !== own.fingerprint) {
        log.info('the cluster does not know this node yet, or any more: publishing everything');
        this.#publishPeer();
        this.#publisher.republish();
      } else if (!attribute) {
        log.info('the CIB has lost what this node has published: having it written again');
        await cluster.resendAttributes();
      }
      return degraded;
    } catch (error) {
      log.debug('the cluster does not answer', { why: sentenceOf(error) });
      return new Set();
    }
  }

  /** The primaries look at their records themselves; here is only seen that there may be something new. */
  async #lookAtConfiguration(): Promise<void> {
    const revision = await this.#parts.cluster.revision();
    this.#refreshes += 1;
    const due = revision === null && this.#refreshes % REFRESHES_UNSEEN === 0;
    if (revision === this.#revision && !due) return;
    this.#revision = revision;
    for (const { driver } of this.#vms.values()) driver.post({ type: 'configuration-changed' });
  }

  #stillDegraded(shown: ReadonlySet<string>): void {
    for (const resource of new Set([...this.#vms.keys(), ...shown])) {
      const state = this.#vms.get(resource)?.driver.state;
      if (state === undefined || state.phase.kind === 'stopped')
        this.#degraded.refreshedStopped(resource, shown.has(resource));
      else this.#degraded.refreshed(resource, isWell(words(state)), shown.has(resource));
    }
  }

  #forgetStopped(): void {
    for (const [resource, vm] of this.#vms) {
      if (vm.driver.state.phase.kind !== 'stopped') continue;
      vm.dispose();
      this.#vms.delete(resource);
      this.#stated.delete(resource);
    }
  }

  /** When the VM's last switchover ended: noted when it is first seen. */
  #switchTime(vm: Vm): string | null {
    const last = vm.driver.state.last_switchover;
    if (last === null) return null;
    const key = JSON.stringify(last);
    const noted = this.#switchedAt.get(vm.resource);
    if (noted?.key === key) return noted.at;
    const at = this.#parts.clock.wall();
    this.#switchedAt.set(vm.resource, { key, at });
    return at;
  }
}
