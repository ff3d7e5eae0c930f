/** Whether something would be done, and if not, why. */
import type { Foresight, Verdict } from '../ctl/foresight.js';

export type Judgement = Pick<Foresight, 'verdict' | 'reason'>;

/** @param reason a sentence that says what to type next; none when it would be done */
export function judged(verdict: Verdict, reason?: string): Judgement {
  return reason === undefined ? { verdict } : { verdict, reason };
}
