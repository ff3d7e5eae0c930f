/** One VM on this node: its machine, its lines to the data processes, its registration. */
import { z } from 'zod';
import { sentenceOf } from './adapters/errors.js';
import type { Logger } from './adapters/log.js';
import { patient } from './adapters/patience.js';
import type { Registrations } from './adapters/store.js';
import { promotionScore, SCORE } from './core/policy.js';
import { parsePause, type Pause } from './core/pause-record.js';
import { parseRecord } from './core/record.js';
import type { Event, Findings } from './core/event.js';
import type { VmConfig } from './core/state.js';
import { type ConnectLine, DataPlane } from './data-plane.js';
import { type DriverHooks, VmDriver } from './driver.js';
import type { Clock, Cluster, Xl } from './ports.js';
import type { Rooms } from './rooms.js';
import { lookAt } from './tasks/hypervisor.js';
import type { Host } from './tasks/host.js';
import type { Executors } from './tasks/table.js';

/** What survives a restart of the daemon, one file a VM; the agent reads `domain` from it when we are down. */
export const registrationSchema = z.object({
  domain: z.string(),
  config: z.object({
    resource: z.string(),
    domain: z.string(),
    config_path: z.string(),
    // A former release did not write it.
    mode: z.enum(['remus', 'restart']).default('remus'),
    interval_ms: z.number(),
    shutdown_timeout_ms: z.number(),
    replication_timeout_ms: z.number(),
    // A former release did not write it.
    compression: z.enum(['auto', 'off', 'lz4', 'delta']).default('auto'),
    netbuf: z.enum(['on', 'off']).default('on'),
    on_no_replica: z.enum(['start', 'refuse']),
    on_poweroff: z.enum(['destroy', 'restart']),
    on_reboot: z.enum(['destroy', 'restart']),
    on_crash: z.enum(['destroy', 'restart']),
  }),
  /** It was promoted here: then a domain that is gone has died, and was not just never started. */
  primary: z.boolean(),
  /** Of the promotion that it runs by; 0 when it is not known. The record may be gone, or another's after a merge of CIBs. */
  generation: z.number().int().nonnegative().default(0),
});
export type Registration = z.infer<typeof registrationSchema>;

export interface VmParts {
  readonly node: string;
  readonly rooms: Rooms;
  readonly clock: Clock;
  readonly host: Host;
  readonly xl: Xl;
  readonly cluster: Cluster;
  readonly log: Logger;
  readonly registrations: Registrations<Registration>;
  readonly executors: Executors;
  readonly hooks: DriverHooks;
  /** How the lines to data processes are made; the simulator has its own. */
  readonly connect?: ConnectLine;
}

/** How long a data process that is there may take to answer a daemon that has come back. */
const HELLO_MS = patient(10_000);

