/**
 * One machine in a jar: keeps what it asked for (tasks, timers, replies) and a toy hypervisor and record, so
 * that tests can answer it in any order. Knows nothing of the machine's inside but its effects.
 */
import {
  formatPause,
  type FoundPause,
  parsePause,
  type Pause,
} from '../../../daemon/core/pause-record.js';
import { parseRecord } from '../../../daemon/core/record.js';
import type { Effect, Task, TaskName, TaskResults } from '../../../daemon/core/effect.js';
import type { Done, Event } from '../../../daemon/core/event.js';
import { formatRecord } from '../../../daemon/core/record.js';
import {
  initialState,
  type Guest,
  type Look,
  type OpRef,
  type Peer,
  type State,
  type VmConfig,
} from '../../../daemon/core/state.js';
import { step } from '../../../daemon/core/step.js';
import type {
  ReceiverPhase,
  ReceiverState,
  ReplicaId,
  SenderPhase,
  SenderState,
} from '../../../daemon/relay/control.js';

export const CONFIG: VmConfig = {
  resource: 'vm1',
  domain: 'vm1',
  config_path: '/etc/xen/vm1.cfg',
  mode: 'remus',
  interval_ms: 200,
  shutdown_timeout_ms: 60_000,
  replication_timeout_ms: 5_000,
  compression: 'auto',
  netbuf: 'on',
  on_no_replica: 'start',
  on_poweroff: 'destroy',
  on_reboot: 'restart',
  on_crash: 'restart',
};

export function peerNamed(node: string): Peer {
  return { node, address: '10.77.1.2', port: 7900, fingerprint: 'f0' };
}

export interface SenderShape {
  readonly phase: SenderPhase;
  readonly acked?: number;
  readonly holding?: boolean;
  readonly holding_none?: boolean;
  readonly netbuf_off?: boolean;
  /** Of the first copy, 0 to 100. */
  readonly percent?: number;
  readonly reason?: string;
  /** All that was read from xl so far. */
  readonly bytes?: number;
  /** Of what had to wait for the link. */
  readonly drained?: number;
}

export function senderState(replica: ReplicaId, shape: SenderShape): SenderState {
  const acked = shape.acked ?? 0;
  return {
    v: 1,
    role: 'sender',
    type: 'state',
    pid: 100,
    resource: 'vm1',
    replica,
    phase: shape.phase,
    holding: shape.holding ?? false,
    holding_none: shape.holding_none ?? false,
    ...(shape.netbuf_off === true ? { netbuf_off: true } : {}),
    stats: {
      sent: acked,
      acked,
      acked_age_ms: null,
      last_pause_ms: null,
      last_ack_ms: null,
      last_bytes: null,
      last_pages: null,
      bytes_total: shape.bytes ?? acked * 1_000 + (shape.percent ?? 0),
      first_copy_bytes: shape.percent ?? 0,
      guest_memory_bytes: shape.percent === undefined ? 0 : 100,
      rate_per_s: 0,
      ...(shape.drained === undefined ? {} : { drained_total: shape.drained }),
    },
    ...(shape.reason === undefined ? {} : { reason: shape.reason }),
  };
}

export function receiverState(
  replica: ReplicaId,
  phase: ReceiverPhase,
  complete = 0,
  connected = true,
  silent_ms = 0,
): ReceiverState {
  return {
    v: 1,
    role: 'receiver',
    type: 'state',
    pid: 200,
    xl_pid: 201,
    resource: 'vm1',
    replica,
    phase,
    port: 40_001,
    connected,
    silent_ms,
    complete,
    applied: complete,
    bytes_total: 0,
  };
}

export interface Timer {
  readonly tag: number;
  readonly ms: number;
  readonly due_ms: number;
}

export class Rig {
  state: State;
  now_ms = 0;
  guest: Guest['kind'] = 'absent';
  end: 'poweroff' | 'reboot' | 'crash' = 'poweroff';
  incoming = false;
  /** Text of the record in the CIB. */
  record: string | null = null;
  membership: TaskResults['membership'] = 'member';
  /** What the CIB says of an operator's pause; its clock began in 1970, with the rig's. */
  paused: string | null = null;
  /** Where Pacemaker means to promote. */
  planned: string | null = null;
  peers: readonly Peer[] = [peerNamed('pm2')];
  readonly outstanding = new Map<number, Task>();
  readonly timers = new Map<number, Timer>();
  /** The replica that the machine feeds, and the one it holds: by its last launch tasks. */
  fed: ReplicaId | null = null;
  held: ReplicaId | null = null;
  readonly open_ops = new Map<number, Event['type']>();
  readonly config: VmConfig;
  onStep: (event: Event, effects: readonly Effect[], before: State, after: State) => void = () =>
    undefined;
  #next_op = 1;
  #sessions = 0;

  constructor(config: VmConfig = CONFIG, node = 'pm1') {
    this.config = config;
    this.state = initialState(node, config.resource);
  }

