/**
 * Listens at a receiver's own socket, on a line of its own: what remusd has heard before proves nothing about now. Nothing is sent,
 * so nothing changes.
 */
import { DataLink } from '../adapters/data-link.js';
import type { Clock } from '../ports.js';
import type { ReceiverState } from '../relay/control.js';
import type { Watched } from './proofs.js';

/** So many checkpoints more, and it is seen to be fed. */
const CHECKPOINTS = 2;

export interface Patience {
  /** For its first word: it says its whole state at once. */
  readonly first_ms: number;
  /** For the checkpoints after that. */
  readonly more_ms: number;
}

/** Rejects when it does not answer, or goes away. */
export function watchReceiver(path: string, clock: Clock, patience: Patience): Promise<Watched> {
  const began_ms = clock.now_ms();
  return new Promise((resolve, reject) => {
    let first: ReceiverState | null = null;
    let last: ReceiverState | null = null;
    let first_ms = began_ms;
    const settle = (why: string | null): void => {
      timer.cancel();
      link.close();
      if (first === null || last === null || why !== null) reject(new Error(why ?? 'no answer'));
      else resolve(seen(first, last, first_ms - began_ms, clock.now_ms() - first_ms));
    };
    const link = new DataLink(path, clock, {
      onState: (state) => {
        if (state.role !== 'receiver') return;
        last = state;
        if (first === null) {
          first = state;
          first_ms = clock.now_ms();
          timer.cancel();
          timer = clock.after(patience.more_ms, () => settle(null));
        }
        // In any other state none will come.
        if (state.phase !== 'ready' || state.complete >= first.complete + CHECKPOINTS) settle(null);
      },
      onGone: (reason) => settle(reason),
    });
    let timer = clock.after(patience.first_ms, () =>
      settle(`it does not answer on ${path} within ${patience.first_ms} ms`),
    );
  });
}

function seen(
  first: ReceiverState,
  last: ReceiverState,
  answered_ms: number,
  watched_ms: number,
): Watched {
  const { pid, phase, connected, replica, silent_ms, complete, applied } = last;
  return {
    ...{ pid, phase, connected, replica, silent_ms, complete, applied },
    complete_first: first.complete,
    answered_ms: Math.round(answered_ms),
    watched_ms: Math.round(watched_ms),
  };
}
