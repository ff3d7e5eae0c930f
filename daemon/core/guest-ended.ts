/**
 * The guest ended by its own doing; its replica is unusable by now. remusd is the only watcher of the
 * domain, so on_poweroff, on_reboot and on_crash are carried out here.
 * primary -> guest-ended(destroy -> create) -> primary, or guest-ended(destroy -> rest): Pacemaker decides.
 */
import type { Done } from './event.js';
import { actionOnEnd, endInWords } from './policy.js';
import { enterPrimary } from './primary.js';
import type { GuestEnd, Phase } from './state.js';
import { Turn } from './turn.js';

type Ended = Extract<Phase, { kind: 'guest-ended' }>;

export function guestEnded(turn: Turn, generation: number, how: GuestEnd | 'gone'): void {
  turn.to({
    kind: 'guest-ended',
    generation,
    how,
    step: 'destroy',
    tag: turn.run({ task: 'clean', domain: true }),
  });
}

export function endedDone(turn: Turn, phase: Ended, event: Done): void {
  if (event.tag !== phase.tag) return;
  if (phase.step === 'destroy' && actionOnEnd(turn.config, phase.how) === 'restart') {
    turn.to({ ...phase, step: 'create', tag: turn.run({ task: 'create', config: turn.config }) });
  } else if (phase.step === 'create') {
    turn.note('restarted in place', { because: endInWords(phase.how) });
    enterPrimary(turn, phase.generation, endInWords(phase.how));
  } else {
    rest(turn, phase, endInWords(phase.how));
  }
}

export function endedFailed(turn: Turn, phase: Ended, error: string): void {
  rest(turn, phase, `${endInWords(phase.how)}, and then: ${error}`);
}

function rest(turn: Turn, phase: Ended, reason: string): void {
  turn.note('the VM does not run any more; telling Pacemaker', { reason });
  turn.push({ type: 'report-failure', reason });
  turn.to({ ...phase, step: 'rest', tag: Turn.NO_TAG });
}
