/**
 * What can happen next to a machine in a state: every request, every outcome of every task that it waits for, every timer
 * that it has set, every word of a data process or of a peer. Not what the world cannot do: a receiver says
 * "activated" only after an order.
 */
import type { Task } from '../../daemon/core/effect.js';
import type { Done, Event, Findings } from '../../daemon/core/event.js';
import { parsePause } from '../../daemon/core/pause-record.js';
import { formatRecord, parseRecord, type VmRecord } from '../../daemon/core/record.js';
import type { Guest, Look, Phase, State, VmConfig } from '../../daemon/core/state.js';
import type {
  ReceiverPhase,
  ReplicaId,
  SenderPhase,
  SenderState,
} from '../../daemon/relay/control.js';
import { CONFIG, peerNamed, receiverState, senderState } from '../unit/core/rig.js';

/** Something that happens, with a name for the reader. Several events: one after another, a second between them. */
export interface Move {
  readonly label: string;
  readonly events: readonly Event[];
}

/** What a tag of the state stands for: a task that runs, or a timer; `field` is the tag's name in the state. */
export type Awaited =
  | { readonly kind: 'task'; readonly task: Task }
  | { readonly kind: 'timer'; readonly field: string };

export const NODE = 'pm1';
export const PEER = 'pm2';
/** In place of every reason and error that comes from outside of the machine. */
export const REASON = 'REASON';
export const NOW_MS = 1_000_000;
export const OURS: ReplicaId = { generation: 1, session: 'aaaaaaaa' };
export const THEIRS: ReplicaId = { generation: 1, session: 'bbbb0001' };
const STRANGER: ReplicaId = { generation: 1, session: 'deadbeef' };

/** Nothing but words depends on what is said with it. */
const PAUSE = parsePause('true');

const op = (timeout_ms: number) => ({ id: 1, deadline_ms: NOW_MS + timeout_ms });
const LONG = op(120_000);
/** So little is left that nothing is tried again. */
const SHORT = op(5_000);

const GUESTS: Readonly<Record<string, Guest>> = {
  'no domain': { kind: 'absent' },
  running: { kind: 'running', domid: 7 },
  paused: { kind: 'paused', domid: 7 },
  suspended: { kind: 'suspended', domid: 7 },
  'powered off': { kind: 'ended', domid: 7, how: 'poweroff' },
  'wants a reboot': { kind: 'ended', domid: 7, how: 'reboot' },
  crashed: { kind: 'ended', domid: 7, how: 'crash' },
};

export function movesOf(
  state: State,
  awaited: ReadonlyMap<number, Awaited>,
  config: VmConfig,
): readonly Move[] {
  return [
    ...requests(state, config),
    ...[...awaited].flatMap(([tag, what]) =>
      what.kind === 'timer' ? timer(tag, what.field) : outcomes(tag, what.task, state.phase),
    ),
    ...senderMoves(state.phase),
    ...receiverMoves(state.phase),
    ...peerMoves(state.phase),
    one("the CIB's configuration has changed", { type: 'configuration-changed' }),
    one('the agent has stopped it by itself', { type: 'disowned' }),
  ];
}

function one(label: string, event: Event): Move {
  return { label, events: [event] };
}

function requests(state: State, config: VmConfig): Move[] {
  const moves = [
    one('start', { type: 'op-start', op: LONG, config }),
    one('stop', { type: 'op-stop', op: LONG, config }),
    one('promote', { type: 'op-promote', op: LONG }),
    one('promote', { type: 'op-promote', op: SHORT }),
    one('demote', { type: 'op-demote', op: LONG }),
    one('remusctl switchover', { type: 'op-switchover', op: LONG, to: null }),
    one('remusctl pause', { type: 'op-pause', op: LONG, pause: PAUSE }),
    one('remusctl resume', { type: 'op-resume', op: LONG }),
    one('remusctl resync', { type: 'op-resync', op: LONG, asker: { by: null, node: NODE } }),
  ];
  // One that waits is enough.
  if (state.monitors.length > 0) return moves;
  return [...moves, one('monitor', { type: 'op-monitor', op: LONG, config, probe: false })];
}

