/** States and events by the names that a reader sees. */
import { DELAY } from '../../daemon/core/policy.js';
import type { Phase, State, VmConfig } from '../../daemon/core/state.js';
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
      return { kind, sub: protection.kind, step: 'step' in protection ? protection.step : null };
    }
    case 'replica': {
      const { phase: is, connected } = phase.receiver;
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

/** `primary: withdrawing, write`; with less depth `primary: withdrawing` or `primary`. */
export function text({ kind, sub, step }: Name, depth: 'kind' | 'sub' | 'step' = 'step'): string {
  const more = depth === 'kind' ? [] : depth === 'sub' ? [sub] : [sub, step];
  const known = more.filter((one) => one !== null);
  return known.length === 0 ? kind : `${kind}: ${known.join(', ')}`;
}

/** What may make the difference when one event leads to several places. */
export const FACTS: Readonly<Record<string, (before: State, config: VmConfig) => boolean>> = {
  'a demote or stop waits': ({ phase }) => phase.kind === 'primary' && phase.leaving !== null,
  'the guest has ended': ({ phase }) => phase.kind === 'primary' && phase.ended !== null,
  'seen so twice': ({ phase }) => phase.kind === 'primary' && phase.guest.kind === 'suspended',
  'its end means a restart': ({ phase }) => phase.kind === 'guest-ended' && phase.how === 'reboot',
  'on_no_replica=refuse': (_, config) => config.on_no_replica === 'refuse',
  'on the way to stopped': ({ phase }) => phase.kind === 'demoting' && phase.then === 'stopped',
  'it was not its VM': ({ phase }) => phase.kind === 'demoting' && phase.generation === 0,
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
