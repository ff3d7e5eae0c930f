/** Which promotion a primary runs by, from the record: known to every primary but one whose daemon has come back while the cluster was silent. */
import { FIND_PEERS, type Primary, setProtection, unprotected } from './primary.js';
import { claimAfter, parseRecord, type VmRecord } from './record.js';
import type { Turn } from './turn.js';
import { beginWithdrawal } from './withdraw.js';

/** After a restart of the daemon while the cluster did not answer: nothing is granted under a made-up number. */
export function generationLearnt(turn: Turn, phase: Primary, text: string | null): void {
  const record = parseRecord(text);
  if (record === null) {
    unprotected(turn, phase, 'the record in the CIB is damaged');
    return;
  }
  if (record.primary !== null && record.primary !== turn.state.node) {
    claimAnew(turn, phase, record, text);
    return;
  }
  const known: Primary = { ...phase, generation: Math.max(1, record.generation) };
  const { grant } = record;
  if (grant !== null && grant.node !== turn.state.node) {
    const run = { peer: { node: grant.node }, replica: grant.replica };
    beginWithdrawal(turn, known, run, 'replication ended while the daemon was down');
  } else if (phase.protection.kind === 'none') {
    setProtection(turn, known, { ...phase.protection, tag: turn.run(FIND_PEERS) });
  }
}

/**
 * The record is from before our promotion, as a node has brought it that was alone with a newer CIB: nothing of it is true
 * any more, if Pacemaker says so, too. Then it is written anew, and read again.
 */
function claimAnew(turn: Turn, phase: Primary, found: VmRecord, before: string | null): void {
  const { primary: over, generation } = found;
  if (over === null) return;
  const record = claimAfter(found, generation + 1, turn.state.node);
  const tag = turn.run({ task: 'write-record', record, before, over });
  if (phase.protection.kind === 'none') setProtection(turn, phase, { ...phase.protection, tag });
}
