/**
 * Which tasks of one VM must not run at the same time. A late `xl create` must not overtake the `xl destroy`
 * that was meant to undo it, and a grant must not land after its withdrawal.
 */
import type { TaskName } from '../core/effect.js';

export type Lane = 'hypervisor' | 'records' | 'pause' | 'free';

export function laneOf(task: TaskName): Lane {
  switch (task) {
    case 'clean':
    case 'create':
    case 'launch-remus':
    case 'end-replication':
    case 'lift-hold':
    case 'destroy-handed-over':
    case 'launch-receiver':
    case 'activate':
    case 'shutdown-guest':
    case 'destroy-guest':
      return 'hypervisor';
    case 'write-record':
    case 'grant':
    case 'withdraw':
      return 'records';
    case 'write-pause':
    case 'end-pause':
      return 'pause';
    case 'look':
    case 'register':
    case 'unregister':
    case 'read-record':
    case 'membership':
    case 'find-peers':
    case 'prepare-peer':
    case 'finish-sender':
    case 'drop-peer':
    case 'ask-backup':
    case 'planned-promotion':
    case 'tell-activated':
    case 'tell-paused':
      return 'free';
  }
}

/** After these the VM is somebody else's: no write of ours to its record may come later. */
export function waitsForRecords(task: TaskName): boolean {
  return task === 'clean' || task === 'destroy-handed-over';
}

export class Lanes {
  readonly #last = new Map<Lane, Promise<unknown>>();

  /** Settles when everything in the lane now is done. */
  async drained(lane: Lane): Promise<void> {
    await this.#last.get(lane);
  }

  /** Run after everything that was put into the same lane before. */
  run<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    if (lane === 'free') return started(work);
    const before = this.#last.get(lane) ?? Promise.resolve();
    const next = before.then(work);
    this.#last.set(
      lane,
      next.catch(() => undefined),
    );
    return next;
  }
}

function started<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
}
