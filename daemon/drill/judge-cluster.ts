/** Judges what Pacemaker, corosync and the fence devices have shown. Pure. */
import { failure, type LiveFacts, value } from '../doctor/facts.js';
import { list } from '../doctor/views.js';
import { lastFencing } from '../fencing.js';
import { obstaclesOf } from '../obstacles.js';
import { fails, ok, type StepFinding, type StepJudge, unknown } from './finding.js';
import type { DeviceProof, Evidence } from './proofs.js';

function unexamined({ doctor }: Evidence): StepFinding {
  return unknown(`the cluster could not be looked at: ${failure(doctor.answer) ?? ''}`, null);
}

/** It fences the node that it is on, when that has lost the cluster: nobody can ask it from outside. */
const WATCHDOG = 'watchdog';

export const quorum: StepJudge = (evidence) => {
  const { doctor, from, to } = evidence;
  const facts = value(doctor.answer);
  if (facts === null) return unexamined(evidence);
  const { live, corosync, configuration } = facts.cluster;
  if (value(live)?.quorum === false)
    return fails('this part of the cluster has no quorum now', null, {
      fix: 'corosync-quorumtool -s',
    });
  if (value(configuration)?.properties['no-quorum-policy'] === 'ignore')
    return ok('no-quorum-policy is "ignore": Pacemaker does not ask for it', null);
  if ('failed' in corosync) return unknown(`corosync: ${corosync.failed}`, null);
  const { flags, total_votes, quorum: needed, votes } = corosync.ok;
  if (flags.includes('2Node')) return ok(`two_node is on: ${to} has quorum alone`, null);
  const id = value(live)?.members.find(({ name }) => name === from)?.id;
  const lost = id === undefined ? undefined : votes[id];
  if (lost === undefined)
    return unknown(`corosync does not say how many votes ${from} has`, null, {
      fix: 'corosync-quorumtool -s',
    });
  const left = total_votes - lost;
  const counted = `without ${from} ${left} of ${total_votes} votes are left, and ${needed} are needed`;
  if (left >= needed) return ok(counted, null);
  // last_man_standing counts anew after a while; auto_tie_breaker lets one half go on, and which one depends.
  if (flags.includes('LastManStanding') || flags.includes('AutoTieBreaker'))
    return unknown(`${counted}; what ${list(flags)} make of that is for corosync to say`, null);
  return fails(counted, null, { fix: 'remusctl doctor' });
};

export const fencing: StepJudge = (evidence) => {
  const { from, to, doctor } = evidence;
  const facts = value(doctor.answer);
  const live = facts === null ? null : value(facts.cluster.live);
  if (live?.stonith_enabled === false)
    return fails(`fencing is off, so ${from} cannot be fenced`, null, {
      fix: 'crm_attribute --name stonith-enabled --update true',
    });
  const events = facts === null ? null : value(facts.cluster.fence_events);
  const last = lastFencing(events ?? []).find(({ target }) => target === from);
  if (last?.status === 'failed')
    return fails(`the last attempt to fence ${from} has failed (${last.completed})`, null, {
      fix: `stonith_admin --history ${from} --verbose`,
    });
  const asked = evidence.fencing.flatMap(devicesOf);
  const answering = asked.find(({ device }) => 'ok' in device.monitor.answer);
  if (answering !== undefined) {
    const { node, device } = answering;
    const what = `${device.id} on ${node} can fence ${from}, and answers its monitor`;
    return ok(what, device.monitor.took_ms);
  }
  return noneAnswers(evidence, asked, to);
};

interface AskedDevice {
  readonly node: string;
  readonly device: DeviceProof;
}

function devicesOf({ node, proof }: Evidence['fencing'][number]): AskedDevice[] {
  const found = value(proof.answer);
  return (found === null ? null : value(found.devices))?.map((device) => ({ node, device })) ?? [];
}

