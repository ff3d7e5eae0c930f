/** What a fault may do to a VM's memory: what an outsider who knows the promises expects of it. Pure. */
import type { Fault, Kind } from './schedule.js';

/** What a fault can cause, in the worst case, in a cluster that was well. */
interface Traits {
  /** The replica is lost, or late, for a while: for that long another loss is a restart. */
  readonly unprotects: boolean;
  /** The VM may have to leave its node. */
  readonly takes: boolean;
  /** The guest itself ends. */
  readonly ends: boolean;
}

const NOTHING: Traits = { unprotects: false, takes: false, ends: false };
const UNPROTECTS: Traits = { ...NOTHING, unprotects: true };
const TAKES: Traits = { ...UNPROTECTS, takes: true };
const ENDS: Traits = { ...TAKES, ends: true };

const TRAITS: Readonly<Record<Kind, Traits>> = {
  kill: UNPROTECTS,
  stop: UNPROTECTS,
  'restart-daemon': NOTHING,
  'power-cut': TAKES,
  outage: ENDS,
  freeze: TAKES,
  partition: TAKES,
  'cut-replication': UNPROTECTS,
  'fencing-fails': NOTHING,
  'slow-fencing': NOTHING,
  'crash-stack': TAKES,
  leave: TAKES,
  standby: TAKES,
  'stop-resource': ENDS,
  move: TAKES,
  switchover: TAKES,
  failover: TAKES,
  pause: UNPROTECTS,
  guest: ENDS,
  'kill-domain': ENDS,
  plant: ENDS,
};

/** Of a fault that struck something; killing a daemon touches no replication. */
function traits(fault: Fault): Traits {
  const daemon = (fault.kind === 'kill' || fault.kind === 'stop') && fault.process === 'remusd';
  return daemon ? NOTHING : TRAITS[fault.kind];
}

/**
 * Whether a guest may boot anew: it ended, or it had to leave its node and something else may have cost it its replica
 * before. One fault alone must never cost a protected VM its memory.
 */
export function mayBoot(faults: readonly Fault[]): boolean {
  const all = faults.map(traits);
  if (all.some(({ ends }) => ends)) return true;
  return all.some(({ takes }) => takes) && all.filter(({ unprotects }) => unprotects).length > 1;
}
