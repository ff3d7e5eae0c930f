/** What the plugs on the guests' output hold, as tc shows it (see adapters/tc.ts for what they are). */
import { ifbOf } from '../adapters/tc.js';
import type { Exec } from '../ports.js';

export interface HeldOutput {
  readonly packets: number;
  readonly bytes: number;
  /** Thrown away because the plug was full, since it was set up. */
  readonly dropped: number;
}

const TC_MS = 2_000;
const UNIT: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['Kb', 1024],
  ['Mb', 1024 * 1024],
]);
const PLUG =
  /^qdisc plug \S+ dev (rem\S+) root[^\n]*\n Sent [^\n]*\(dropped (\d+)[^\n]*\n backlog ([\d.]+)([KM]?b) (\d+)p/gm;

/** By the name of the ifb. */
export function parsePlugs(text: string): ReadonlyMap<string, HeldOutput> {
  return new Map(
    [...text.matchAll(PLUG)].map(([, ifb = '', dropped, size, unit = 'b', packets]) => [
      ifb,
      {
        packets: Number(packets),
        bytes: Math.round(Number(size) * (UNIT.get(unit) ?? 1)),
        dropped: Number(dropped),
      },
    ]),
  );
}

/** All plugs of this node; empty when tc does not tell. */
export async function readPlugs(exec: Exec): Promise<ReadonlyMap<string, HeldOutput>> {
  const { stdout } = await exec.run(['tc', '-s', 'qdisc', 'show'], { timeout_ms: TC_MS });
  return parsePlugs(stdout);
}

/** What is held of all vifs of one guest; null when none of them has a plug. */
export function heldOf(
  vifs: readonly string[],
  plugs: ReadonlyMap<string, HeldOutput>,
): HeldOutput | null {
  const found = vifs.map((vif) => plugs.get(ifbOf(vif))).filter((one) => one !== undefined);
  if (found.length === 0) return null;
  const sum = (name: keyof HeldOutput): number => found.reduce((all, one) => all + one[name], 0);
  return { packets: sum('packets'), bytes: sum('bytes'), dropped: sum('dropped') };
}
