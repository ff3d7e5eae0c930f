/** What a judge of a drill says. Pure. */
import type { DrillStep } from '../../ctl/drill.js';
import type { Evidence } from './proofs.js';

export type StepFinding = Omit<DrillStep, 'id'>;
export type StepJudge = (evidence: Evidence) => StepFinding;

interface ToDo {
  readonly fix?: string;
  readonly on?: string;
}

export function ok(what: string, took_ms: number | null): StepFinding {
  return { verdict: 'ok', what, took_ms };
}

/** @param todo what to type, and where */
export function fails(what: string, took_ms: number | null, todo: ToDo = {}): StepFinding {
  return { verdict: 'fails', what, took_ms, ...todo };
}

export function unknown(what: string, took_ms: number | null, todo: ToDo = {}): StepFinding {
  return { verdict: 'unknown', what, took_ms, ...todo };
}
