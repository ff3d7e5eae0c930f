/** A random walk: numbers become the next thing that happens to a machine, so that fast-check can shrink it. */
import { formatRecord, parseRecord } from '../../../daemon/core/record.js';
import type { Effect, TaskName } from '../../../daemon/core/effect.js';
import type { Event, Findings } from '../../../daemon/core/event.js';
import type { VmConfig } from '../../../daemon/core/state.js';
import type { ReplicaId, SenderPhase, ReceiverPhase } from '../../../daemon/relay/control.js';
import { laneOf } from '../../../daemon/tasks/lanes.js';
import { CONFIG, peerNamed, receiverState, Rig, senderState } from './rig.js';
import { Watch } from './watch.js';

export interface Move {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
}

const OPS = ['op-start', 'op-stop', 'op-promote', 'op-demote', 'op-monitor'] as const;
const SENDER: readonly SenderPhase[] = [
  'connecting',
  'first-copy',
  'flowing',
  'flowing',
  'flowing',
  'finishing',
  'finished',
  'ended',
];
const RECEIVER: readonly ReceiverPhase[] = ['listening', 'first-copy', 'ready', 'ready', 'ended'];
const STRANGER: ReplicaId = { generation: 1, session: 'deadbeef' };

export class Walk {
  readonly rig: Rig;
  readonly watch: Watch;
  readonly history: string[] = [];
  /** The sender works, in `drain`. */
  flowing = true;

  constructor(config: Partial<VmConfig> = {}) {
    this.rig = new Rig({ ...CONFIG, ...config });
    this.watch = new Watch('pm1');
    this.rig.onStep = (event, effects, before, after) => {
      this.history.push(describe(event, effects, after.phase.kind));
      this.watch.see(event, effects, before, after);
      for (const op of this.watch.taken_down)
        if (this.rig.guest !== 'absent') throw new Error(`P6: the VM is there after request ${op}`);
    };
  }

  take({ kind, a, b }: Move): void {
    const { rig } = this;
    switch (kind) {
      case 0:
        this.#op(a, b);
        return;
      case 1:
      case 2:
      case 3:
      case 4:
        this.#result(a, false);
        return;
      case 5:
        this.#result(a, true);
        return;
      case 6: {
        const timers = [...rig.timers.keys()];
        const tag = timers[a % Math.max(1, timers.length)];
        if (tag !== undefined) rig.fire(tag);
        return;
      }
      case 7:
      case 8:
        this.#senderNews(a, b);
        return;
      case 9:
        this.#receiverNews(a, b);
        return;
      case 10:
        this.#world(a, b);
        return;
      case 11:
        this.#peer(a, b);
        return;
      case 12:
        this.#stale(a, b);
        return;
    }
  }

