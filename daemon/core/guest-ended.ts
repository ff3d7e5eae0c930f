/**
 * The guest ended by its own doing; its replica is unusable by now. remusd is the only watcher of the
 * domain, so on_poweroff, on_reboot and on_crash are carried out here.
 * primary -> guest-ended(destroy -> create [-> look]) -> primary, or guest-ended(destroy -> rest): Pacemaker decides. A create that
 * failed may have left a domain, even one that runs.
 */
import type { Done } from './event.js';
import { actionOnEnd, endInWords } from './policy.js';
import { enterPrimary } from './primary.js';
import type { Guest, GuestEnd, Phase } from './state.js';
import { Turn } from './turn.js';

type Ended = Extract<Phase, { kind: 'guest-ended' }>;

export function guestEnded(turn: Turn, generation: number, how: GuestEnd | 'gone'): void {
  turn.to({
    kind: 'guest-ended',
    generation,
    how,
    step: 'destroy',
    failed: null,
    tag: turn.run({ task: 'clean', domain: true }),
  });
}

export function endedDone(turn: Turn, phase: Ended, event: Done): void {
  if (event.tag !== phase.tag) return;
  const restart = phase.failed === null && actionOnEnd(turn.config, phase.how) === 'restart';
  if (phase.step === 'destroy' && restart) {
    turn.to({ ...phase, step: 'create', tag: turn.run({ task: 'create', config: turn.config }) });
  } else if (phase.step === 'create') {
    restarted(turn, phase);
  } else if (event.task === 'look') {
    lookedAt(turn, phase, event.value.guest);
  } else rest(turn, phase);
}

export function endedFailed(turn: Turn, phase: Ended, error: string): void {
  const failed = phase.failed ?? error;
  if (phase.step === 'create') lookAgain(turn, { ...phase, failed });
  else rest(turn, { ...phase, failed });
}

/**
 * A monitor has seen the domain. Pacemaker was told that the VM does not run, and xl may have been late; or it was asked before the
 * guest ended, which only another look can tell.
 */
export function seenAfterAll(turn: Turn, phase: Ended, guest: Guest): void {
  if (phase.step === 'rest' && guest.kind !== 'absent' && guest.kind !== 'ended')
    lookAgain(turn, phase);
}

function lookAgain(turn: Turn, phase: Ended): void {
  turn.to({ ...phase, step: 'look', tag: turn.look() });
}

/** What xl has left of a create that failed: a VM that runs is not destroyed again. */
function lookedAt(turn: Turn, phase: Ended, guest: Guest): void {
  if (guest.kind === 'running') restarted(turn, phase);
  else turn.to({ ...phase, step: 'destroy', tag: turn.run({ task: 'clean', domain: true }) });
}

function restarted(turn: Turn, phase: Ended): void {
  const because = endInWords(phase.how);
  const failed = phase.failed === null ? {} : { although: phase.failed };
  turn.note('restarted in place', { because, ...failed });
  enterPrimary(turn, phase.generation, because);
}

function rest(turn: Turn, phase: Ended): void {
  const ended = endInWords(phase.how);
  const reason = phase.failed === null ? ended : `${ended}, and then: ${phase.failed}`;
  turn.note('the VM does not run any more; telling Pacemaker', { reason });
  turn.push({ type: 'report-failure', reason });
  turn.to({ ...phase, step: 'rest', tag: Turn.NO_TAG });
}
