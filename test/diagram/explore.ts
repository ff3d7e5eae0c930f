/**
 * Every state that the machine can come into, and every step between them: from the first state on, whatever can happen is
 * made to happen. Two states that differ only in numbers (tags, clocks, counts) are the same one.
 */
import type { Effect } from '../../daemon/core/effect.js';
import { initialState, type State, type VmConfig } from '../../daemon/core/state.js';
import { step } from '../../daemon/core/step.js';
import { CONFIG } from '../unit/core/rig.js';
import { type Awaited, type Move, movesOf, NODE, NOW_MS, recoveries } from './moves.js';
import { normal } from './normal.js';

/** One step that was seen. */
export interface Seen {
  readonly before: State;
  readonly move: Move;
  readonly after: State;
  readonly effects: readonly Effect[];
  readonly config: VmConfig;
}

interface Place {
  readonly state: State;
  readonly awaited: ReadonlyMap<number, Awaited>;
}

/** Far more than there are: an exploration that does not end has lost its way. */
const PLACES_MAX = 60_000;
/** Between the events of one move. */
const TICK_MS = 1_000;

/** The configurations whose lives differ. mode=restart is another story: test/transcripts/move.txt tells it. */
export const CONFIGS: readonly VmConfig[] = [CONFIG, { ...CONFIG, on_no_replica: 'refuse' }];

/** @returns how many different states there are. */
export function explore(
  config: VmConfig,
  see: (seen: Seen) => void,
  reach: (state: State) => void = () => undefined,
): number {
  const first = normal({ state: initialState(NODE, config.resource), awaited: new Map() });
  const known = new Set([first.key]);
  const queue: Place[] = [first];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { state, awaited } = next;
    const begins = state.phase.kind === 'stopped' && state.config === null;
    const moves = [...movesOf(state, awaited, config), ...(begins ? recoveries(config) : [])];
    for (const move of moves) {
      const { after, effects, place } = take(next, move);
      see({ before: state, move, after, effects, config });
      if (nothingNew(state, move, after)) continue;
      const found = normal(place);
      if (known.has(found.key)) continue;
      known.add(found.key);
      reach(after);
      if (known.size > PLACES_MAX) throw new Error(`more than ${PLACES_MAX} states`);
      queue.push(found);
    }
  }
  return known.size;
}

/** For speed: most of what happens changes nothing. */
function nothingNew(before: State, { events }: Move, after: State): boolean {
  return (
    !events.some((event) => 'tag' in event) &&
    after.phase === before.phase &&
    after.switchover === before.switchover &&
    after.pausing === before.pausing &&
    after.resync === before.resync &&
    after.moving === before.moving &&
    after.config === before.config &&
    (after.monitors === before.monitors || after.phase.kind !== 'stopped')
  );
}

function take(
  place: Place,
  move: Move,
): { readonly after: State; readonly effects: readonly Effect[]; readonly place: Place } {
  const awaited = new Map(place.awaited);
  const effects: Effect[] = [];
  let { state } = place;
  move.events.forEach((event, n) => {
    if ('tag' in event) awaited.delete(event.tag);
    const turn = step(state, event, NOW_MS + n * TICK_MS);
    state = turn.state;
    effects.push(...turn.effects);
    for (const effect of turn.effects) {
      if (effect.type === 'run') awaited.set(effect.tag, { kind: 'task', task: effect.task });
      if (effect.type === 'timer') awaited.set(effect.tag, { kind: 'timer', field: '' });
    }
  });
  return { after: state, effects, place: { state, awaited } };
}