  #op(a: number, b: number): void {
    const { rig } = this;
    const type = OPS[a % (OPS.length + 3)];
    const op = rig.op(1_000 + b * 1_000);
    const { config } = rig;
    if (type === 'op-promote' || type === 'op-demote') rig.post({ type, op });
    else if (type === 'op-monitor') rig.post({ type, op, config, probe: b % 2 === 0 });
    else if (type !== undefined) rig.post({ type, op, config });
    else if (a % (OPS.length + 3) === OPS.length)
      rig.post(
        b % 3 === 0
          ? { type: 'op-resume', op }
          : { type: 'op-pause', op, pause: rig.pause(b % 2 === 0 ? null : b * 1_000) },
      );
    else if (a % 3 === 0) rig.post({ type: 'op-resync', op, asker: { by: null, node: 'pm1' } });
    else if (a % 2 === 0) rig.post({ type: 'op-switchover', op, to: b % 4 === 0 ? 'pm2' : null });
    else rig.post({ type: 'op-reload', op, config });
  }

  #result(a: number, fails: boolean): void {
    const { outstanding } = this.rig;
    const lanes = new Map([...outstanding].reverse().map(([tag, is]) => [laneOf(is.task), tag]));
    // In a lane the first comes first.
    const tags = [...outstanding.keys()].filter((tag) => {
      const lane = laneOf(outstanding.get(tag)?.task ?? 'look');
      return lane === 'free' || lanes.get(lane) === tag;
    });
    const tag = tags[a % Math.max(1, tags.length)];
    if (tag === undefined) return;
    if (fails) this.rig.fail(tag, 'it broke');
    else this.rig.succeed(tag);
  }

  #senderNews(a: number, b: number): void {
    const { rig } = this;
    const replica = a % 9 === 0 ? STRANGER : rig.fed;
    if (replica === null) return;
    if (b % 7 === 0) {
      rig.post({ type: 'sender-gone', session: replica.session, reason: 'killed' });
      return;
    }
    const phase = SENDER[a % SENDER.length] ?? 'flowing';
    const acked = phase === 'flowing' || phase === 'finished' ? b % 5 : 0;
    const state = senderState(replica, {
      phase,
      acked,
      holding: acked >= 2,
      holding_none: b % 11 === 0,
    });
    rig.post({ type: 'sender', state });
  }

  #receiverNews(a: number, b: number): void {
    const { rig } = this;
    const replica = a % 9 === 0 ? STRANGER : rig.held;
    if (replica === null) return;
    if (b % 7 === 0) {
      rig.post({ type: 'receiver-gone', session: replica.session, reason: 'killed' });
      return;
    }
    if (this.#activating()) {
      if (a % 3 !== 0) return;
      rig.guest = 'running';
      rig.incoming = false;
      rig.post({ type: 'receiver', state: receiverState(replica, 'activated', 1, false) });
      return;
    }
    const phase = RECEIVER[a % RECEIVER.length] ?? 'ready';
    const complete = phase === 'ready' ? 1 + (b % 3) : 0;
    rig.post({ type: 'receiver', state: receiverState(replica, phase, complete, b % 2 === 0) });
  }

  /** An activation that a former daemon had ordered, as long as nobody has taken it down. */
  #activating(): boolean {
    const { phase } = this.rig.state;
    const receiver =
      phase.kind === 'replica'
        ? phase.receiver
        : phase.kind === 'promoting'
          ? phase.held?.receiver
          : undefined;
    return receiver?.phase === 'activating' && this.rig.incoming;
  }

  #world(a: number, b: number): void {
    const { rig } = this;
    switch (a % 8) {
      case 6:
        if (b % 3 === 0) rig.record = null;
        else if (b % 7 === 1) rig.record = 'rubbish';
        return;
      case 7:
        rig.post({ type: 'configuration-changed' });
        return;
      case 0:
        rig.membership = (['member', 'fenced', 'neither'] as const)[b % 3] ?? 'member';
        return;
      case 1:
        rig.planned = b % 2 === 0 ? 'pm2' : null;
        return;
      case 2:
        if (rig.guest === 'running') rig.guest = b % 2 === 0 ? 'ended' : 'absent';
        rig.end = (['poweroff', 'reboot', 'crash'] as const)[b % 3] ?? 'crash';
        return;
      case 3:
        rig.peers = b % 2 === 0 ? [peerNamed('pm2')] : [];
        return;
      case 4:
        this.#grantHere(b % 4 === 0);
        return;
      case 5:
        // The agent has stopped it by itself, while the daemon hung.
        if (b % 4 !== 0) return;
        rig.guest = 'absent';
        rig.incoming = false;
        rig.post({ type: 'disowned' });
        return;
    }
  }

  /** The primary elsewhere grants what we hold. */
  #grantHere(another: boolean): void {
    const { rig } = this;
    if (rig.held === null || rig.state.phase.kind === 'primary') return;
    const generation = Math.max(parseRecord(rig.record)?.generation ?? 0, rig.held.generation);
    const replica = another ? { ...rig.held, session: 'dddd0001' } : rig.held;
    const grant = { node: 'pm1', replica };
    rig.record = formatRecord({ generation, primary: 'pm2', grant });
  }

  #peer(a: number, b: number): void {
    const { rig } = this;
    const replica = { generation: 1 + (b % 4), session: `bbbb000${b % 8}` };
    if (a % 4 === 0 && rig.held !== null)
      rig.post({ type: 'peer-drop', replica: rig.held, paused: b % 2 === 0 });
    else if (a % 8 === 3)
      rig.post({ type: 'peer-paused', from: 'pm2', generation: b % 4, paused: b % 3 > 0 });
    else if (a % 4 === 1) rig.post({ type: 'peer-activated', node: 'pm2', generation: b });
    else if (a % 16 === 2)
      rig.post({ type: 'peer-version', from: 'pm2', problem: b % 2 === 0 ? 'too old' : null });
    else rig.post({ type: 'peer-prepare', request: b, from: 'pm2', replica });
  }

  /** A result or a timer that nobody waits for (any more). */
  #stale(a: number, b: number): void {
    const { rig } = this;
    const tag = a % (rig.state.next_tag + 3);
    if (rig.outstanding.has(tag) || rig.timers.has(tag)) return;
    const task: TaskName = b % 2 === 0 ? 'activate' : 'lift-hold';
    if (b % 3 === 0) rig.post({ type: 'timer', tag });
    else if (b % 3 === 1) rig.post({ type: 'failed', tag, task, error: 'late' });
    else rig.post({ type: 'done', tag, task, value: undefined });
  }

  /** Everything that is under way comes to a good end; timers fire in their order. */
  drain(until: () => boolean = () => false, steps = 400): void {
    const { rig } = this;
    for (let n = 0; n < steps && !until(); n += 1) {
      const tag = rig.outstanding.keys().next().value;
      if (tag !== undefined) {
        rig.succeed(tag);
        continue;
      }
      this.#flow();
      const timer = rig.nextTimer();
      if (timer === null) return;
      rig.fire(timer.tag);
    }
  }

  /** A sender that works. */
  #flow(): void {
    const { rig } = this;
    const { phase } = rig.state;
    if (!this.flowing || phase.kind !== 'primary' || rig.fed === null) return;
    const { kind } = phase.protection;
    if (kind === 'seeding' || kind === 'protected') {
      const state = senderState(rig.fed, {
        phase: 'flowing',
        acked: 5,
        holding: true,
        bytes: rig.now_ms,
      });
      rig.post({ type: 'sender', state });
    }
  }
}

