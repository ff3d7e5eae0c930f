/** How the states are divided among pictures, so that each can be read. */
import type { Phase } from '../../daemon/core/state.js';
import type { Edge } from './graph.js';
import { type Name, text } from './names.js';

export interface Group {
  readonly title: string;
  readonly about: string;
  readonly has: (name: Name) => boolean;
  /** How much of a state's name is drawn. */
  readonly depth: 'kind' | 'sub' | 'step';
  /** Its steps are told in a table; the others are only pictures of what another group tells. */
  readonly told: boolean;
}

const of =
  (...kinds: Phase['kind'][]) =>
  ({ kind }: Name): boolean =>
    kinds.includes(kind);

const ending = ({ sub }: Name): boolean => sub === 'withdrawing' || sub === 'abandoning';

export const GROUPS: readonly Group[] = [
  {
    title: 'The whole life',
    about: 'Each phase as one box. Pacemaker says Promoted for `primary` and `guest-ended`.',
    ...{ has: () => true, depth: 'kind', told: false },
  },
  {
    title: 'The life of a backup',
    about: 'Unpromoted: ready for a replica, holding one, or getting rid of one.',
    has: of(
      ...(['stopped', 'starting', 'idle', 'preparing-replica', 'replica'] as const),
      ...(['dropping-replica', 'stopping'] as const),
    ),
    ...{ depth: 'step', told: true },
  },
  {
    title: 'Promotion',
    about:
      'The only way in which the VM comes to run here by an order: read the record through the DC, claim the next generation, then the replica or a cold start. And the VM that was found running.',
    ...{ has: of('promoting', 'adopting'), depth: 'step', told: true },
  },
  {
    title: 'The life of a primary',
    about: 'How far its protection has come.',
    ...{ has: of('primary'), depth: 'sub', told: false },
  },
  {
    title: 'Becoming protected',
    about: 'From the search for a peer to the grant in the CIB.',
    has: (name) => name.kind === 'primary' && !ending(name),
    ...{ depth: 'step', told: true },
  },
  {
    title: 'Protection ends',
    about:
      '`withdrawing` holds the output until the replica cannot be promoted any more (P4); `abandoning` is for a replica that was never granted.',
    ...{ has: (name) => name.kind === 'primary' && ending(name), depth: 'step', told: true },
  },
  {
    title: 'Demote, stop, and a guest that ends',
    about: 'A handover when Pacemaker will promote the granted replica, else a shutdown.',
    ...{ has: of('demoting', 'guest-ended'), depth: 'step', told: true },
  },
];

/** What happens in the same way almost wherever a machine is: told in a sentence, and not drawn. */
export interface Common {
  readonly label: string;
  /** null: it stays where it is. */
  readonly to: Name | null;
  readonly from: readonly Name[];
  readonly says: readonly string[];
}

const COMMON_MIN = 4;

export function inGroup(group: Group, edges: readonly Edge[]): readonly Edge[] {
  return edges.filter(({ from }) => group.has(from));
}

/** Of a group's edges those that lead from at least half of its states to the same one, by the same event. */
export function common(edges: readonly Edge[]): readonly Common[] {
  const states = new Set(edges.map(({ from }) => text(from))).size;
  const found = new Map<string, { first: Edge; from: Map<string, Name> }>();
  for (const edge of edges) {
    const known = found.get(keyOf(edge)) ?? { first: edge, from: new Map<string, Name>() };
    found.set(keyOf(edge), known);
    known.from.set(text(edge.from), edge.from);
  }
  return [...found.values()]
    .filter(({ from }) => from.size >= Math.max(COMMON_MIN, states / 2))
    .map(({ first, from }) => ({
      label: first.label,
      to: stays(first) ? null : first.to,
      from: [...from.values()],
      says: first.says,
    }));
}

function stays({ from, to }: Edge): boolean {
  return text(from) === text(to);
}

function keyOf(edge: Edge): string {
  return `${edge.label}|${stays(edge) ? '' : text(edge.to)}`;
}

export function isCommon(edge: Edge, commons: readonly Common[]): boolean {
  return commons.some(
    ({ label, to, from }) =>
      label === edge.label &&
      (to === null ? stays(edge) : text(to) === text(edge.to)) &&
      from.some((one) => text(one) === text(edge.from)),
  );
}
