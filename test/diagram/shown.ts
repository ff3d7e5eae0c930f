/** What the outside sees of each state: crm_mon's words, the score, the monitor's answer, what remusctl says to type. */
import { OUTCOMES } from '../../agent/outcomes.js';
import type { Phase, State } from '../../daemon/core/state.js';
import { monitorFromLook, monitorFromState, score, words } from '../../daemon/core/view.js';
import { vmStatus } from '../../daemon/status-view.js';
import type { Vm } from '../../daemon/vm.js';
import { NOW_MS, REASON } from './moves.js';
import { type Name, nameOf, text } from './names.js';

export interface Shown {
  readonly name: Name;
  readonly words: Set<string>;
  readonly scores: Set<string>;
  readonly answers: Set<string>;
  readonly hints: Set<string>;
}

/** So long after a promotion, and after the last look. */
const LATER_MS = 10_000;
const NOTHING = { guest: { kind: 'absent' }, incoming: false } as const;
const AFTER_COLON = /^(unprotected, output held|unprotected|no replica|stopped): .*$/;

export class View {
  readonly states = new Map<string, Shown>();
  /** Every sentence that the machine gives as a reason: words for crm_mon to what remusctl says to type. */
  readonly reasons = new Map<string, string>();

  /** A state that has been reached. */
  add(state: State): void {
    const name = nameOf(state.phase);
    const shown = this.states.get(text(name)) ?? {
      ...{ name, words: new Set(), scores: new Set(), answers: new Set(), hints: new Set() },
    };
    this.states.set(text(name), shown);
    const spoken = words(state);
    if (spoken === null) shown.words.add('(no attribute)');
    else shown.words.add(withoutReason(spoken));
    shown.scores.add(String(score(state) ?? 'none'));
    shown.answers.add(answerOf(state));
    shown.hints.add(hintOf(withReason(state, REASON)));
  }

  /** A step: what it says when it comes to where it is. */
  addStep(before: State, after: State): void {
    if (before.phase === after.phase) return;
    const spoken = words(after);
    if (spoken !== words(before)) this.#reason(after, spoken);
  }

  /** What comes from outside of the machine, in a state that shows it. */
  addReason(state: State, reason: string): void {
    const said = withReason(state, reason);
    this.#reason(said, words(said));
  }

  #reason(state: State, spoken: string | null): void {
    if (spoken === null || !AFTER_COLON.test(spoken)) return;
    const told = spoken.replaceAll(REASON, '...');
    if (!this.reasons.has(told)) this.reasons.set(told, hintOf(state));
  }
}

function withoutReason(spoken: string): string {
  return spoken.replace(AFTER_COLON, `$1: ${REASON}`).replace(/\d+%/, 'N%');
}

function withReason(state: State, reason: string): State {
  const { phase } = state;
  const said =
    phase.kind === 'primary' && 'reason' in phase.protection
      ? { ...phase, protection: { ...phase.protection, reason } }
      : 'reason' in phase
        ? { ...phase, reason }
        : phase;
  return { ...state, phase: said satisfies Phase };
}

function answerOf(state: State): string {
  const now_ms = NOW_MS + LATER_MS;
  const { rc } = monitorFromState(state, now_ms, false) ?? monitorFromLook(state, NOTHING, false);
  const name = OUTCOMES.find(({ code }) => code === rc)?.name ?? '';
  return `${rc} ${name}`;
}

/** As `remusctl status` shows it. */
function hintOf(state: State): string {
  const vm = { driver: { state }, plane: { sender: null, receiver: null } } as unknown as Vm;
  return vmStatus(vm, null).hint ?? '';
}
