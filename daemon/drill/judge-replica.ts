/** Judges what the primary and the backup have shown of the VM and its replica. Pure. */
import { duration } from '../../ctl/render/units.js';
import { decidePromotion } from '../core/policy.js';
import { type Grant, sameReplica } from '../core/record.js';
import { value } from '../doctor/facts.js';
import { incoming } from '../doctor/views.js';
import type { ReplicaId } from '../relay/control.js';
import { fails, ok, type StepFinding, type StepJudge, unknown } from './finding.js';
import type { Evidence, ProcessProof, ReplicaProof, Watched } from './proofs.js';

const status = (resource: string) => ({ fix: `remusctl status ${resource}` });
/** Makes a new replica, by the rules for one that was lost. */
const anew = (resource: string) => ({ fix: `remusctl resync ${resource}` });

/** For the steps that rest on what the backup has shown, when it has not. The reason is said once. */
function unseen({ to }: Evidence): StepFinding {
  return unknown(`${to} has not shown it, see the step receiver`, null);
}

export function protection({
  primary,
  resource,
  from,
}: Pick<Evidence, 'primary' | 'resource' | 'from'>): StepFinding {
  const { answer, took_ms } = primary;
  if ('failed' in answer) {
    const what = `remusd on ${from} cannot be asked whether ${resource} is protected: ${answer.failed}; a failover does not need it`;
    return unknown(what, took_ms, { fix: 'systemctl status remusd', on: from });
  }
  const vm = answer.ok;
  if (vm === null) {
    const what = `by its record ${resource} runs on ${from}, and remusd there does not know it`;
    return fails(what, took_ms, { fix: 'crm_mon -1A' });
  }
  if (vm.state !== 'protected')
    return fails(`${from} says "${vm.words}"`, took_ms, {
      fix: vm.hint ?? status(resource).fix,
    });
  return ok(`${from} says "${vm.words}"`, took_ms);
}

export const output: StepJudge = ({ primary, resource, from }) => {
  const { answer, took_ms } = primary;
  const vm = value(answer);
  if (vm?.state !== 'protected')
    return unknown('it is known of a protected VM only, see the step protection', took_ms);
  if (vm.netbuf_off) {
    const what =
      'promise P3 is not proven and does not hold (netbuf=off): a failover may lose what clients have already seen';
    return unknown(what, took_ms, { fix: `crm_resource -r ${resource} -d netbuf` });
  }
  return vm.held
    ? ok(`${from} holds back what is not acknowledged`, took_ms)
    : ok(`${resource} has no output that could be held`, took_ms);
};

export const grant: StepJudge = (evidence) => {
  const { record, at_dc, at_backup, resource, to } = evidence;
  const took_ms = at_dc.took_ms + at_backup.took_ms;
  const granted = record.grant;
  if (granted === null) {
    const was = record.withdrawn === undefined ? '' : ` (that of ${text(record.withdrawn)} ended)`;
    const what = `the CIB grants no replica${was}: a failover would start ${resource} anew`;
    return fails(what, took_ms, status(resource));
  }
  if ('failed' in at_backup.answer)
    return unknown(`the CIB of ${to} cannot be read: ${at_backup.answer.failed}`, took_ms);
  if (at_backup.answer.ok !== at_dc.text) {
    const what = `the CIB of ${to} has another record than the DC, "${at_backup.answer.ok ?? 'none'}" and not "${at_dc.text}"`;
    return fails(what, took_ms, { fix: `cibadmin --query --scope crm_config --node ${to}` });
  }
  const held = heldReplica(evidence);
  if (held === null) {
    const what = `${text(granted)} is granted, and it is not known what ${to} has`;
    return unknown(what, took_ms);
  }
  if (!sameReplica(held, granted.replica)) {
    const what = `${text(granted)} is granted, and ${to} has ${held.generation}/${held.session}`;
    return fails(what, took_ms, status(resource));
  }
  return ok(
    `${text(granted)}: in the CIB of the DC and in that of ${to}, and it is what ${to} has`,
    took_ms,
  );
};

function text({ node, replica }: Grant): string {
  return `${node}/${replica.generation}/${replica.session}`;
}

/** By the word of the receiver itself; when it has none, by that of remusd. */
function heldReplica({ replica }: Evidence): ReplicaId | null {
  const proof = value(replica.answer);
  if (proof === null) return null;
  return value(proof.receiver.answer)?.replica ?? proof.held?.replica ?? null;
}

export const remusd: StepJudge = ({ backup, to, resource }) => {
  const { answer, took_ms } = backup;
  if ('failed' in answer)
    return fails(`remusd on ${to} cannot be asked: ${answer.failed}`, took_ms, {
      ...{ fix: 'systemctl start remusd', on: to },
    });
  if (answer.ok === null) {
    const what = `remusd on ${to} answers, and ${resource} is not started there`;
    return fails(what, took_ms, { fix: `crm_resource --why -r ${resource}` });
  }
  return ok(`remusd on ${to} answers: "${answer.ok.words}"`, took_ms);
};

/** Stopped by a signal: it lives, and does nothing. */
function isStopped({ state }: ProcessProof): boolean {
  return state === 'T' || state === 't';
}

/** What is wrong with a process that must be there; null: nothing, as far as /proc shows. */
function processTrouble(
  { processes }: ReplicaProof,
  kind: ProcessProof['kind'],
  { resource, to }: Evidence,
): StepFinding | null {
  const { answer, took_ms } = processes;
  if ('failed' in answer)
    return unknown(`the processes of ${to} cannot be listed: ${answer.failed}`, took_ms);
  const ours = answer.ok.filter((one) => one.kind === kind && one.state !== null);
  if (ours.length === 0)
    return fails(`${to} has no ${kind} of ${resource}`, took_ms, status(resource));
  const stopped = ours.find(isStopped);
  if (stopped === undefined) return null;
  const what = `${kind} on ${to}, process ${stopped.pid}, is stopped by a signal`;
  return fails(what, took_ms, { fix: `kill -CONT ${stopped.pid}`, on: to });
}

