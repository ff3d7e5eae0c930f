/** A state in one line, an effect in one line. */
import { formatPause } from '../../daemon/core/pause-record.js';
import { formatRecord } from '../../daemon/core/record.js';
import type { Effect, Task } from '../../daemon/core/effect.js';
import type { Leaving, Phase, Protection, State } from '../../daemon/core/state.js';
import type { ReplicaId } from '../../daemon/relay/control.js';

function id({ generation, session }: ReplicaId): string {
  return `${generation}/${session}`;
}

function protection(is: Protection): string {
  switch (is.kind) {
    case 'none':
      return `none (${is.reason})`;
    case 'preparing':
    case 'launching':
      return `${is.kind} on ${is.peer.node}`;
    case 'granting':
      return `granting by ${is.run.peer.node}${is.again === null ? '' : `, again (${is.again})`}`;
    case 'seeding':
    case 'protected':
      return `${is.kind} by ${is.run.peer.node}`;
    case 'abandoning':
    case 'withdrawing':
      return `${is.kind}, step ${is.step} (${is.reason})`;
  }
}

function inside(phase: Phase): string {
  switch (phase.kind) {
    case 'stopped':
      return '';
    case 'idle':
      return `(${phase.reason})${phase.problem ? ' problem' : ''}`;
    case 'replica': {
      const { receiver } = phase;
      return `${id(phase.replica)} from ${phase.from}, ${receiver.phase}, complete ${receiver.complete}${receiver.connected ? '' : ', not connected'}${receiver.unfed ? ', not fed' : ''}`;
    }
    case 'dropping-replica':
      return `(${phase.reason})${phase.problem ? ' problem' : ''}`;
    case 'primary': {
      const leaving = phase.leaving === null ? '' : `, leaving to ${phase.leaving.then}`;
      const ended = phase.ended === null ? '' : `, guest ${phase.ended}`;
      return `g=${phase.generation} ${protection(phase.protection)}${ended}${leaving}${move(phase.leaving)}`;
    }
    case 'guest-ended':
      return `${phase.how}, step ${phase.step}`;
    case 'demoting':
      return `step ${phase.step}, then ${phase.then}${phase.move ? ', with a copy' : ''}`;
    case 'starting':
    case 'adopting':
    case 'preparing-replica':
    case 'promoting':
    case 'stopping':
      return `step ${phase.step}`;
  }
}

function move(leaving: Leaving | null): string {
  if (leaving?.move == null) return '';
  return leaving.move.kind === 'plan' ? ', where to?' : `, with a copy for ${leaving.move.to}`;
}

export function printState({ phase, switchover, moving, pausing, resync }: State): string {
  const copy = moving === null ? '' : `; to be moved to ${moving.to ?? 'any'}`;
  const over =
    switchover === null
      ? ''
      : `; switchover to ${switchover.to}${switchover.stopped_ms === null ? '' : ', handed over'}`;
  const pause = pausing === null ? '' : `; to be ${pausing.want}, step ${pausing.step}`;
  const anew = resync === null ? '' : '; to be replicated anew';
  return `= ${`${phase.kind} ${inside(phase)}`.trim()}${copy}${over}${pause}${anew}`;
}

function task(is: Task): string {
  switch (is.task) {
    case 'clean':
      return `clean ${is.domain ? 'replica and domain' : 'replica'}`;
    case 'read-record':
      return `read-record at ${is.at === 'dc' ? 'the DC' : is.at.node}`;
    case 'write-record':
      return `write-record "${formatRecord(is.record)}" over ${is.before === null ? 'none' : `"${is.before}"`}${is.over === undefined ? '' : `, if not promoted on ${is.over}`}`;
    case 'grant':
    case 'withdraw':
      return `${is.task} "${formatRecord(is.record)}" score ${is.node}=${is.score ?? 'as it is'}`;
    case 'membership':
      return `membership of ${is.node}`;
    case 'prepare-peer':
      return `prepare-peer ${is.peer.node} ${id(is.replica)}`;
    case 'launch-remus':
      return `launch-remus to ${is.peer.node} ${id(is.replica)}${is.move ? ', a copy' : ''}`;
    case 'finish-sender':
      return `finish-sender${is.freeze ? ', and freeze' : ''}`;
    case 'launch-receiver':
      return `launch-receiver from ${is.from} ${id(is.replica)}`;
    case 'end-replication':
      return `end-replication (${is.reason})`;
    case 'drop-peer':
      return `drop-peer ${is.peer} ${id(is.replica)}${is.paused ? ', paused' : ''}`;
    case 'write-pause':
      return `write-pause ${is.pause === null ? 'none' : `"${formatPause(is.pause)}"`}`;
    case 'end-pause':
      return `end-pause "${is.text}"`;
    case 'tell-paused':
      return `tell-paused ${is.peers.join(' ')} g=${is.generation} ${is.paused}`;
    case 'ask-backup':
      return `ask-backup ${is.peer} ${id(is.replica)}`;
    case 'tell-activated':
      return `tell-activated ${is.node} g=${is.generation}`;
    case 'look':
    case 'register':
    case 'unregister':
    case 'find-peers':
    case 'lift-hold':
    case 'destroy-handed-over':
    case 'activate':
    case 'create':
    case 'shutdown-guest':
    case 'destroy-guest':
    case 'planned-promotion':
      return is.task;
  }
}

export function printEffect(effect: Effect): string {
  switch (effect.type) {
    case 'run':
      return `#${effect.tag} ${task(effect.task)}`;
    case 'timer':
      return `#${effect.tag} timer ${effect.ms} ms`;
    case 'reply': {
      const data = effect.data === undefined ? '' : ` ${JSON.stringify(effect.data)}`;
      return `reply ${effect.op}: rc ${effect.rc}${effect.reason === null ? '' : ` "${effect.reason}"`}${data}`;
    }
    case 'progress':
      return `progress ${effect.op}: ${effect.text}`;
    case 'answer-peer':
      return effect.ok
        ? `answer-peer ${effect.request}: port ${effect.port}`
        : `answer-peer ${effect.request}: no, ${effect.error}`;
    case 'note': {
      const data = Object.keys(effect.data).length === 0 ? '' : ` ${JSON.stringify(effect.data)}`;
      return `note: ${effect.text}${data}`;
    }
    case 'publish-words':
      return `words: ${effect.words ?? '(none)'}`;
    case 'publish-score':
      return `score: ${effect.score ?? '(none)'}`;
    case 'report-failure':
      return `report-failure: ${effect.reason}`;
  }
}
