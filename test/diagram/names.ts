/** States and events by the names that a reader sees. */
import { DELAY } from '../../daemon/core/policy.js';
import type { Phase, Protection, State, VmConfig } from '../../daemon/core/state.js';
import type { ReceiverPhase } from '../../daemon/relay/control.js';
import { NOW_MS } from './moves.js';

/** Where a machine is: of `kind` there are a dozen, `sub` and `step` tell more. */
export interface Name {
  readonly kind: Phase['kind'];
  readonly sub: string | null;
  readonly step: string | null;
}

export function nameOf(phase: Phase): Name {
  const { kind } = phase;
  switch (kind) {
    case 'primary': {
      const { protection } = phase;
      if (protection.kind === 'granting' && protection.again !== null)
        return { kind, sub: 'granting', step: 'again' };
      return { kind, sub: protection.kind, step: 'step' in protection ? protection.step : null };
    }
    case 'replica': {
      const { phase: is, connected, unfed } = phase.receiver;
      if (unfed) return { kind, sub: 'not fed', step: null };
      if (is === 'listening' || is === 'first-copy') return { kind, sub: 'receiving', step: null };
      return { kind, sub: is === 'ready' && !connected ? 'ready, primary lost' : is, step: null };
    }
    case 'idle':
    case 'dropping-replica':
      return { kind, sub: phase.problem ? 'problem' : null, step: null };
    case 'stopped':
      return { kind, sub: null, step: null };
    default:
      return { kind, sub: null, step: phase.step };
  }
}

const KINDS: Readonly<Record<Phase['kind'], number>> = {
  ...{
    stopped: 0,
    starting: 1,
    idle: 2,
    'preparing-replica': 3,
    replica: 4,
    'dropping-replica': 5,
  },
  ...{ stopping: 6, promoting: 7, adopting: 8, primary: 9, demoting: 10, 'guest-ended': 11 },
};

const PROTECTIONS: Readonly<Record<Protection['kind'], number>> = {
  ...{ none: 0, preparing: 1, launching: 2, seeding: 3, granting: 4, protected: 5 },
  ...{ abandoning: 6, withdrawing: 7 },
};

/** The order in which a reader wants them; within a phase as they were found. */
export function inOrder<T>(all: readonly T[], nameIn: (one: T) => Name): T[] {
  const rank = ({ kind, sub }: Name): number =>
    KINDS[kind] * 10 + (kind === 'primary' ? PROTECTIONS[sub as Protection['kind']] : 0);
  return all.toSorted((a, b) => rank(nameIn(a)) - rank(nameIn(b)));
}

/** `primary: withdrawing, write`; with less depth `primary: withdrawing` or `primary`. */
export function text({ kind, sub, step }: Name, depth: 'kind' | 'sub' | 'step' = 'step'): string {
  const more = depth === 'kind' ? [] : depth === 'sub' ? [sub] : [sub, step];
  const known = more.filter((one) => one !== null);
  return known.length === 0 ? kind : `${kind}: ${known.join(', ')}`;
}

/** Labels that begin alike are told together: `look says running, paused`. */
export function inShort(labels: readonly string[], most = Infinity): readonly string[] {
  const groups = new Map<string, string[]>();
  for (const label of labels) {
    const [, begin = label, rest = ''] = /^(.+ says |sender: |receiver: )(.+)$/.exec(label) ?? [];
    const group = groups.get(begin) ?? [];
    groups.set(begin, [...group, rest]);
  }
  return [...groups].map(([begin, rests]) =>
    rests.length > most
      ? `${begin}${rests.slice(0, most - 1).join(', ')} ...`
      : begin + rests.join(', '),
  );
}

/** What may make the difference when one event leads to several places. */
export const FACTS: Readonly<Record<string, (before: State, config: VmConfig) => boolean>> = {
  'a demote or stop waits': ({ phase }) => phase.kind === 'primary' && phase.leaving !== null,
  'the guest has ended': ({ phase }) => phase.kind === 'primary' && phase.ended !== null,
  'seen so twice': ({ phase }) => phase.kind === 'primary' && phase.guest.kind === 'suspended',
  'its end means a restart': ({ phase }) => phase.kind === 'guest-ended' && phase.how === 'reboot',
  'on_no_replica=refuse': (_, config) => config.on_no_replica === 'refuse',
  'on the way to stopped': ({ phase }) => phase.kind === 'demoting' && phase.then === 'stopped',
  'it was not its VM': ({ phase }) => phase.kind === 'demoting' && phase.whose === 'left over',
  'it was being taken over': ({ phase }) => phase.kind === 'demoting' && phase.whose === 'adopted',
  'a withdrawal is owed': ({ phase }) =>
    phase.kind === 'demoting' && (phase.run !== null || phase.owed !== null),
  'it was not started here': ({ phase }) => phase.kind === 'stopping' && phase.was_stopped,
  'for a cold start': ({ phase }) => phase.kind === 'promoting' && phase.cold_reason !== null,
  'its time is nearly up': ({ phase }) =>
    phase.kind === 'promoting' && phase.op.deadline_ms < NOW_MS + DELAY.margin,
  'no replica': ({ phase }) => phase.kind === 'promoting' && phase.held === null,
  'a replica without a checkpoint': holds((is, complete) => complete === 0 && is !== 'ended'),
  'a ready replica': holds((is, _, connected) => is === 'ready' && connected),
  'a ready replica, primary lost': holds((is, _, connected) => is === 'ready' && !connected),
  'a replica whose activation was ordered before': holds(
    (is) => is === 'activating' || is === 'activated',
  ),
  'a replica that has ended': holds((is) => is === 'ended'),
};

function holds(
  is: (phase: ReceiverPhase, complete: number, connected: boolean) => boolean,
): (before: State) => boolean {
  return ({ phase }) => {
    const receiver = phase.kind === 'promoting' ? phase.held?.receiver : undefined;
    return receiver !== undefined && is(receiver.phase, receiver.complete, receiver.connected);
  };
}
