/**
 * How long each task may take at most. Every call inside a task has its own deadline, and every task ends by
 * itself before this one: a task that does not is stuck in a way that nobody thought of.
 */
import { clusterTimeouts } from '../adapters/pacemaker.js';
import { xlTimeouts } from '../adapters/xl.js';
import type { TaskName } from '../core/effect.js';
import type { VmConfig } from '../core/state.js';
import { patient } from '../adapters/patience.js';

type Env = Readonly<Record<string, string | undefined>>;

/** For what is no call of a program: our own waits for data processes and peers, and a busy machine. */
const OWN_MS = patient(120_000);

/** @returns milliseconds. */
export function deadlineOf(
  task: TaskName,
  config: VmConfig | null,
  env: Env = process.env,
): number {
  const { create_ms, call_ms } = xlTimeouts(env);
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
      return OWN_MS + 3 * create_ms + 8 * call_ms;
    case 'finish-sender':
      return OWN_MS + (config?.replication_timeout_ms ?? 0) + (config?.interval_ms ?? 0);
    case 'look':
    case 'register':
    case 'unregister':
    case 'read-record':
    case 'write-record':
    case 'grant':
    case 'withdraw':
    case 'membership':
    case 'find-peers':
    case 'prepare-peer':
    case 'drop-peer':
    case 'ask-backup':
    case 'planned-promotion':
    case 'tell-activated':
    case 'write-pause':
    case 'end-pause':
    case 'tell-paused':
      return OWN_MS + call_ms + 4 * clusterTimeouts(env).call_ms;
  }
}
