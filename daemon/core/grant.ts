/** The grant: the record that lets the peer's replica be promoted with its memory. seeding -> granting -> protected */
import { isUnheld, SCORE } from './policy.js';
import { type Primary, setProtection } from './primary.js';
import type { VmRecord } from './record.js';
import type { HeldReplica, Replication } from './state.js';
import { Turn } from './turn.js';

/** The record while a replica is granted. */
export function grantOf(node: string, generation: number, run: HeldReplica): VmRecord {
  return { generation, primary: node, grant: { node: run.peer.node, replica: run.replica } };
}

/** @param again why, when it has been granted before. */
export function runGrant(turn: Turn, phase: Primary, run: Replication, again: string | null): void {
  const record = grantOf(turn.state.node, phase.generation, run);
  const tag = turn.run({ task: 'grant', record, node: run.peer.node, score: SCORE.granted });
  setProtection(turn, phase, { kind: 'granting', run, again, tag });
}

export function granted(turn: Turn, phase: Primary, run: Replication): void {
  turn.note('granted: the replica may be promoted', {
    peer: run.peer.node,
    because: isUnheld(run)
      ? 'its checkpoint is acknowledged; output is not held (netbuf=off)'
      : 'its checkpoint is acknowledged and output is held',
  });
  setProtection(turn, { ...phase, attempts: 0 }, { kind: 'protected', run });
}