export class Vm {
  readonly driver: VmDriver;
  readonly plane: DataPlane;
  readonly #parts: VmParts;
  #registered: Registration | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(resource: string, parts: VmParts) {
    this.#parts = parts;
    const { node, rooms, clock, executors, hooks, connect } = parts;
    const post = (event: Event): void => this.driver.post(event);
    this.plane = new DataPlane(rooms, resource, clock, post, connect);
    this.driver = new VmDriver(node, resource, executors, clock, {
      ...hooks,
      turned: (driver) => {
        this.#noteRole();
        hooks.turned(driver);
      },
    });
  }

  get resource(): string {
    return this.driver.resource;
  }

  async register(config: VmConfig): Promise<void> {
    await this.#put({ domain: config.domain, config, primary: false, generation: 0 });
  }

  async unregister(): Promise<void> {
    this.#registered = null;
    await this.#inOrder(() => this.#parts.registrations.remove(this.resource));
  }

  /**
   * Written before the domain is destroyed: a daemon that dies then must not take the VM for a dead one. The generation stays,
   * which tells this node from one that has never run it.
   */
  async noteHandover(): Promise<void> {
    if (this.#registered !== null) await this.#put({ ...this.#registered, primary: false });
  }

  /** Take over what a former daemon left running. */
  async recover(registration: Registration): Promise<void> {
    this.#registered = registration;
    const findings = await this.#find(registration);
    this.driver.post({ type: 'recovered', findings });
  }

  /** For the heartbeat: what is wrong with this daemon's hold on the VM. */
  pulse(): readonly string[] {
    return [...this.driver.pulse(), ...this.plane.look()];
  }

  /** After a hang of ours the agent may have stopped the VM alone, and taken its registration away. */
  checkStillOurs(): boolean {
    if (this.#registered === null || this.#parts.registrations.has(this.resource)) return true;
    this.#registered = null;
    this.plane.dispose();
    this.driver.post({ type: 'disowned' });
    return false;
  }

  dispose(): void {
    this.driver.dispose();
    this.plane.dispose();
  }

  /** The promoted role and reloaded parameters outlive the daemon in the registration. */
  #noteRole(): void {
    const registered = this.#registered;
    if (registered === null) return;
    const { phase, config: now } = this.driver.state;
    const config = now ?? registered.config;
    // A demoting VM is as it was: a handover notes itself, before the domain goes.
    const primary =
      phase.kind === 'demoting'
        ? registered.primary
        : phase.kind === 'primary' || phase.kind === 'guest-ended';
    const known = phase.kind === 'primary' && phase.generation > 0 ? phase.generation : null;
    const generation = known ?? (primary ? registered.generation : 0);
    const same = registered.primary === primary && registered.generation === generation;
    if (same && registered.config === config) return;
    this.#put({ ...registered, config, primary, generation }).catch((error: unknown) => {
      this.#parts.log.error('registration could not be written', { error });
    });
  }

  async #put(registration: Registration): Promise<void> {
    this.#registered = registration;
    await this.#inOrder(() => this.#parts.registrations.put(this.resource, registration));
  }

  /** A late write must not bring back a registration that was removed. */
  #inOrder(work: () => Promise<void>): Promise<void> {
    const next = this.#writing.then(work);
    this.#writing = next.catch(() => undefined);
    return next;
  }

  async #find({ config, primary, generation }: Registration): Promise<Findings> {
    const { host, xl } = this.#parts;
    // What the former daemon was writing must not come after what we read now, and decide by.
    await host.killAll(await host.strayWriters(this.resource));
    const note = await host.readNote(this.resource);
    if (note?.role === 'primary') this.plane.watchSender(note.replica);
    if (note?.role === 'backup') this.plane.watchReceiver(note.replica);
    const [look, record, paused, leaving] = await Promise.all([
      lookAt(xl, config.domain),
      this.#record(),
      this.#paused(),
      primary ? this.#leaving() : false,
      this.#hello(note?.role ?? null),
    ]);
    return {
      config,
      look,
      record,
      sender: this.plane.sender,
      receiver: this.plane.receiver,
      peer: note?.role === 'primary' ? note.peer : null,
      replica: note?.replica ?? null,
      move: note?.role === 'primary' && note.move,
      unheld: note?.role === 'primary' && note.netbuf === 'off',
      from: note?.role === 'backup' ? note.from : null,
      paused,
      leaving,
      was_primary: primary,
      handing_over: !primary && generation > 0,
      generation: primary ? generation : 0,
    };
  }

  async #hello(role: 'primary' | 'backup' | null): Promise<void> {
    const { host } = this.#parts;
    try {
      if (role === 'primary' && (await host.senders(this.resource)).length > 0)
        await this.plane.untilSender(() => true, HELLO_MS);
      if (role === 'backup' && (await host.receivers(this.resource)).length > 0)
        await this.plane.untilReceiver(() => true, HELLO_MS);
    } catch (error) {
      this.#parts.log.info('a data process has not answered', { why: sentenceOf(error) });
    }
  }

  /** When the cluster does not answer, the next attempt at protection sees it. */
  async #paused(): Promise<Pause | null> {
    const text = await this.#parts.cluster.readPause(this.resource, 'dc').catch(() => null);
    return text === null ? null : parsePause(text);
  }

  async #leaving(): Promise<boolean> {
    const { cluster, node } = this.#parts;
    try {
      const scores = await cluster.attribute(promotionScore(this.resource));
      return scores.get(node) === String(SCORE.leaving);
    } catch {
      return false;
    }
  }

  async #record(): Promise<Findings['record']> {
    try {
      return parseRecord(await this.#parts.cluster.readRecord(this.resource, 'dc'));
    } catch (error) {
      this.#parts.log.warn('the record could not be read', { error });
      return null;
    }
  }
}