const TIMERS: Readonly<Record<string, string>> = {
  tag: 'after a while',
  poll_tag: 'time to look',
  record_tag: 'time to look at the record',
  watch_tag: 'sender: silent for too long',
  limit_tag: 'time limit',
  switchover: 'a switchover takes too long',
  pause: 'a pause takes too long',
  resync: 'a resync takes too long',
  moving: 'a copy takes too long',
};

function timer(tag: number, field: string): Move[] {
  return [one(TIMERS[field] ?? field, { type: 'timer', tag })];
}

/** Each way in which a task can end. */
function outcomes(tag: number, task: Task, phase: Phase): Move[] {
  const name = task.task;
  const ends = results(task, phase).map(([words, value]) =>
    one(words === '' ? `${name} done` : `${name} says ${words}`, {
      ...{ type: 'done', tag, task: name, value },
    } as Done),
  );
  return [...ends, one(`${name} failed`, { type: 'failed', tag, task: name, error: REASON })];
}

function results(task: Task, phase: Phase): (readonly [string, unknown])[] {
  switch (task.task) {
    case 'look':
      return Object.entries(GUESTS).map(([words, guest]) => [words, { guest, incoming: false }]);
    case 'read-record':
      if (task.at === 'dc') return recordsAtDc(phase);
      return task.at.node === NODE ? ownRecords(phase) : recordsAtPeer(phase);
    case 'membership':
      return (['member', 'fenced', 'neither'] as const).map((is) => [is, is]);
    case 'find-peers': {
      const { session } = OURS;
      const nobody = { none_because: '', session };
      const found = (left_ms: number | null) => ({ pause: PAUSE, text: 'true', left_ms });
      return [
        ['one', { peers: [peerNamed(PEER)], none_because: '', session, paused: null }],
        ['none', { peers: [], none_because: REASON, session, paused: null }],
        ['that it is paused', { ...nobody, peers: [peerNamed(PEER)], paused: found(null) }],
        ['that its pause is over', { ...nobody, peers: [peerNamed(PEER)], paused: found(0) }],
      ];
    }
    case 'planned-promotion':
      return [
        ['the granted replica', { node: PEER }],
        ['another node', { node: 'pm3' }],
        ['nowhere', { node: null }],
      ];
    case 'ask-backup':
      return [
        ['that it holds the replica', { problem: null }],
        ['that it does not', { problem: REASON }],
      ];
    case 'write-pause':
      return [['', { changed: true }]];
    case 'prepare-peer':
    case 'launch-receiver':
      return [['', { port: 40_001 }]];
    default:
      return [['', undefined]];
  }
}

function recordsAtDc(phase: Phase): (readonly [string, unknown])[] {
  const grant = (node: string, replica: ReplicaId): string =>
    formatRecord({ generation: 1, primary: PEER, grant: { node, replica } });
  const found: (readonly [string, unknown])[] = [
    ['none yet', null],
    ['no grant', 'g=1 primary=pm2 grant=none'],
    ['damaged', 'g=one'],
    ['granted elsewhere', grant(PEER, THEIRS)],
  ];
  if (phase.kind !== 'promoting') return found;
  return [
    ...found,
    ['granted here', grant(NODE, phase.held?.replica ?? THEIRS)],
    ['another granted here', grant(NODE, STRANGER)],
  ];
}

/** What a primary finds of its grant when it looks. */
function ownRecords(phase: Phase): (readonly [string, unknown])[] {
  if (phase.kind !== 'primary' || !('run' in phase.protection)) return [];
  const { replica } = phase.protection.run;
  const grant = { node: PEER, replica };
  return [
    ['the grant', formatRecord({ generation: phase.generation, primary: NODE, grant })],
    ['none', null],
    ['another promotion', `g=${phase.generation + 1} primary=pm2 grant=none`],
  ];
}

/** A withdrawal asks the peer's own CIB, and a claim that takes its grant away. */
function recordsAtPeer(phase: Phase): (readonly [string, unknown])[] {
  if (phase.kind === 'promoting' && phase.record !== null)
    return [
      ['the claim', formatRecord(phase.record)],
      ['still its grant', 'g=1 primary=pm1 grant=pm2/1/aaaaaaaa'],
    ];
  if (phase.kind !== 'primary' || phase.protection.kind !== 'withdrawing') return [];
  const withdrawn: VmRecord = {
    generation: phase.generation,
    primary: NODE,
    grant: null,
    withdrawn: { node: phase.protection.peer.node, replica: phase.protection.replica },
  };
  return [
    ['the withdrawal', formatRecord(withdrawn)],
    ['still the grant', 'g=1 primary=pm1 grant=pm2/1/aaaaaaaa'],
  ];
}

