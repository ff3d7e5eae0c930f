/** Replication that was never granted is ended, and what it has left is taken away. launching | seeding -> abandoning(end -> lift) -> none */
import type { ReplicaId } from '../relay/control.js';
import { PAUSED } from './policy.js';
import { type Primary, setProtection, unprotected } from './primary.js';
import type { Peer, Protection } from './state.js';
import type { Turn } from './turn.js';

type Abandoning = Extract<Protection, { kind: 'abandoning' }>;

export const NOTHING_LEFT = { peer: null, replica: null };

/** launching | seeding -> abandoning: there is no grant to withdraw. */
export function abandon(
  turn: Turn,
  phase: Primary,
  { peer, replica }: { readonly peer: Peer; readonly replica: ReplicaId },
  reason: string,
): void {
  turn.note('replication ended before it was granted', { peer: peer.node, reason });
  endLeftOver(turn, phase, reason, { peer, replica });
}

/** No grant is owed, but a sender, held output or a suspended guest may still be left of an earlier replication. */
export function endLeftOver(
  turn: Turn,
  phase: Primary,
  reason: string,
  left: { readonly peer: Peer | null; readonly replica: ReplicaId | null } = NOTHING_LEFT,
): void {
  const tag = turn.run({ task: 'end-replication', reason });
  const { peer, replica } = left;
  setProtection(turn, phase, { kind: 'abandoning', reason, peer, replica, step: 'end', tag });
}

export function abandonRun(turn: Turn, protection: Abandoning): Abandoning {
  const tag =
    protection.step === 'end'
      ? turn.run({ task: 'end-replication', reason: protection.reason })
      : turn.run({ task: 'lift-hold' });
  return { ...protection, tag };
}

export function abandonStep(turn: Turn, phase: Primary, protection: Abandoning): void {
  if (protection.step === 'end') {
    setProtection(turn, phase, abandonRun(turn, { ...protection, step: 'lift' }));
    return;
  }
  if (protection.peer !== null && protection.replica !== null) {
    const paused = protection.reason === PAUSED;
    const { peer, replica } = protection;
    turn.run({ task: 'drop-peer', peer: peer.node, replica, paused });
  }
  unprotected(turn, phase, protection.reason);
}
