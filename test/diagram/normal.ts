/** The normal form of a state: whatever numbers differ from life to life are made the same. */
import type { ReplicaId } from '../../daemon/relay/control.js';
import type { Guest, GuestEnd, Phase, State } from '../../daemon/core/state.js';
import { copied, PAUSE_OVER, PAUSED } from '../../daemon/core/policy.js';
import { runOf } from '../../daemon/core/primary.js';
import { senderState } from '../unit/core/rig.js';
import { type Awaited, NOW_MS, OURS, THEIRS } from './moves.js';

interface Place {
  readonly state: State;
  readonly awaited: ReadonlyMap<number, Awaited>;
}

/** No timer or task has it. */
const NO_TAG = 0;
const NEXT_TAG = 1_000;
/** Moments. What is left of an action's time matters, and how long a sender has stood still is seen within one move. */
const CLOCKS = new Set(['since_ms', 'looked_ms', 'asked_ms', 'heard_ms', 'stopped_ms', 'at_ms']);

/** The same state with normal numbers, and its name among all states. */
export function normal({ state, awaited }: Place): Place & { readonly key: string } {
  const tags = new Map<number, number>();
  const waits = new Map<number, Awaited>();
  const renumber = (field: string, tag: number): number => {
    const what = awaited.get(tag);
    if (tag === NO_TAG || what === undefined) return NO_TAG;
    const known = tags.get(tag) ?? tags.size + 1;
    tags.set(tag, known);
    waits.set(known, what.kind === 'timer' ? { ...what, field } : what);
    return known;
  };
  const { monitors, phase, resync } = state;
  const plain = {
    ...state,
    ...{ looked: null, joined: [], last_switchover: null, start_failed: false, paused: null },
    // Since when it is unprotected is only told.
    resync: resync === null ? null : { ...resync, since_ms: null },
    // Only what is found while nothing of the VM is here has consequences.
    monitors: phase.kind === 'stopped' ? monitors : [],
  };
  const made = withCopy(walk(plain, '', renumber) as State, phase);
  const waiting = [...waits].map(([tag, what]) =>
    what.kind === 'timer' ? `${tag} ${what.field}` : `${tag} ${what.task.task}`,
  );
  return {
    state: made,
    awaited: waits,
    key: `${JSON.stringify(made, withoutWords)} ${waiting.join()}`,
  };
}

/** What the sender has said is forgotten, but for the one word that is acted upon later. */
function withCopy(made: State, before: Phase): State {
  const { phase } = made;
  const now = phase.kind === 'primary' && phase.protection.kind === 'seeding' ? phase : null;
  if (now === null || before.kind !== 'primary' || copied(before.protection) === null) return made;
  const run = runOf(now.protection);
  if (run === null) return made;
  const sender = senderState(run.replica, { phase: 'flowing', acked: 1, holding_none: true });
  return {
    ...made,
    phase: { ...now, protection: { kind: 'seeding', run: { ...run, sender } } },
  };
}

/** Sentences change nothing but what is said. Two are more than that. */
function withoutWords(key: string, value: unknown): unknown {
  if (key === 'config') return value !== null;
  if (key === 'reason' || key === 'said')
    return value === PAUSED || value === PAUSE_OVER ? value : undefined;
  return key === 'cold_reason' || key === 'again' ? value !== null : value;
}

/** By the part of the state that has it. */
const OTHERS_TAGS: Readonly<Record<string, string>> = {
  switchover: 'tag',
  moving: 'limit_tag',
  pausing: 'limit_tag',
  resync: 'limit_tag',
};

function walk(
  value: unknown,
  key: string,
  renumber: (field: string, tag: number) => number,
): unknown {
  if (typeof value === 'number') return number(value, key, renumber);
  if (key === 'ended' || key === 'how') return END[value as GuestEnd] ?? value;
  if (Array.isArray(value)) return value.map((each) => walk(each, key, renumber));
  if (typeof value !== 'object' || value === null) return value;
  if (key === 'sender') return null;
  if (key === 'replica') return replica(value as ReplicaId);
  if (key === 'guest') return guest(value as Guest);
  if (key === 'config') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      // Their timers are others than the phase's.
      name === OTHERS_TAGS[key]
        ? renumber(key === 'pausing' ? 'pause' : key, Number(each))
        : walk(each, name, renumber),
    ]),
  );
}

function number(
  value: number,
  key: string,
  renumber: (field: string, tag: number) => number,
): number {
  if (key === 'next_tag') return NEXT_TAG;
  if (key === 'tag' || key.endsWith('_tag')) return renumber(key, value);
  if (CLOCKS.has(key)) return NOW_MS;
  if (key === 'still_ms' || key === 'attempts' || key === 'applied') return 0;
  if (key === 'generation' || key === 'complete') return Math.min(value, 1);
  return value;
}

/** Which of the two it is matters, not the how many. */
function replica({ session }: ReplicaId): ReplicaId {
  return session === OURS.session
    ? OURS
    : session === THEIRS.session
      ? THEIRS
      : { generation: 1, session };
}

/** Suspended is what a guest may be left as; its end is kept elsewhere. */
function guest({ kind }: Guest): Guest {
  return { kind: kind === 'suspended' ? kind : 'running', domid: 7 };
}

/** What becomes of the VM is what matters: with the configuration of these lives, one of two. */
const END: Readonly<Partial<Record<GuestEnd | 'gone', GuestEnd>>> = {
  gone: 'poweroff',
  crash: 'reboot',
};
