/** Whether a node could be fenced from here, and what would go with it. */
import type { ForeseenFencing } from '../ctl/foresight.js';
import { fenceable, known, readFenceHistory } from './adapters/cluster-facts.js';
import { failure, type Known, type LiveFacts, value } from './doctor/facts.js';
import { type FenceEvent, lastFencing } from './fencing.js';
import { type Judgement, judged } from './judgement.js';
import type { Move } from './obstacles.js';
import type { Exec } from './ports.js';

export interface FenceLook {
  readonly devices: Known<readonly string[]>;
  readonly events: Known<readonly FenceEvent[]>;
}

export async function lookAtFencing(exec: Exec, node: string): Promise<FenceLook> {
  const can = fenceable(exec, [node]).then((found) => found[node] ?? []);
  const [devices, events] = await Promise.all([known(can), known(readFenceHistory(exec))]);
  return { devices, events };
}

export function judgeFencing(
  { devices }: Pick<FenceLook, 'devices'>,
  live: LiveFacts | null,
  { from, to }: Move,
): Judgement {
  if (live?.stonith_enabled === false)
    return judged(
      'fails',
      `fencing is off, so ${from} cannot be fenced; type: crm_attribute --name stonith-enabled --update true`,
    );
  const why = failure(devices);
  if (why !== null)
    return judged('unknown', `which devices could fence ${from} is not known: ${why}`);
  if (value(devices)?.length !== 0) return judged('done');
  // Each node can say of its own devices only; Pacemaker asks all nodes.
  const third = live?.members.find(({ name, online }) => online && name !== from && name !== to);
  return third === undefined
    ? judged('fails', `no fence device on ${to} can fence ${from}; type: remusctl doctor`)
    : judged(
        'unknown',
        `no fence device on ${to} can fence ${from}; on ${third.name} type: stonith_admin --list ${from}`,
      );
}

export function foreseenFencing(
  { devices, events }: FenceLook,
  live: LiveFacts | null,
  { resource, from }: Move,
): ForeseenFencing {
  const last = lastFencing(value(events) ?? []).find(({ target }) => target === from);
  const others = (live?.resources ?? [])
    .filter(({ id, nodes }) => id !== resource && nodes.includes(from))
    .filter(({ agent }) => !agent.startsWith('stonith:'))
    .map(({ id, role }) => (role === 'Started' ? id : `${id} (${role})`));
  return {
    node: from,
    devices: value(devices),
    last: last === undefined ? null : { status: last.status, completed: last.completed },
    also_runs: [...new Set(others)],
  };
}
