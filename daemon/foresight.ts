/**
 * What a switchover or a failover would do now: `remusctl switchover|failover --dry-run`. The decisions are asked of those that would
 * make them: the VM's own machine (whose steps change nothing until somebody carries them out), the rule for promotions,
 * Pacemaker's scheduler on a copy of the CIB.
 */
import { z } from 'zod';
import type { Foresight, Verdict } from '../ctl/foresight.js';
import { known, readConfiguration, readLive } from './adapters/cluster-facts.js';
import { patient } from './adapters/patience.js';
import { promotionIf, type Supposition } from './adapters/what-if.js';
import type { TaskResults } from './core/effect.js';
import type { Event } from './core/event.js';
import { decidePromotion, onNoReplica, restarts, SCORE } from './core/policy.js';
import type { State } from './core/state.js';
import { step, type Step } from './core/step.js';
import { askBackup } from './tasks/peers.js';
import { score } from './core/view.js';
import { failure, type Known, value } from './doctor/facts.js';
import type { ForeseenResync } from '../ctl/resync.js';
import { foreseeResync, foreseeResyncHere } from './foreseen-resync.js';
import { foreseenFencing, judgeFencing, lookAtFencing } from './foreseen-fencing.js';
import { type Judgement, judged } from './judgement.js';
import type { RemusNode } from './node.js';
import { obstaclesOf, type Seen } from './obstacles.js';
import type { PeerCalls } from './peer-calls.js';
import { askPeersVm } from './peer-status.js';
import type { Clock, Cluster, Exec, PlannedPromotion } from './ports.js';
import { failoverFrom, type FailoverFrom, whereItRuns } from './whereabouts.js';

/** A peer asks three programs, each with a deadline of its own. */
const PEER_MS = patient(20_000);
const PEER_STATUS_MS = patient(2_000);
/** mode=restart: the guest runs on while it is copied. */
const COPY_TIME = 'how long the copy of its memory takes, which is made first';
/** No request of the machine's has it. */
const NO_OP = 0;

export interface ForesightParts {
  readonly node: Pick<RemusNode, 'name' | 'known' | 'statuses'>;
  readonly cluster: Pick<Cluster, 'readRecord'>;
  readonly calls: Pick<PeerCalls, 'call'>;
  readonly exec: Exec;
  readonly clock: Pick<Clock, 'now_ms'>;
}

/** What a peer answers: it may be of a later release. */
const answerSchema = z.looseObject({ action: z.literal('switchover'), verdict: z.string() });

export class Foreseer {
  readonly #parts: ForesightParts;

  constructor(parts: ForesightParts) {
    this.#parts = parts;
  }

