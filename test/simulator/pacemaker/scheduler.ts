/**
 * What the DC wants done next, from what it knows: a pure function, as the scheduler is. A promotable clone with
 * promoted-max=1 and clone-max=2, resource-stickiness 1, no-quorum-policy=stop.
 */
import type { Action } from '../world.js';
import type { Role } from './lrm.js';

export interface SeenNode {
  readonly name: string;
  readonly role: Role;
  readonly failed: boolean;
  readonly banned: boolean;
  readonly standby: boolean;
  readonly busy: Action | null;
  readonly score: number | null;
  readonly monitor_due: boolean;
}

export interface Seen {
  readonly nodes: readonly SeenNode[];
  readonly quorate: boolean;
  readonly stopped: boolean;
  /** Nodes that may run anything are still to be fenced. */
  readonly unclean: boolean;
}

export interface Order {
  readonly node: string;
  readonly action: Action;
}

const CLONE_MAX = 2;

function wanted({ nodes, quorate, stopped }: Seen): readonly SeenNode[] {
  if (!quorate || stopped) return [];
  const running = ({ role }: SeenNode): number =>
    role === 'promoted' ? 2 : role === 'unpromoted' ? 1 : 0;
  return nodes
    .filter((node) => !node.standby && !node.banned)
    .sort((a, b) => running(b) - running(a) || (a.name < b.name ? -1 : 1))
    .slice(0, CLONE_MAX);
}

/** Where the promoted role goes. */
export function promotionTarget(seen: Seen): string | null {
  const able = wanted(seen).filter(
    ({ role, score }) =>
      score !== null && score >= 0 && (role === 'unpromoted' || role === 'promoted'),
  );
  const promoted = (node: SeenNode): number => (node.role === 'promoted' ? 1 : 0);
  const [best] = [...able].sort(
    (a, b) =>
      (b.score ?? 0) - (a.score ?? 0) || promoted(b) - promoted(a) || (a.name < b.name ? -1 : 1),
  );
  return best?.name ?? null;
}

export function plan(seen: Seen): readonly Order[] {
  const target = promotionTarget(seen);
  const instances = new Set(wanted(seen).map(({ name }) => name));
  const unknown = seen.nodes.some(({ role }) => role === 'unknown');
  return seen.nodes.flatMap((node) => {
    if (node.busy !== null) return [];
    const action = next(seen, node, { target, instance: instances.has(node.name), unknown });
    return action === null ? [] : [{ node: node.name, action }];
  });
}

interface Wish {
  readonly target: string | null;
  readonly instance: boolean;
  readonly unknown: boolean;
}

function next(seen: Seen, node: SeenNode, { target, instance, unknown }: Wish): Action | null {
  const { role, failed } = node;
  if (role === 'unknown') return 'probe';
  if (role === 'promoted' && (failed || !instance)) return 'demote';
  if (role === 'unpromoted' && (failed || !instance)) return 'stop';
  if (role === 'stopped' && failed) return 'stop';
  // Until it is known what the lost ones do, nothing is begun or moved.
  if (unknown || (seen.unclean && seen.quorate)) return node.monitor_due ? monitorOf(role) : null;
  if (role === 'promoted' && target !== node.name) return 'demote';
  if (role === 'stopped') return instance ? 'start' : null;
  if (role === 'unpromoted' && target === node.name && free(seen, node)) return 'promote';
  return node.monitor_due ? monitorOf(role) : null;
}

function monitorOf(role: Role): Action | null {
  return role === 'promoted' || role === 'unpromoted' ? 'monitor' : null;
}

/** Nobody else is promoted, or may be. */
function free({ nodes }: Seen, node: SeenNode): boolean {
  return nodes.every(
    (one) =>
      one === node ||
      (one.role !== 'promoted' && !one.failed && (one.busy === null || one.busy === 'monitor')),
  );
}
