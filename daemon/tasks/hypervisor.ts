/** Tasks that look at and change domains. */
import type { Domain, Xl } from '../ports.js';
import type { Guest, GuestEnd, Look } from '../core/state.js';
import { configOf, type Executor } from './table.js';

type Names = 'look' | 'create' | 'shutdown-guest' | 'destroy-guest';

/**
 * @param check whether the VM is still ours: called at each look, the regular moment to see it, and before a VM is
 *   started, for a daemon that was stopped in the middle of a promotion goes on where it was.
 */
export function hypervisorTasks(
  xl: Xl,
  check: (resource: string) => boolean,
): { readonly [K in Names]: Executor<K> } {
  return {
    look: (task, { resource }) => {
      check(resource);
      return lookAt(xl, task.domain);
    },
    create: async (task, { resource }) => {
      if (!check(resource)) throw new Error('the agent has stopped the resource meanwhile');
      await xl.create(task.config.config_path);
      return undefined;
    },
    'shutdown-guest': async (_task, context) => {
      await xl.shutdown(configOf(context).domain);
      return undefined;
    },
    'destroy-guest': async (_task, context) => {
      await xl.destroy(configOf(context).domain);
      return undefined;
    },
  };
}

/** The replica of a domain while it is being received, by xl's own rule. */
export function incomingName(domain: string): string {
  return `${domain}--incoming`;
}

export async function lookAt(xl: Xl, domain: string): Promise<Look> {
  const list = await xl.list();
  const found = list.find((one) => one.name === domain);
  return {
    guest: found === undefined ? { kind: 'absent' } : guestOf(found),
    incoming: list.some((one) => one.name === incomingName(domain)),
  };
}

/** Xen's shutdown reason 2 is a suspend: the domain is between two checkpoints' records, not at its end. */
const SUSPEND = 2;
const ENDS: readonly (GuestEnd | null)[] = ['poweroff', 'reboot', null, 'crash', 'crash', 'reboot'];

export function guestOf(domain: Domain): Guest {
  const { domid } = domain;
  if (domain.shutdown || domain.crashed) {
    if (domain.suspended || domain.shutdown_reason === SUSPEND) return { kind: 'suspended', domid };
    const how = domain.crashed ? 'crash' : (ENDS[domain.shutdown_reason ?? 0] ?? 'crash');
    return { kind: 'ended', domid, how };
  }
  if (domain.dying) return { kind: 'ended', domid, how: 'poweroff' };
  return { kind: domain.paused ? 'paused' : 'running', domid };
}