const SAID: readonly (readonly [string, Parameters<typeof senderState>[1]])[] = [
  ['connecting', { phase: 'connecting' }],
  ['first copy', { phase: 'first-copy', percent: 40 }],
  ['first checkpoint, not held yet', { phase: 'flowing', acked: 1 }],
  ['checkpoint acknowledged, output held', { phase: 'flowing', acked: 2, holding: true }],
  ['checkpoint acknowledged, no output', { phase: 'flowing', acked: 1, holding_none: true }],
  ['taking the last checkpoint', { phase: 'finishing', acked: 2, holding: true }],
  ['handed over', { phase: 'finished', acked: 2, holding: true }],
  ['ended', { phase: 'ended', reason: REASON }],
];

/** Of the sender that somebody listens to: while the VM runs here, and while a handover waits for its backup. */
function fed(phase: Phase): ReplicaId | null {
  if (phase.kind === 'demoting') return phase.step === 'ask' ? (phase.run?.replica ?? null) : null;
  if (phase.kind !== 'primary') return null;
  const { protection } = phase;
  if ('run' in protection) return protection.run.replica;
  return 'replica' in protection ? protection.replica : null;
}

function senderMoves(phase: Phase): Move[] {
  const replica = fed(phase);
  if (replica === null) return [];
  const says = (shape: Parameters<typeof senderState>[1]): Event => ({
    type: 'sender',
    state: senderState(replica, shape),
  });
  const still = says({ phase: 'flowing', acked: 2, holding: true, bytes: 1 });
  const { session } = replica;
  return [
    ...SAID.map(([words, shape]) => one(`sender: ${words}`, says(shape))),
    { label: 'sender: nothing more comes from xl', events: Array<Event>(12).fill(still) },
    one('sender gone', { type: 'sender-gone', session, reason: REASON }),
  ];
}

const RECEIVERS: Readonly<Record<'receiving' | 'activating', readonly ReceiverPhase[]>> = {
  receiving: ['listening', 'first-copy', 'ready', 'ended'],
  activating: ['activating', 'activated', 'ended'],
};

const COMPLETE: ReadonlySet<ReceiverPhase> = new Set(['ready', 'activating', 'activated']);

function receiverMoves(phase: Phase): Move[] {
  const held =
    phase.kind === 'replica' ? phase : phase.kind === 'promoting' ? phase.held : undefined;
  if (held === null || held === undefined) return [];
  const { replica, receiver } = held;
  const ordered =
    receiver.phase === 'activating' || (phase.kind === 'promoting' && phase.step === 'activate');
  const says = (is: ReceiverPhase, connected = true, silent_ms = 0): Event => ({
    type: 'receiver',
    state: receiverState(replica, is, COMPLETE.has(is) ? 1 : 0, connected, silent_ms),
  });
  const silent_ms = 10 * CONFIG.replication_timeout_ms;
  return [
    ...RECEIVERS[ordered ? 'activating' : 'receiving'].map((is) =>
      one(`receiver: ${is}`, says(is)),
    ),
    ...(ordered
      ? []
      : [
          one('receiver: the primary is gone', says('ready', false)),
          one('receiver: the primary is silent', says('ready', true, silent_ms)),
          one('receiver: the primary is gone for long', says('ready', false, silent_ms)),
        ]),
    one('receiver gone', { type: 'receiver-gone', session: replica.session, reason: REASON }),
  ];
}

