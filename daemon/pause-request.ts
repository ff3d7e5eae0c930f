/** What an operator says with a pause: checked, and with the moments by this node's clock. */
import { isLoginName, PAUSE_LIMITS, wrongReason } from '../ctl/pause.js';
import type { Pause } from './core/pause-record.js';
import type { Clock } from './ports.js';
import { ConfigError } from './vm-config.js';

const USAGE = 2;

export interface PauseAsked {
  readonly by: string | null;
  readonly why: string | null;
  /** Null: until a resume. */
  readonly for_s: number | null;
}

/** @returns the login name; null when it is not said. @throws ConfigError */
export function whoAsks({ by }: Readonly<Record<string, string>>): string | null {
  if (by === undefined || isLoginName(by)) return by ?? null;
  throw new ConfigError(
    USAGE,
    `the name of who asks is not valid: at most ${PAUSE_LIMITS.by_bytes} bytes, in one line`,
  );
}

/** @throws ConfigError */
export function pauseAsked(options: Readonly<Record<string, string>>, timed: boolean): PauseAsked {
  const { why = null, for_s } = options;
  const problem = why === null ? null : wrongReason(why);
  if (problem !== null) throw new ConfigError(USAGE, problem);
  const by = whoAsks(options);
  if (!timed) return { by, why, for_s: null };
  const seconds = Number(for_s);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= PAUSE_LIMITS.for_s)
    return { by, why, for_s: seconds };
  throw new ConfigError(
    USAGE,
    `the pause must last from 1 to ${PAUSE_LIMITS.for_s} seconds; type: remusctl pause VM --for 30m`,
  );
}

/** @param node where it was typed @param clock of the node that runs the VM, which ends it */
export function pauseOf(asked: PauseAsked, node: string, clock: Pick<Clock, 'wall'>): Pause {
  const { by, why, for_s } = asked;
  const now_ms = Date.parse(clock.wall());
  const until = for_s === null ? null : moment(Math.ceil(now_ms / 1000) + for_s);
  return { by, node, at: moment(Math.floor(now_ms / 1000)), until, why };
}

/** `2026-11-23T12:00:00Z` */
function moment(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}
