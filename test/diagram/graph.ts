/** All steps that an exploration has seen, as edges: from where, by what, to where, and what is done and said on the way. */
import type { Effect } from '../../daemon/core/effect.js';
import type { Seen } from './explore.js';
import { FACTS, type Name, nameOf, text } from './names.js';

export interface Edge {
  readonly from: Name;
  readonly to: Name;
  readonly label: string;
  /** When it leads there and not elsewhere; empty when it always does. */
  readonly when: string;
  /** Tasks that are begun, failures that are reported. */
  readonly does: readonly string[];
  readonly says: readonly string[];
}

interface Draft extends Omit<Edge, 'when'> {
  /** The facts of each time that it was seen. */
  readonly facts: Set<string>[];
}

export class Graph {
  readonly #drafts = new Map<string, Draft>();
  /** Steps of a daemon that comes back, apart: they all lead away from one state. */
  readonly returns = new Map<string, { readonly to: Name; readonly says: readonly string[] }>();
  steps = 0;

  add({ before, move, after, effects, config }: Seen): void {
    this.steps += 1;
    const to = nameOf(after.phase);
    const says = effects.flatMap((each) => (each.type === 'note' ? [each.text] : []));
    if (move.events[0]?.type === 'recovered') {
      this.returns.set(move.label, { to, says });
      return;
    }
    const from = nameOf(before.phase);
    const does = effects.flatMap(deed);
    if (text(from) === text(to) && does.length === 0 && says.length === 0) return;
    const key = [text(from), move.label, text(to), ...does, ...says].join('|');
    const draft = this.#drafts.get(key) ?? { from, to, label: move.label, does, says, facts: [] };
    this.#drafts.set(key, draft);
    const true_here = Object.entries(FACTS).filter(([, holds]) => holds(before, config));
    draft.facts.push(new Set(true_here.map(([fact]) => fact)));
  }

  edges(): readonly Edge[] {
    const drafts = [...this.#drafts.values()];
    return drafts.map((draft) => ({
      ...draft,
      when: whenOf(
        draft.facts,
        drafts.filter(
          (other) => other.label === draft.label && text(other.from) === text(draft.from),
        ),
        text(draft.to),
      ),
    }));
  }
}

function deed(effect: Effect): string[] {
  // It looks all the time.
  if (effect.type === 'run') return effect.task.task === 'look' ? [] : [effect.task.task];
  return effect.type === 'report-failure' ? ['report-failure'] : [];
}

/** The facts that were true each time it led here, and not each time that it led elsewhere. */
function whenOf(mine: readonly Set<string>[], all: readonly Draft[], to: string): string {
  const others = all.filter((other) => text(other.to) !== to).flatMap(({ facts }) => facts);
  if (others.length === 0) return '';
  const names = Object.keys(FACTS);
  const always = names.filter(
    (fact) => mine.every((at) => at.has(fact)) && !others.every((at) => at.has(fact)),
  );
  // One that is enough alone.
  const enough = always.find((fact) => !others.some((at) => at.has(fact)));
  if (enough !== undefined) return enough;
  const kinds = [...new Set(mine.map((at) => names.filter((fact) => at.has(fact)).join()))];
  if (always.length === 0 && kinds.includes('')) return 'otherwise';
  return always.length === 0 ? 'otherwise' : always.join(', ');
}
