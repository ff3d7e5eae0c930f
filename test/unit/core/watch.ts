/**
 * Invariants of one machine, from its events and effects alone. `see` throws at the first step that breaks
 * one. They restate DESIGN section 3 (P1, P2, P4, P6) as what may follow what.
 */
import { SCORE } from '../../../daemon/core/policy.js';
import type { Effect, Task } from '../../../daemon/core/effect.js';
import type { Event } from '../../../daemon/core/event.js';
import { parseRecord, sameReplica, type VmRecord } from '../../../daemon/core/record.js';
import type { State } from '../../../daemon/core/state.js';
import type { ReceiverState, ReplicaId, SenderState } from '../../../daemon/relay/control.js';

interface Granted {
  readonly node: string;
  readonly replica: ReplicaId;
  /** A withdrawal has been acknowledged since. */
  readonly written: boolean;
}

export class Watch {
  /** A replica elsewhere that may be promoted, as far as this machine can know. */
  maybe_granted: Granted | null = null;
  /** Requests that the last step has answered with "it is down". */
  taken_down: readonly number[] = [];
  readonly #node: string;
  #asked = new Map<number, Task>();
  readonly #tags = new Set<number>();
  readonly #ops = new Map<number, 'open' | 'answered'>();
  #words: string | null = null;
  /** Undefined: what stands was published by a former daemon, or by the primary. */
  #score: number | null | undefined = null;
  #sender: SenderState | null = null;
  #receiver: ReceiverState | null = null;
  #held: ReplicaId | null = null;
  #promote: number | null = null;
  #promote_read: VmRecord | null = null;
  #promote_claimed = false;
  /** Pacemaker has been told that the VM is down here, and has asked for nothing since. */
  #down = true;
  /** Requests that take the VM down. */
  readonly #down_ops = new Set<number>();
  /** Monitors asked for since the last stop or demote was answered: what they find may be adopted. */
  readonly #monitor_looks = new Set<number>();
  #generation_seen = 0;

  constructor(node: string) {
    this.#node = node;
  }

  see(event: Event, effects: readonly Effect[], before: State, after: State): void {
    this.taken_down = [];
    this.#event(event, before);
    for (const effect of effects) this.#effect(effect, event);
    check(after.next_tag >= before.next_tag, 'next_tag went back');
  }