export const receiver: StepJudge = (evidence) => {
  const { replica, resource, to } = evidence;
  const { answer: shown } = replica;
  if ('failed' in shown)
    return unknown(`${to} does not show what it holds: ${shown.failed}`, replica.took_ms);
  const proof = shown.ok;
  const trouble = processTrouble(proof, 'receiver', evidence);
  if (trouble !== null) return trouble;
  const { answer, took_ms } = proof.receiver;
  if ('failed' in answer)
    return fails(
      `the receiver on ${to} is there, and cannot be heard: ${answer.failed}`,
      took_ms,
      anew(resource),
    );
  const { pid, phase, connected, answered_ms } = answer.ok;
  if (phase !== 'ready') {
    const what = `the receiver on ${to} has no replica that could go on: it says "${phase}"`;
    return fails(what, answered_ms, status(resource));
  }
  const connection = connected ? 'connected' : 'not connected';
  return ok(`process ${pid} on ${to} answers on its socket: ready, ${connection}`, answered_ms);
};

export const xl: StepJudge = (evidence) => {
  const proof = value(evidence.replica.answer);
  if (proof === null) return unseen(evidence);
  const trouble = processTrouble(proof, 'xl migrate-receive', evidence);
  if (trouble !== null) return trouble;
  const { answer, took_ms } = proof.processes;
  const pid = value(answer)?.find(({ kind }) => kind === 'xl migrate-receive')?.pid;
  return ok(`xl migrate-receive on ${evidence.to} lives, process ${pid ?? ''}`, took_ms);
};

export const domain: StepJudge = (evidence) => {
  const { replica, resource, to } = evidence;
  const proof = value(replica.answer);
  if (proof === null) return unseen(evidence);
  const { answer, took_ms } = proof.domains;
  if ('failed' in answer)
    return unknown(`the hypervisor of ${to} cannot be asked: ${answer.failed}`, took_ms);
  const own = answer.ok.find(({ name }) => name === proof.domain);
  if (own !== undefined) {
    const what = `${to} has the domain ${own.name} itself (${own.domid}) beside the replica`;
    return fails(what, took_ms, { fix: 'xl list', on: to });
  }
  const found = answer.ok.find(({ name }) => name === incoming(proof.domain));
  if (found === undefined)
    return fails(`${to} has no domain ${incoming(proof.domain)}`, took_ms, status(resource));
  if (!found.paused) {
    const what = `${found.name} on ${to} is not paused: somebody has let the replica run`;
    return fails(what, took_ms, { fix: 'xl list', on: to });
  }
  return ok(`${found.name} is on ${to}, paused (domain ${found.domid})`, took_ms);
};

export const checkpoints: StepJudge = (evidence) => {
  const { replica, primary, to } = evidence;
  const proof = value(replica.answer);
  if (proof === null) return unseen(evidence);
  const { answer, took_ms } = proof.receiver;
  if ('failed' in answer) return unknown(`they cannot be watched: ${answer.failed}`, took_ms);
  const seen = answer.ok;
  if (seen.complete <= seen.complete_first) return standsStill(evidence, proof, seen);
  const age_ms = value(primary.answer)?.acked_age_ms ?? null;
  const age = age_ms === null ? '' : `; the newest one is ${duration(age_ms)} old`;
  const what = `from ${seen.complete_first} to ${seen.complete} on ${to} in ${duration(seen.watched_ms)}${age}`;
  return ok(what, seen.watched_ms);
};

/** Whether that is longer than any stall that the primary puts up with. */
function standsStill(
  { from, to, resource }: Evidence,
  { interval_ms, replication_timeout_ms }: ReplicaProof,
  seen: Watched,
): StepFinding {
  const { complete, watched_ms, phase, connected } = seen;
  const on = { ...status(resource), on: from };
  if (phase !== 'ready')
    return fails(`${to} has checkpoint ${complete}, and is not fed: "${phase}"`, watched_ms, on);
  const still = `${to} has checkpoint ${complete}, and for ${duration(watched_ms)} no other one has come`;
  if (!connected) return fails(`${still}: ${from} is not connected`, watched_ms, on);
  if (watched_ms >= interval_ms + replication_timeout_ms) return fails(still, watched_ms, on);
  const longer = `a primary may be still for longer (interval ${duration(interval_ms)}, replication_timeout ${duration(replication_timeout_ms)})`;
  return unknown(`${still}; ${longer}`, watched_ms, on);
}

export const rule: StepJudge = (evidence) => {
  const { replica, record, to, resource } = evidence;
  const proof = value(replica.answer);
  if (proof === null) return unseen(evidence);
  const { kind, why } = decidePromotion(to, record, heldNow(proof), proof.on_no_replica);
  if (kind === 'activate') return ok(`a promote on ${to} would go on with the replica`, null);
  const instead = kind === 'cold' ? `start ${resource} anew` : `start ${resource} nowhere`;
  return fails(`a promote on ${to} would ${instead}: ${why}`, null, status(resource));
};

/** As the machine there has it, with what the receiver itself has said since. */
function heldNow({ held, receiver: asked }: ReplicaProof): ReplicaProof['held'] {
  const seen = value(asked.answer);
  if (held === null || seen === null) return held;
  const { phase, connected, complete, applied } = seen;
  return {
    replica: seen.replica,
    receiver: { phase, connected, complete, applied, unfed: held.receiver.unfed },
  };
}