function peerMoves(phase: Phase): Move[] {
  const held = phase.kind === 'replica' ? phase.replica : THEIRS;
  return [
    one('the primary asks for a replica', {
      ...{ type: 'peer-prepare', request: 1, from: PEER, replica: THEIRS },
    }),
    one('the primary gives the replica up', { type: 'peer-drop', replica: held, paused: false }),
    one('the primary gives the replica up for a pause', {
      ...{ type: 'peer-drop', replica: held, paused: true },
    }),
    ...[true, false].map((paused) =>
      one(`the primary says that it is ${paused ? '' : 'not '}paused`, {
        ...{ type: 'peer-paused', from: PEER, generation: 1, paused },
      }),
    ),
    one('the peer speaks another protocol', {
      ...{ type: 'peer-version', from: PEER, problem: REASON },
    }),
    one('the peer can be understood', { type: 'peer-version', from: PEER, problem: null }),
    one('the peer runs the VM', { type: 'peer-activated', node: PEER, generation: 1 }),
  ];
}

const SENDERS: readonly (SenderState | null)[] = [
  null,
  ...(['connecting', 'first-copy', 'finishing', 'finished', 'ended'] satisfies SenderPhase[]).map(
    (phase) => senderState(OURS, { phase }),
  ),
  senderState(OURS, { phase: 'flowing', acked: 2, holding: true }),
];

/** What a former daemon has noted of this node. */
const WERE = [
  { was: ['was the primary'], was_primary: true, handing_over: false },
  { was: [], was_primary: false, handing_over: false },
  { was: ['was handing over'], was_primary: false, handing_over: true },
];

/** What a daemon can find when it comes back: of its own guess, of processes, of the CIB. */
export function recoveries(config: VmConfig): Move[] {
  const looks = ['no domain', 'running', 'paused', 'suspended', 'crashed'] as const;
  return looks.flatMap((words) =>
    WERE.flatMap(({ was, ...we }) =>
      findings(config, { guest: GUESTS[words] ?? { kind: 'absent' }, incoming: false }).map(
        ([found, all]) => recovery([`domain: ${words}`, ...was, ...found], { ...all, ...we }),
      ),
    ),
  );
}

function recovery(words: readonly string[], findings: Findings): Move {
  return one(`comes back (${words.join(', ')})`, { type: 'recovered', findings });
}

function findings(config: VmConfig, look: Look): (readonly [string[], Findings])[] {
  const none: Findings = {
    ...{ config, look, record: null, sender: null, receiver: null, peer: null, replica: null },
    ...{ from: null, was_primary: false, paused: null, leaving: false, generation: 0 },
    handing_over: false,
  };
  const record = (text: string): VmRecord | null => parseRecord(text);
  const records: (readonly [string, VmRecord | null])[] = [
    ['CIB silent', null],
    ['no grant', record('g=1 primary=pm1 grant=none')],
    ['granted', record('g=1 primary=pm1 grant=pm2/1/aaaaaaaa')],
  ];
  const peer = peerNamed(PEER);
  const feeding = records.flatMap(([says, text]) =>
    SENDERS.flatMap((sender) =>
      [true, false].map((noted): readonly [string[], Findings] => [
        [
          says,
          ...(sender === null ? [] : [`sender: ${sender.phase}`]),
          ...(noted ? ['replication noted'] : []),
        ],
        { ...none, record: text, sender, ...(noted ? { peer, replica: OURS } : {}) },
      ]),
    ),
  );
  const phases: readonly ReceiverPhase[] = [
    'listening',
    'ready',
    'activating',
    'activated',
    'ended',
  ];
  const connections = phases.flatMap((phase) => [true, false].map((is) => [phase, is] as const));
  const holding = connections.map(([phase, connected]): readonly [string[], Findings] => [
    [`receiver: ${phase}`, ...(connected ? [] : ['without the primary'])],
    {
      ...{ ...none, replica: THEIRS, from: PEER },
      receiver: receiverState(THEIRS, phase, COMPLETE.has(phase) ? 1 : 0, connected),
    },
  ]);
  const unfed: readonly [string[], Findings] = [
    ['receiver: ready', 'the primary is silent'],
    {
      ...{ ...none, replica: THEIRS, from: PEER },
      receiver: receiverState(THEIRS, 'ready', 1, true, 10 * CONFIG.replication_timeout_ms),
    },
  ];
  const left: readonly [string[], Findings] = [
    ['a replica without a receiver'],
    { ...none, look: { ...look, incoming: true } },
  ];
  const paused = feeding.map(([says, found]): readonly [string[], Findings] => [
    [...says, 'paused'],
    { ...found, paused: PAUSE },
  ]);
  return [...feeding, ...paused, ...holding, unfed, left];
}