/** What a daemon may find when it comes back. */
export function findings(rig: Rig, a: number, b: number): Findings {
  const replica: ReplicaId = { generation: 3, session: 'cccc0001' };
  const grant = { node: 'pm2', replica };
  const phase = SENDER[a % SENDER.length] ?? 'flowing';
  const acked = phase === 'flowing' || phase === 'finished' ? b % 5 : 0;
  const primary = a % 3 !== 0;
  rig.guest = primary ? (b % 5 === 0 ? 'absent' : 'running') : 'absent';
  const granted = phase !== 'connecting' && phase !== 'first-copy' && acked >= 2;
  rig.record = formatRecord({
    generation: 3,
    primary: primary ? 'pm1' : 'pm2',
    grant: granted && b % 2 === 0 ? grant : null,
    ...(a % 7 === 0 ? { withdrawn: grant } : {}),
  });
  const handing_over = primary && b % 7 === 0;
  const alive = primary && b % 4 !== 0;
  const held = b % 3 === 0 ? null : b % 5 === 0 ? 'activating' : 'ready';
  rig.incoming = !primary && held !== null;
  rig.paused = b % 13 === 0 ? 'true' : null;
  if (primary) rig.fed = replica;
  else rig.held = replica;
  return {
    config: CONFIG,
    look: rig.look(),
    record: a % 5 === 0 ? null : parseRecord(rig.record),
    sender: alive ? senderState(replica, { phase, acked, holding: acked >= 2 }) : null,
    receiver: primary || held === null ? null : receiverState(replica, held, b % 3, b % 2 === 0),
    peer: primary && (alive || b % 8 !== 0) ? peerNamed('pm2') : null,
    replica: primary && (alive || b % 8 !== 0) ? replica : null,
    from: primary ? null : 'pm2',
    paused: rig.foundPause()?.pause ?? null,
    leaving: primary && b % 11 === 0,
    was_primary: primary && !handing_over,
    handing_over,
    generation: primary && b % 3 !== 0 ? 3 : 0,
  };
}

function describe(event: Event, effects: readonly Effect[], phase: string): string {
  const what =
    event.type === 'done' || event.type === 'failed'
      ? `${event.type} ${event.task}#${event.tag}`
      : event.type === 'timer'
        ? `timer#${event.tag}`
        : event.type === 'sender' || event.type === 'receiver'
          ? `${event.type} ${event.state.phase}`
          : event.type;
  const out = effects
    .map((one) =>
      one.type === 'run'
        ? `run ${one.task.task}#${one.tag}`
        : one.type === 'reply'
          ? `reply ${one.op} rc=${one.rc}`
          : one.type === 'timer'
            ? `timer#${one.tag}`
            : one.type === 'note'
              ? ''
              : one.type,
    )
    .filter((text) => text !== '');
  return `${what} -> ${phase} [${out.join(', ')}]`;
}