function noneAnswers(
  { from, fencing: nodes }: Evidence,
  asked: readonly AskedDevice[],
  to: string,
): StepFinding {
  const mute = asked.find(({ device }) => device.id !== WATCHDOG);
  if (mute !== undefined) {
    const { id, monitor } = mute.device;
    const why = failure(monitor.answer) ?? '';
    const what = `${id} on ${mute.node} could fence ${from}, and does not answer its monitor: ${why}`;
    const todo = { fix: `stonith_admin --query ${id}`, on: mute.node };
    return fails(what, monitor.took_ms, todo);
  }
  if (asked.length > 0)
    return unknown(`${from} fences itself by its watchdog, which nobody else can ask`, null);
  const unasked = nodes.flatMap(({ node, proof }) => {
    const why =
      failure(proof.answer) ?? ('ok' in proof.answer ? failure(proof.answer.ok.devices) : null);
    return why === null ? [] : [`${node}: ${why}`];
  });
  if (unasked.length > 0) {
    const what = `which devices could fence ${from} is not known: ${unasked.join('; ')}`;
    return unknown(what, null, { fix: `stonith_admin --list ${from}`, on: to });
  }
  const names = list(nodes.map(({ node }) => node));
  return fails(`no fence device on ${names} can fence ${from}`, null, { fix: 'remusctl doctor' });
}

export const scheduler: StepJudge = (evidence) => {
  const { resource, from, to, doctor } = evidence;
  const { answer, took_ms } = evidence.scheduler;
  if ('failed' in answer)
    return unknown(`Pacemaker's scheduler cannot be asked: ${answer.failed}`, took_ms);
  const node = answer.ok.kind === 'node' ? answer.ok.node : null;
  if (node === to)
    return ok(`would promote it on ${to} if ${from} were lost (crm_simulate)`, took_ms);
  const where = node === null ? `promote ${resource} nowhere` : `have ${resource} on ${node}`;
  const facts = value(doctor.answer);
  const seen = {
    live: facts === null ? null : value(facts.cluster.live),
    configuration: facts === null ? null : value(facts.cluster.configuration),
  };
  const [obstacle] = obstaclesOf(seen, { resource, from, to });
  const why = obstacle === undefined ? '' : `: ${obstacle.what}`;
  return fails(`if ${from} were lost, it would ${where}${why}`, took_ms, {
    fix: obstacle?.fix ?? 'crm_simulate -sL',
  });
};

export const agent: StepJudge = (evidence) => {
  const { doctor } = evidence;
  const facts = value(doctor.answer);
  if (facts === null) return unexamined(evidence);
  const { live } = facts.cluster;
  if ('failed' in live) return unknown(`Pacemaker cannot be asked: ${live.failed}`, null);
  return judgeInstance(live.ok, evidence);
};

function judgeInstance(live: LiveFacts, { resource, from, to }: Evidence): StepFinding {
  const there = live.resources.find(({ id, nodes }) => id === resource && nodes.includes(to));
  if (there === undefined)
    return fails(`Pacemaker has no ${resource} on ${to}`, null, {
      fix: `crm_resource --why -r ${resource}`,
    });
  if (there.failed)
    return fails(`by its monitor ${resource} has failed on ${to}`, null, {
      fix: `crm_resource --cleanup --resource ${resource} --node ${to}`,
    });
  if (!there.managed) {
    // By itself, or because of a maintenance: each has its own cure.
    const [why] = obstaclesOf({ live, configuration: null }, { resource, from, to });
    const because = why === undefined ? '' : `: ${why.what}`;
    const what = `Pacemaker does not manage ${resource} on ${to}${because}`;
    return fails(what, null, { fix: why?.fix ?? `crm_resource --why -r ${resource}` });
  }
  if (there.role === 'Unpromoted' || there.role === 'Slave')
    return ok(`Pacemaker has ${resource} as ${there.role} on ${to}, and no failure of it`, null);
  return fails(`Pacemaker has ${resource} as ${there.role} on ${to}`, null, { fix: 'crm_mon -1A' });
}
