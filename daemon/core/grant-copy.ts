/** The grant of a planned move's copy (move.ts): written when the domain is gone here, and not before. handover -> grant -> idle */
import { grantOf } from './grant.js';
import { DELAY, SCORE } from './policy.js';
import type { Phase } from './state.js';
import type { Turn } from './turn.js';

type Demoting = Extract<Phase, { kind: 'demoting' }>;

/** Nothing of it runs here any more, nor will: now its copy may be promoted, and must be found. */
export function grantCopy(turn: Turn, phase: Demoting): void {
  if (phase.run === null) return;
  const record = grantOf(turn.state.node, phase.generation, phase.run);
  const node = phase.run.peer.node;
  const tag = turn.run({ task: 'grant', record, node, score: SCORE.granted });
  turn.to({ ...phase, step: 'grant', tag });
}

/** Without the grant the VM starts from its configuration there: it is handed over in any case. */
export function copyNotGranted(
  turn: Turn,
  phase: Demoting,
  error: string,
  handedOver: (turn: Turn, phase: Demoting) => void,
): void {
  if (turn.left(phase.op, DELAY.margin) > 0) {
    turn.note('the copy is not granted yet; trying again', { error });
    turn.to({ ...phase, tag: turn.timer(DELAY.promote_retry) });
    return;
  }
  turn.note('the copy could not be granted: the VM will start without its memory', { error });
  handedOver(turn, phase);
}