  /** Typed on any node: the one that runs the VM knows. */
  async switchover(
    resource: string,
    to: string | null,
  ): Promise<Foresight | Readonly<Record<string, unknown>>> {
    const where = await whereItRuns(this.#parts, resource);
    switch (where.kind) {
      case 'here':
        return this.switchoverHere(resource, to);
      case 'there': {
        const { calls } = this.#parts;
        const answer = await calls.call(where.node, 'foresee', { resource, to }, PEER_MS);
        const parsed = answerSchema.safeParse(answer);
        if (parsed.success) return parsed.data;
        throw new Error(
          `remusd on ${where.node} answered something else than what it foresees; install the same release on both nodes`,
        );
      }
      case 'refused':
        return this.#refused('switchover', resource, where.reason);
    }
  }

  /** For a peer, too. */
  async switchoverHere(resource: string, to: string | null): Promise<Foresight> {
    const { node, clock, exec } = this.#parts;
    const state = node.known(resource)?.driver.state;
    if (state === undefined)
      return this.#refused('switchover', resource, `${resource} is not started on ${node.name}`);
    const decided = await this.#decide(state, to, clock.now_ms());
    const now = this.#now('switchover', resource);
    const here = { ...now, from: node.name, to: decided.to ?? to ?? now.to };
    const copy = restarts(state.config) ? [COPY_TIME] : [];
    if (decided.to === null) return { ...here, ...judged('refused', decided.reason) };
    const supposed = { kind: 'score', node: node.name, score: decided.score } as const;
    const [planned, seen] = await Promise.all([this.#planned(resource, supposed), look(exec)]);
    const move = { resource, from: node.name, to: decided.to };
    const obstacles = obstaclesOf(valuesOf(seen), move);
    return {
      ...here,
      ...judgePlan(planned, resource, decided.to, obstacles[0]?.what),
      memory: 'kept',
      promoted_on: nodeOf(planned),
      obstacles,
      unknown: [...unknownOf(seen), ...copy],
    };
  }

  resync(resource: string): Promise<ForeseenResync | Readonly<Record<string, unknown>>> {
    return foreseeResync(this.#parts, resource);
  }

  /** For a peer. */
  resyncHere(resource: string): ForeseenResync {
    return foreseeResyncHere(this.#parts, resource);
  }

  /** The machine's own answer to the command, of which nothing is carried out but its question to the backup. */
  async #decide(state: State, to: string | null, now_ms: number): Promise<Decided> {
    const op = { id: NO_OP, deadline_ms: now_ms + patient(60_000) };
    const asked = step(state, { type: 'op-switchover', op, to }, now_ms);
    if (asked.state.moving !== null) return this.#decideMove(state.resource, to);
    for (const effect of asked.effects) {
      if (effect.type !== 'run' || effect.task.task !== 'ask-backup') continue;
      const answer = await known(askBackup(this.#parts.calls, state.resource, effect.task));
      return decided(step(asked.state, eventOf(effect.tag, answer), now_ms));
    }
    return decided(asked);
  }

  /** mode=restart: where to is for Pacemaker to say, if nobody has; nothing is copied to find out whether it could be. */
  async #decideMove(resource: string, to: string | null): Promise<Decided> {
    const { node } = this.#parts;
    const supposed = { kind: 'score', node: node.name, score: SCORE.leaving } as const;
    const planned = nodeOf(await this.#planned(resource, supposed));
    const found = to ?? (planned === node.name ? null : planned);
    if (found !== null) return { to: found, score: SCORE.leaving };
    return {
      to: null,
      reason: `Pacemaker has no other node for ${resource} now; type: crm_mon -1`,
    };
  }

  /** On the node on which it is typed: that is where the VM would go on. */
  async failover(resource: string): Promise<Foresight> {
    const { node, exec } = this.#parts;
    const from = await failoverFrom(this.#parts, resource);
    const now = this.#now('failover', resource);
    if (from.kind === 'refused') return { ...now, ...judged('refused', from.reason) };
    const [planned, seen, fence, age] = await Promise.all([
      this.#planned(resource, { kind: 'lost', node: from.node }),
      look(exec),
      lookAtFencing(exec, from.node),
      this.#age(resource, from.node),
    ]);
    const { live } = valuesOf(seen);
    const memory = this.#memory(resource, from);
    const move = { resource, from: from.node, to: node.name };
    const obstacles = obstaclesOf(valuesOf(seen), move);
    const verdict = first([
      judgeFencing(fence, live, move),
      memory.judgement,
      judgePlan(planned, resource, node.name, obstacles[0]?.what),
    ]);
    return {
      ...now,
      ...verdict,
      ...{ from: from.node, to: node.name, generation: from.record.generation },
      ...{ memory: memory.kind, lost_because: memory.because },
      checkpoint_age_ms: value(age),
      promoted_on: nodeOf(planned),
      obstacles,
      fencing: foreseenFencing(fence, live, move),
      unknown: [
        ...unknownOf(seen),
        ...(memory.kind === 'lost' ? [] : because('how old that checkpoint is', age)),
        ...because('when the node was last fenced', fence.events),
      ],
    };
  }

  /** What is so before anybody does anything. */
  #now(action: Foresight['action'], resource: string): Foresight {
    const { node } = this.#parts;
    const vm = node.statuses().find((one) => one.resource === resource);
    const { acked = null, complete = null } = vm?.checkpoint ?? {};
    return {
      ...{ action, resource, node: node.name, from: null, to: vm?.peer ?? null },
      ...judged('done'),
      memory: null,
      generation: vm?.generation ?? null,
      checkpoint: acked ?? complete,
      checkpoint_age_ms: vm?.acked_age_ms ?? null,
      ...{ promoted_on: null, obstacles: [], fencing: null, interruptions_ms: [], unknown: [] },
    };
  }

  #refused(action: Foresight['action'], resource: string, reason: string): Foresight {
    return { ...this.#now(action, resource), ...judged('refused', reason) };
  }

  #planned(resource: string, supposed: Supposition): Promise<Known<PlannedPromotion>> {
    return known(promotionIf(this.#parts.exec, resource, supposed));
  }

  /** What the promotion here would do with the replica that is here now. */
  #memory(resource: string, { record }: Extract<FailoverFrom, { kind: 'from' }>) {
    const { node } = this.#parts;
    const state = node.known(resource)?.driver.state;
    const phase = state?.phase;
    const held = phase?.kind === 'replica' ? phase : null;
    const on_no_replica = state?.config == null ? 'start' : onNoReplica(state.config);
    const { kind, why } = decidePromotion(node.name, record, held, on_no_replica);
    const done = judged('done');
    if (kind === 'activate')
      return { kind: 'checkpoint', because: undefined, judgement: done } as const;
    const refuses = `${why}, and with on_no_replica=refuse ${resource} would be started nowhere; type: remusctl status ${resource}`;
    const judgement = kind === 'refuse' ? judged('fails', refuses) : done;
    return { kind: 'lost', because: why, judgement } as const;
  }

  /** Only the node that sends the checkpoints knows when the last one was acknowledged. */
  #age(resource: string, from: string): Promise<Known<number | null>> {
    const ask = async (): Promise<number | null> => {
      const vm = await askPeersVm(this.#parts.calls, from, resource, PEER_STATUS_MS);
      return vm?.acked_age_ms ?? null;
    };
    return known(ask());
  }
}

type Decided =
  { readonly to: string; readonly score: number } | { readonly to: null; readonly reason: string };

function eventOf(tag: number, answer: Known<TaskResults['ask-backup']>): Event {
  const task = 'ask-backup';
  return 'failed' in answer
    ? { type: 'failed', tag, task, error: answer.failed }
    : { type: 'done', tag, task, value: answer.ok };
}

function decided(next: Step): Decided {
  const reply = next.effects.find((effect) => effect.type === 'reply' && effect.op === NO_OP);
  const { switchover } = next.state;
  const points = score(next.state);
  if (reply?.type === 'reply' || switchover === null || typeof points !== 'number') {
    const reason = reply?.type === 'reply' ? reply.reason : null;
    return { to: null, reason: reason ?? 'it gives no reason; type: journalctl -u remusd -n 20' };
  }
  return { to: switchover.to, score: points };
}

/** What fails is worse than what is not known. */
function first(judgements: readonly Judgement[]): Judgement {
  const of = (verdict: Verdict) => judgements.find((one) => one.verdict === verdict);
  return of('fails') ?? of('unknown') ?? judged('done');
}

/** @param in_the_way the first thing that may explain why Pacemaker would not */
function judgePlan(
  planned: Known<PlannedPromotion>,
  resource: string,
  to: string,
  in_the_way: string | undefined,
): Judgement {
  if ('failed' in planned)
    return judged('unknown', `Pacemaker's scheduler could not be asked: ${planned.failed}`);
  const node = nodeOf(planned);
  if (node === to) return judged('done');
  const where = node === null ? `promote ${resource} nowhere` : `have ${resource} on ${node}`;
  const why = in_the_way ?? 'see "crm_simulate -sL" for the scores and "crm_mon -1rf" for failures';
  return judged('fails', `Pacemaker would ${where}, not on ${to}: ${why}`);
}

function nodeOf(planned: Known<PlannedPromotion>): string | null {
  const found = value(planned);
  return found?.kind === 'node' ? found.node : null;
}

type Look = { readonly [K in keyof Seen]: Known<NonNullable<Seen[K]>> };

async function look(exec: Exec): Promise<Look> {
  const live = await known(readLive(exec));
  return { live, configuration: await known(readConfiguration(exec, live)) };
}

function valuesOf({ live, configuration }: Look): Seen {
  return { live: value(live), configuration: value(configuration) };
}

function unknownOf({ live, configuration }: Look): string[] {
  return [
    ...because('maintenance, standby and failures', live),
    ...because('constraints that are left over', configuration),
  ];
}

function because(what: string, fact: Known<unknown>): string[] {
  const why = failure(fact);
  return why === null ? [] : [`${what}: ${why}`];
}