  /** Nothing is left to happen: every request must have had its answer. */
  rest(): void {
    const open = [...this.#ops].filter(([, is]) => is === 'open').map(([id]) => id);
    check(open.length === 0, `requests without an answer: ${open.join(' ')}`);
  }

  #event(event: Event, before: State): void {
    if ('op' in event) {
      this.#ops.set(event.op.id, 'open');
      if (event.type === 'op-stop' || event.type === 'op-demote') this.#down_ops.add(event.op.id);
      if (event.type === 'op-promote' && this.#promote === null) {
        this.#promote = event.op.id;
        this.#promote_read = null;
        this.#promote_claimed = false;
        this.#down = false;
      }
    }
    switch (event.type) {
      case 'sender':
        this.#sender = event.state;
        return;
      case 'receiver':
        // A promote that was asked of a former daemon.
        if (event.state.phase === 'activated' && before.phase.kind === 'replica')
          this.#down = false;
        if (this.#held !== null && sameReplica(event.state.replica, this.#held))
          this.#receiver = event.state;
        return;
      case 'receiver-gone':
        if (this.#held?.session === event.session) this.#receiver = null;
        return;
      case 'recovered':
        this.#recovered(event.findings);
        return;
      case 'disowned':
        if (!DISOWNS_NOT.has(before.phase.kind)) {
          this.#down = true;
          this.maybe_granted = null;
          this.#monitor_looks.clear();
        }
        return;
      case 'done':
        if (
          event.task === 'look' &&
          event.value.guest.kind !== 'absent' &&
          before.phase.kind === 'stopped' &&
          this.#monitor_looks.has(event.tag)
        )
          this.#down = false;
        this.#done(event);
        return;
      case 'failed':
        this.#asked.delete(event.tag);
        return;
      default:
        return;
    }
  }

  #recovered(found: Extract<Event, { type: 'recovered' }>['findings']): void {
    const { record, sender, receiver, peer } = found;
    this.#generation_seen = record?.generation ?? 0;
    this.#score = undefined;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#held = receiver?.replica ?? null;
    const primary = found.was_primary || found.look.guest.kind !== 'absent';
    this.#down = !primary;
    const grant = record?.grant ?? null;
    if (!primary) return;
    if (grant !== null && grant.node !== this.#node)
      this.maybe_granted = { ...grant, written: false };
    const alive = sender?.phase === 'flowing' && !mayBeGranted(sender);
    const first = alive || sender?.phase === 'connecting' || sender?.phase === 'first-copy';
    // The record could not be read and a replication may have come as far as its grant.
    if (record === null && peer !== null && !first) {
      const replica = sender?.replica ?? { generation: 0, session: '' };
      this.maybe_granted = { node: peer.node, replica, written: false };
    }
  }

  #done(event: Extract<Event, { type: 'done' }>): void {
    const task = this.#asked.get(event.tag);
    this.#asked.delete(event.tag);
    const granted = this.maybe_granted;
    if (event.task === 'read-record' && task?.task === 'read-record') {
      const record = parseRecord(event.value);
      // What its own CIB has may be of a merge: whether it is written over is for the task to say.
      const own = task.at !== 'dc' && task.at.node === this.#node;
      if (!own) this.#generation_seen = Math.max(this.#generation_seen, record?.generation ?? 0);
      if (task.at === 'dc') this.#promote_read = record;
      else if (granted?.node === task.at.node && granted.written && record?.grant === null)
        this.maybe_granted = null;
    }
    if (event.task === 'withdraw' && granted !== null)
      this.maybe_granted = { ...granted, written: true };
    if (event.task === 'write-record') this.#claimed();
    if (event.task === 'membership' && task?.task === 'membership' && event.value === 'fenced') {
      if (granted?.node === task.node) this.maybe_granted = null;
    }
    if (event.task === 'destroy-handed-over') this.maybe_granted = null;
    if (event.task === 'clean' && task?.task === 'clean' && task.domain) this.maybe_granted = null;
  }

  /** What was another node's before the claim, by the record, may be promoted there until it has heard of it. */
  #claimed(): void {
    this.#promote_claimed = true;
    const { grant = null, withdrawn = null } = this.#promote_read ?? {};
    const its = grant ?? withdrawn;
    if (this.#promote !== null && its !== null && its.node !== this.#node)
      this.maybe_granted = { ...its, written: true };
  }

  #effect(effect: Effect, event: Event): void {
    switch (effect.type) {
      case 'run':
        this.#fresh(effect.tag);
        if (event.type === 'op-monitor') this.#monitor_looks.add(effect.tag);
        this.#asked.set(effect.tag, effect.task);
        this.#task(effect.task);
        return;
      case 'timer':
        this.#fresh(effect.tag);
        return;
      case 'reply':
        this.#reply(effect.op, effect.rc);
        return;
      case 'publish-words':
        check(effect.words !== this.#words, 'the same words were published twice');
        this.#words = effect.words;
        return;
      case 'publish-score':
        // The score of a node that held a replica is its primary's to set: taking it back may repeat our own.
        check(
          effect.score !== this.#score || effect.score === SCORE.cold,
          'the same score was published twice',
        );
        this.#score = effect.score;
        return;
      case 'progress':
        check(this.#ops.get(effect.op) === 'open', 'progress for a request that has its answer');
        return;
      default:
        return;
    }
  }

  #fresh(tag: number): void {
    check(!this.#tags.has(tag), `tag ${tag} was used twice`);
    this.#tags.add(tag);
  }

  #reply(op: number, rc: number): void {
    check(this.#ops.get(op) === 'open', `request ${op} was answered twice, or never asked`);
    this.#ops.set(op, 'answered');
    if (op === this.#promote) this.#promote = null;
    if (rc === 0 && this.#down_ops.has(op)) {
      this.#down = true;
      this.#monitor_looks.clear();
      this.taken_down = [...this.taken_down, op];
    }
  }

  #task(task: Task): void {
    switch (task.task) {
      case 'lift-hold':
        check(this.maybe_granted === null, 'output is let go while the replica may be promoted');
        return;
      case 'launch-remus':
        check(this.maybe_granted === null, 'a new replication while an old grant may be valid');
        check(!this.#down, 'replication of a VM that is down');
        return;
      case 'activate':
        this.#activates();
        return;
      case 'create':
        check(!this.#down, 'create although the VM was taken down');
        check(this.maybe_granted === null, 'create while a replica may be promoted');
        check(
          this.#promote === null || this.#promote_claimed,
          'a cold start before its claim was written',
        );
        return;
      case 'grant':
        this.#grants(task.node, task.record.grant?.replica ?? null);
        this.#writes(task.record);
        return;
      case 'withdraw':
      case 'write-record':
        this.#writes(task.record);
        return;
      default:
        if (task.task === 'launch-receiver') {
          this.#held = task.replica;
          this.#receiver = null;
        }
        return;
    }
  }

  #writes(record: VmRecord): void {
    const { generation } = record;
    check(
      generation >= this.#generation_seen,
      `the record's generation goes back from ${this.#generation_seen} to ${generation}`,
    );
    this.#generation_seen = generation;
  }

  #grants(node: string, replica: ReplicaId | null): void {
    const sender = this.#sender;
    const before = this.maybe_granted;
    // The same once more, for its record was lost: whatever the sender had to say for it has been said.
    if (replica !== null && before?.node === node && sameReplica(before.replica, replica)) {
      check(!before.written && !this.#down, 'a grant again of what was withdrawn, or is down');
      return;
    }
    check(replica !== null && sender !== null, 'a grant without a sender');
    check(sameReplica(sender.replica, replica), "a grant of another replica than the sender's");
    check(mayBeGranted(sender), 'a grant before output is held and acknowledged');
    check(!this.#down, 'a grant by a VM that is down');
    this.maybe_granted = { node, replica, written: false };
  }

  #activates(): void {
    check(this.#promote !== null, 'activation without a promote');
    const grant = this.#promote_read?.grant ?? null;
    check(grant?.node === this.#node, 'activation without a grant that was read');
    check(
      this.#held !== null && sameReplica(grant.replica, this.#held),
      'activation of a replica that is not the granted one',
    );
    check(CAN_ACTIVATE.has(this.#receiver?.phase ?? 'ended'), 'activation of what is not ready');
    check((this.#receiver?.complete ?? 0) >= 1, 'activation without a complete checkpoint');
    check(this.#promote_claimed, 'activation before its claim was written');
    check(!this.#down, 'activation after a stop');
  }
}

/** Where the machine is about to settle the matter itself. */
const DISOWNS_NOT: ReadonlySet<State['phase']['kind']> = new Set([
  'stopped',
  'starting',
  'stopping',
  'adopting',
]);

const CAN_ACTIVATE: ReadonlySet<ReceiverState['phase']> = new Set([
  'ready',
  'activating',
  'activated',
]);

function mayBeGranted(sender: SenderState): boolean {
  const { phase, holding, holding_none, stats } = sender;
  return phase === 'flowing' && (holding_none ? stats.acked >= 1 : holding && stats.acked >= 2);
}

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`invariant: ${what}`);
}
