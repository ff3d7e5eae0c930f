/** Changes a value within JSON, so that it stays JSON: what a parser lets through. */
import type { Random } from '../simulator/random.js';
import { TEXTS } from './mutate.js';

const NUMBERS = [0, -0, -1, 1, 1.5, 65_536, 2 ** 31, 2 ** 53, 2 ** 53 + 2, 1e308, -1e308, 5e-324];

type Json = unknown;

function strange(random: Random): Json {
  return random.pick<() => Json>([
    () => random.pick(NUMBERS),
    () => random.pick(TEXTS),
    () => random.pick([null, true, false]),
    () => [],
    () => ({}),
    () => Array.from({ length: random.between(1, 300) }, (_, i) => i),
    () => nested(random.between(1, 200)),
    () => Object.fromEntries([[random.pick(TEXTS), random.pick(TEXTS)]]),
  ])();
}

function nested(depth: number): Json {
  let value: Json = 1;
  for (let n = 0; n < depth; n += 1) value = n % 2 === 0 ? [value] : { a: value };
  return value;
}

/** A copy with one to three changes, anywhere in it. */
export function mutatedJson(random: Random, value: Json): Json {
  let changed = value;
  for (let n = random.between(1, 3); n > 0; n -= 1) changed = change(random, changed);
  return changed;
}

function change(random: Random, value: Json): Json {
  if (typeof value !== 'object' || value === null || random.chance(0.1)) return strange(random);
  const entries = Object.entries(value);
  if (entries.length === 0 || random.chance(0.1))
    return { ...value, [random.pick(TEXTS)]: strange(random) };
  const [key] = random.pick(entries);
  const rest = entries.filter(([other]) => other !== key);
  if (random.chance(0.15)) return Object.fromEntries(rest);
  const inner = (value as Record<string, Json>)[key];
  return Object.fromEntries([...rest, [key, change(random, inner)]]);
}