  op(timeout_ms = 120_000): OpRef {
    return { id: this.#next_op++, deadline_ms: this.now_ms + timeout_ms };
  }

  post(event: Event): readonly Effect[] {
    if ('op' in event) this.open_ops.set(event.op.id, event.type);
    const before = this.state;
    const { state, effects } = step(before, event, this.now_ms);
    this.state = state;
    for (const effect of effects) this.#take(effect);
    this.onStep(event, effects, before, state);
    return effects;
  }

  #take(effect: Effect): void {
    if (effect.type === 'run') {
      this.outstanding.set(effect.tag, effect.task);
      if (effect.task.task === 'launch-remus') this.fed = effect.task.replica;
      if (effect.task.task === 'launch-receiver') this.held = effect.task.replica;
    } else if (effect.type === 'timer') {
      const { tag, ms } = effect;
      this.timers.set(tag, { tag, ms, due_ms: this.now_ms + ms });
    } else if (effect.type === 'reply') {
      this.open_ops.delete(effect.op);
    }
  }

  look(): Look {
    const { guest, incoming } = this;
    if (guest === 'absent') return { guest: { kind: 'absent' }, incoming };
    if (guest === 'ended') return { guest: { kind: 'ended', domid: 7, how: this.end }, incoming };
    return { guest: { kind: guest, domid: 7 }, incoming };
  }

  /** Carry a task out on the toy world, and bring its result. */
  succeed(tag: number, value?: unknown): readonly Effect[] {
    const task = this.outstanding.get(tag);
    if (task === undefined) throw new Error(`no task ${tag} is outstanding`);
    this.outstanding.delete(tag);
    const found = this.#carryOut(task);
    return this.post({ type: 'done', tag, task: task.task, value: value ?? found } as Done);
  }

  fail(tag: number, error: string): readonly Effect[] {
    const task = this.outstanding.get(tag);
    if (task === undefined) throw new Error(`no task ${tag} is outstanding`);
    this.outstanding.delete(tag);
    return this.post({ type: 'failed', tag, task: task.task, error });
  }

  fire(tag: number): readonly Effect[] {
    const timer = this.timers.get(tag);
    if (timer === undefined) throw new Error(`no timer ${tag} is set`);
    this.timers.delete(tag);
    this.now_ms = Math.max(this.now_ms, timer.due_ms);
    return this.post({ type: 'timer', tag });
  }

  /** The newest outstanding task of a name. */
  tagOf(name: TaskName): number | null {
    let found: number | null = null;
    for (const [tag, task] of this.outstanding) if (task.task === name) found = tag;
    return found;
  }

  nextTimer(): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.timers.values())
      if (first === null || timer.due_ms < first.due_ms) first = timer;
    return first;
  }

  foundPause(): FoundPause | null {
    if (this.paused === null) return null;
    const pause = parsePause(this.paused);
    const left_ms = pause.until === null ? null : Date.parse(pause.until) - this.now_ms;
    return { pause, text: this.paused, left_ms };
  }

  /** An operator's, for so long. */
  pause(for_ms: number | null = null): Pause {
    const at = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
    const until = for_ms === null ? null : at(Math.ceil((this.now_ms + for_ms) / 1000) * 1000);
    return { by: 'root', node: 'pm1', at: at(this.now_ms), until, why: null };
  }

  #carryOut(task: Task): unknown {
    switch (task.task) {
      case 'look':
        return this.look();
      case 'clean':
        this.incoming = false;
        if (task.domain) this.guest = 'absent';
        return undefined;
      case 'create':
        this.guest = 'running';
        return undefined;
      case 'activate':
        this.guest = 'running';
        this.incoming = false;
        return undefined;
      case 'destroy-handed-over':
      case 'destroy-guest':
        this.guest = 'absent';
        return undefined;
      case 'shutdown-guest':
        if (this.guest === 'running') this.guest = 'ended';
        return undefined;
      case 'launch-receiver':
        this.incoming = true;
        return { port: 40_001 };
      case 'read-record':
        return this.record;
      case 'write-record':
      case 'grant':
      case 'withdraw':
        this.record = formatRecord(task.record);
        return undefined;
      case 'membership':
        return this.membership;
      case 'find-peers': {
        this.#sessions += 1;
        const session = this.#sessions.toString(16).padStart(8, 'a');
        const { peers } = this;
        const paused = this.foundPause();
        return { peers, none_because: 'peer pm2 is offline', session, paused };
      }
      case 'write-pause': {
        const changed = (this.paused === null) !== (task.pause === null);
        this.paused = task.pause === null ? null : formatPause(task.pause);
        return { changed };
      }
      case 'end-pause':
        if (this.paused === task.text) this.paused = null;
        return undefined;
      case 'prepare-peer':
        return { port: 40_001 };
      case 'planned-promotion':
        return { node: this.planned };
      case 'ask-backup':
        return { problem: null };
      case 'register':
      case 'unregister':
      case 'launch-remus':
      case 'finish-sender':
      case 'end-replication':
      case 'lift-hold':
      case 'drop-peer':
      case 'tell-activated':
      case 'tell-paused':
        return undefined;
    }
  }
}

export function grantOf(text: string | null): ReturnType<typeof parseRecord> {
  return parseRecord(text);
}
