/**
 * The local executor of one machine: runs the agent, one action at a time, with its timeout, and says what has become
 * of it the way Pacemaker judges results.
 */
import type { Machine } from '../machine/machine.js';
import { Process } from '../machine/process.js';
import type { Action, World } from '../world.js';
import { Agent } from './agent.js';

export type Role = 'unknown' | 'stopped' | 'unpromoted' | 'promoted';

const TIMEOUT_MS: Readonly<Record<Action, number>> = {
  ...{ probe: 30_000, monitor: 30_000, start: 120_000, stop: 180_000 },
  ...{ promote: 120_000, demote: 120_000 },
};
const TIMED_OUT = 1;
const KILLED = 1;
const [OK, NOT_RUNNING, PROMOTED, FAILED_PROMOTED, DEGRADED, DEGRADED_PROMOTED] = [
  0, 7, 8, 9, 190, 191,
];

export interface LrmParts {
  readonly machine: Machine;
  /** Asks the cluster whether no replica may be promoted, as the agent does when it is alone. */
  readonly noGrant: () => boolean;
  readonly forgetAttributes: () => void;
}

export class Lrm {
  role: Role = 'unknown';
  /** What runs here must be taken down, and is then started anew. */
  failed = false;
  /** A start has failed: not tried again until somebody cleans up. */
  banned = false;
  /** A stop has failed: the node must be fenced. */
  must_fence = false;
  busy: Action | null = null;
  /** It was in a cluster that had a DC. */
  seasoned = false;
  monitored_ms = 0;
  readonly #parts: LrmParts;

  constructor(parts: LrmParts) {
    this.#parts = parts;
    this.monitored_ms = parts.machine.world.now_ms;
  }

  get #world(): World {
    return this.#parts.machine.world;
  }

  order(action: Action): void {
    const { machine } = this.#parts;
    this.busy = action;
    machine.ordered = action;
    machine.say(() => `pacemaker orders ${action}`);
    this.#world.observe('ordered', machine.name, action);
    const process = new Process(machine, 'agent');
    const parts = { ...this.#parts, process, timeout_ms: TIMEOUT_MS[action] };
    let over = false;
    const result = (rc: number): void => {
      if (over) return;
      over = true;
      process.end();
      if (machine.powered) this.#done(action, rc);
    };
    process.onEnd(() => result(KILLED));
    this.#world.time.at(TIMEOUT_MS[action], () => {
      if (!over && machine.powered) machine.say(() => `${action} timed out`);
      result(TIMED_OUT);
    });
    // The controller itself may be stopped with its machine.
    void new Agent(parts).run(action).then((rc) => process.deliver(() => result(rc)));
  }

  /** crm_resource --fail */
  fail(): void {
    if (this.role === 'promoted' || this.role === 'unpromoted') this.failed = true;
  }

  cleanup(): void {
    this.banned = false;
  }

  #done(action: Action, rc: number): void {
    const { machine } = this.#parts;
    this.busy = null;
    machine.ordered = null;
    machine.say(() => `${action}: rc ${rc}`);
    this.#world.observe('answered', machine.name, action, rc);
    switch (action) {
      case 'probe':
        this.#probed(rc);
        return;
      case 'monitor':
        this.#monitored(rc);
        return;
      case 'start':
        this.#set(rc === OK ? 'unpromoted' : 'unpromoted', rc !== OK);
        if (rc !== OK) this.banned = true;
        return;
      case 'promote':
        // The worst is assumed of one that failed.
        this.#set('promoted', rc !== OK);
        return;
      case 'demote':
        // Said to be unpromoted all the same: it is stopped next, and only then promoted elsewhere. So is what had failed.
        this.#set(rc === NOT_RUNNING ? 'stopped' : 'unpromoted', rc !== OK || this.failed);
        return;
      case 'stop':
        if (rc === OK) this.#set('stopped', false);
        else this.must_fence = true;
    }
  }

  #set(role: Role, failed: boolean): void {
    this.role = role;
    this.failed = failed;
    this.monitored_ms = this.#world.now_ms;
  }

  #probed(rc: number): void {
    if (rc === NOT_RUNNING) this.#set('stopped', false);
    else if (rc === OK || rc === DEGRADED) this.#set('unpromoted', false);
    else if (rc === PROMOTED || rc === DEGRADED_PROMOTED) this.#set('promoted', false);
    else this.#set(rc === FAILED_PROMOTED ? 'promoted' : 'unpromoted', true);
  }

  #monitored(rc: number): void {
    this.monitored_ms = this.#world.now_ms;
    const promoted = rc === PROMOTED || rc === DEGRADED_PROMOTED;
    if (this.role === 'promoted') {
      if (!promoted) this.failed = true;
    } else if (promoted || rc === FAILED_PROMOTED) {
      this.role = 'promoted';
      this.failed = true;
    } else if (rc !== OK && rc !== DEGRADED) this.failed = true;
  }
}
