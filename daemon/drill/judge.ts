/** From evidence to the verdict: a judge for each step, and what no judge can say. Pure. */
import { mayBeAhead, parseDisk } from '../adapters/xl-disk.js';
import { type Drill, DRILL_STEPS, type DrillStep, type DrillStepId } from '../../ctl/drill.js';
import { failure, value } from '../doctor/facts.js';
import { configOf, list } from '../doctor/views.js';
import { lastFencing } from '../fencing.js';
import { fails, type StepFinding, type StepJudge } from './finding.js';
import { agent, fencing, quorum, scheduler } from './judge-cluster.js';
import { machine, network } from './judge-machine.js';
import * as replica from './judge-replica.js';
import type { Evidence } from './proofs.js';

const { protection, output, grant, remusd, receiver, xl, domain, checkpoints, rule } = replica;

/** The type says that none is missing. */
const JUDGES: Readonly<Record<DrillStepId, StepJudge>> = {
  ...{ protection, output, grant, remusd, receiver, xl, domain, checkpoints, rule },
  ...{ quorum, fencing, scheduler, agent, machine, network },
};

const IDS = Object.keys(DRILL_STEPS) as readonly DrillStepId[];

export function judge(evidence: Evidence): Drill {
  const { resource, here, from, to, record } = evidence;
  const steps = IDS.map((id): DrillStep => ({ id, ...JUDGES[id](evidence) }));
  const proof = value(evidence.replica.answer);
  const seen = proof === null ? null : value(proof.receiver.answer);
  return {
    ...{ resource, node: here, from, to, steps },
    verdict: verdictOf(steps),
    generation: record.generation,
    checkpoint: seen?.complete ?? proof?.held?.receiver.complete ?? null,
    checkpoint_age_ms: value(evidence.primary.answer)?.acked_age_ms ?? null,
    unproven: unproven(evidence),
  };
}

/** Of a VM that no other node has: nobody can be asked. */
export function judgeAlone(
  facts: Pick<Evidence, 'resource' | 'here' | 'from' | 'record' | 'at_dc' | 'primary'>,
): Drill {
  const { resource, here, from, record, at_dc, primary } = facts;
  const nobody: StepFinding = fails(
    `the CIB grants no replica, and Pacemaker has ${resource} on no other node that is online`,
    at_dc.took_ms,
    { fix: `remusctl status ${resource}` },
  );
  const steps: readonly DrillStep[] = [
    { id: 'protection', ...protection(facts) },
    { id: 'grant', ...nobody },
  ];
  return {
    ...{ resource, node: here, from, to: null, steps },
    verdict: 'fails',
    generation: record.generation,
    checkpoint: null,
    checkpoint_age_ms: value(primary.answer)?.acked_age_ms ?? null,
    unproven: [],
  };
}

/** What fails is worse than what is not known. */
function verdictOf(steps: readonly DrillStep[]): Drill['verdict'] {
  if (steps.some(({ verdict }) => verdict === 'fails')) return 'fails';
  return steps.some(({ verdict }) => verdict === 'unknown') ? 'unknown' : 'works';
}

function unproven(evidence: Evidence): string[] {
  const { from, to, resource } = evidence;
  return [
    `that ${from} really goes off when it is fenced (${fencedWords(evidence)})`,
    `that the guest goes on from its replica: it is complete, and has never run on ${to}`,
    `that the network finds ${resource} on ${to}: switches learn that from the first packet that it sends`,
    ...disks(evidence),
  ];
}

function fencedWords({ doctor, from }: Evidence): string {
  const facts = value(doctor.answer);
  const events = facts?.cluster.fence_events;
  if (events === undefined) return `its history is not known: ${failure(doctor.answer) ?? ''}`;
  if ('failed' in events) return `its history is not known: ${events.failed}`;
  const last = lastFencing(events.ok).find(({ target }) => target === from);
  return last === undefined
    ? 'nobody has been seen to fence it since the cluster was started'
    : `last fenced ${last.completed}: ${last.status}`;
}

function disks({ doctor, resource, to }: Evidence): string[] {
  const facts = value(doctor.answer);
  const vm = facts?.vms.find((one) => one.resource === resource);
  if (facts === null || vm === undefined) return [];
  const found = (configOf(facts, vm)?.config.disks ?? []).map(parseDisk);
  if (found.length === 0) return [];
  const targets = list(found.map(({ target }) => target));
  const written = found.some(mayBeAhead)
    ? ', and that its file system bears a disk that is ahead of the memory'
    : '';
  return [`that ${to} can open ${targets}${written}`];
}
