/**
 * News of the cluster. Pacemaker's alert agent says that a node was lost or has joined, or that somebody was fenced. That is a
 * hint, and no more: nothing of it is believed. It only makes remusd ask Pacemaker itself, at once and not at its next turn;
 * a liar can make it look, now and then. What Pacemaker says is news is logged, one line each.
 */
import { z } from 'zod';
import type { ControlAnswer, ControlRequest } from './adapters/control-protocol.js';
import type { ControlProblem } from './adapters/control-socket.js';
import { oneLine, sentenceOf } from './adapters/errors.js';
import type { Logger } from './adapters/log.js';
import { OCF } from './core/ocf.js';
import type { FenceEvent } from './fencing.js';
import type { Clock, Cluster, ClusterNode } from './ports.js';
import { sparingly } from './sparingly.js';

/** Between two looks, however often we are told. */
const REST_MS = 1_000;
/** The alert comes first; what it means for the CIB is written after it. So it is looked at once more. */
const SETTLE_MS = 2_000;
/** In a line of the log. */
const CLAIMS_MAX = 4;
const PROBLEMS_REST_MS = 60_000;

const text = (max: number) =>
  z
    .string()
    .max(max)
    .transform((value) => oneLine(value, max))
    .optional();
const hintSchema = z.object({
  kind: z.enum(['node', 'fencing']),
  node: text(255),
  task: text(64),
  desc: text(1_000),
  rc: z
    .string()
    .regex(/^-?\d{1,9}$/)
    .optional(),
});
type Hint = z.infer<typeof hintSchema>;

export interface NewsParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly cluster: Pick<Cluster, 'status'>;
  /** Pacemaker's history of fencing. */
  readonly fenceEvents: () => Promise<readonly FenceEvent[]>;
  /** What the daemon looks at every few seconds anyway. */
  readonly look: () => Promise<void>;
}

export class ClusterNews {
  readonly #parts: NewsParts;
  readonly #ask: () => void;
  readonly #tellProblem: () => void;
  /** Since the last look: how many, and the newest of them. */
  #hints = 0;
  #claimed: Hint[] = [];
  #problem: Readonly<Record<string, unknown>> = {};
  #problems = 0;
  #settle: { cancel(): void } | null = null;
  /** As last seen; null: not yet. */
  #nodes: ReadonlyMap<string, string> | null = null;
  #fencing: ReadonlySet<string> | null = null;
  #closed = false;

  constructor(parts: NewsParts) {
    this.#parts = parts;
    this.#ask = sparingly(REST_MS, parts.clock, () => this.#look());
    this.#tellProblem = sparingly(PROBLEMS_REST_MS, parts.clock, () => this.#logProblem());
  }

  /** What is there at our start is no news. */
  async begin(): Promise<void> {
    await this.#news();
  }

  /** Everything that the socket for alerts takes. Answered before it is looked: an alert agent must not wait. */
  readonly handle = ({ action, options }: ControlRequest): Promise<ControlAnswer> => {
    if (action !== 'cluster-event')
      return this.#refused(OCF.ERR_UNIMPLEMENTED, 'this socket is for alerts: see remusd.sock');
    const hint = hintSchema.safeParse(options);
    if (!hint.success)
      return this.#refused(OCF.ERR_ARGS, 'a cluster-event has kind=node or kind=fencing');
    this.#hints += 1;
    this.#claimed = [...this.#claimed, hint.data].slice(-CLAIMS_MAX);
    this.#ask();
    return Promise.resolve({ rc: OCF.SUCCESS });
  };

  /** For what is wrong on the socket: a flood of it is one line a minute. */
  readonly problem: ControlProblem = (message, detail) => {
    if (this.#closed) return;
    this.#problem = { what: message, ...detail };
    this.#problems += 1;
    this.#tellProblem();
  };

  close(): void {
    this.#closed = true;
    this.#settle?.cancel();
  }

  #refused(rc: number, reason: string): Promise<ControlAnswer> {
    this.problem('refused', { reason });
    return Promise.resolve({ rc, reason });
  }

  #logProblem(): Promise<void> {
    const times = this.#problems;
    this.#problems = 0;
    this.#parts.log.warn('the socket for alerts is misused', { times, ...this.#problem });
    return Promise.resolve();
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    const { log, clock } = this.#parts;
    const hints = this.#hints;
    const claimed = this.#claimed;
    this.#hints = 0;
    this.#claimed = [];
    if (hints > 0) {
      log.info('told of an event in the cluster: looking', { claimed, hints });
      this.#settle?.cancel();
      this.#settle = clock.after(SETTLE_MS, () => this.#ask());
    }
    try {
      await this.#parts.look();
    } finally {
      await this.#news();
    }
  }

  async #news(): Promise<void> {
    const { log, cluster, fenceEvents } = this.#parts;
    const unseen = (error: unknown): void =>
      log.debug('the cluster does not answer', { why: sentenceOf(error) });
    await Promise.all([
      cluster.status().then(({ nodes }) => this.#seeNodes(nodes), unseen),
      fenceEvents().then((events) => this.#seeFencing(events), unseen),
    ]);
  }

  #seeNodes(nodes: readonly ClusterNode[]): void {
    const before = this.#nodes;
    this.#nodes = new Map(nodes.map((node) => [node.name, standing(node)]));
    if (before === null) return;
    for (const [about, now] of this.#nodes) {
      const was = before.get(about) ?? 'unknown';
      if (was !== now)
        this.#parts.log.info('a node of the cluster has changed', { about, was, now });
    }
    for (const [about, was] of before)
      if (!this.#nodes.has(about))
        this.#parts.log.info('a node of the cluster has changed', { about, was, now: 'removed' });
  }

  #seeFencing(events: readonly FenceEvent[]): void {
    const before = this.#fencing;
    this.#fencing = new Set(events.map(keyOf));
    if (before === null) return;
    for (const event of events.filter((one) => !before.has(keyOf(one)))) {
      const { target: about, action, status, completed } = event;
      const level = status === 'failed' ? 'warn' : 'info';
      this.#parts.log[level]('fencing', { about, action, status, completed });
    }
  }
}

function keyOf({ target, action, status, completed }: FenceEvent): string {
  return JSON.stringify([target, action, status, completed]);
}

/** As crm_mon has it, but for standby, which is nobody's news. */
function standing({ online, pending, unclean }: ClusterNode): string {
  if (online) return pending ? 'joining' : 'online';
  return unclean ? 'lost, not known to be down' : 'down';
}
