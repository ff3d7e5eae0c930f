/**
 * The state machine of one VM on one node: `step(state, event, now)` returns the next state and what is to
 * be done. No clock, no I/O, no randomness: the same machine runs in production and in the simulator.
 */
import { adopt, adoptingDone, adoptingFailed, adoptingTimer } from './adopt.js';
import * as backup from './backup.js';
import * as demote from './demote.js';
import type { Effect } from './effect.js';
import type { Done, Event } from './event.js';
import { endedDone, endedFailed, seenAfterAll } from './guest-ended.js';
import { OCF } from './ocf.js';
import { configurationChanged } from './own-record.js';
import {
  opPause,
  opResume,
  pauseNotWritten,
  pauseTimer,
  pauseWritten,
  settlePause,
} from './pause.js';
import { modeChanged, moveTimer, settleMove } from './move.js';
import * as primary from './primary.js';
import { opPromote, promotingDone, promotingFailed, promotingTimer } from './promote.js';
import { recovered } from './recover.js';
import { opResync, resyncTimer, settleResync } from './resync.js';
import type { State } from './state.js';
import {
  cancelSwitchover,
  opSwitchover,
  peerActivated,
  switchoverAnswered,
  switchoverNotAnswered,
  switchoverTimer,
} from './switchover.js';
import { Turn } from './turn.js';
import {
  isResting,
  monitorFromLastLook,
  monitorFromLook,
  monitorFromState,
  score,
  words,
} from './view.js';

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** @param now_ms monotonic milliseconds; only differences matter. */
export function step(before: State, event: Event, now_ms: number): Step {
  const turn = new Turn(before, now_ms);
  handle(turn, event, before);
  settlePause(turn, before);
  settleResync(turn, before);
  settleMove(turn, before);
  // A look from before a promotion or a demotion says nothing any more.
  if (!isResting(turn.state.phase)) turn.patch({ looked: null });
  publish(turn, before);
  return { state: turn.state, effects: turn.effects };
}

function publish(turn: Turn, before: State): void {
  // Words are the phase's and the pause's alone, and most events leave both as they are.
  const { phase, paused } = turn.state;
  if (phase !== before.phase || paused !== before.paused) {
    const text = words(turn.state);
    if (text !== words(before)) turn.push({ type: 'publish-words', words: text });
  }
  const value = score(turn.state);
  if (value !== 'keep' && value !== score(before))
    turn.push({ type: 'publish-score', score: value });
}

function handle(turn: Turn, event: Event, before: State): void {
  switch (event.type) {
    case 'op-start':
      backup.opStart(turn, event.op, event.config);
      return;
    case 'op-stop':
      stop(turn, event);
      return;
    case 'op-promote':
      opPromote(turn, event.op);
      return;
    case 'op-demote':
      demote.opDemote(turn, event.op);
      return;
    case 'op-monitor':
      monitor(turn, event);
      return;
    case 'op-reload':
      turn.patch({ config: event.config });
      turn.note('parameters reloaded');
      modeChanged(turn, before);
      turn.ok(event.op);
      return;
    case 'op-switchover':
      opSwitchover(turn, event.op, event.to);
      return;
    case 'op-pause':
      opPause(turn, event.op, event.pause);
      return;
    case 'op-resume':
      opResume(turn, event.op);
      return;
    case 'op-resync':
      opResync(turn, event.op, event.asker);
      return;
    case 'done':
      done(turn, event);
      return;
    case 'failed':
      failed(turn, event);
      return;
    case 'timer':
      timer(turn, event.tag);
      return;
    case 'recovered':
      recovered(turn, event.findings);
      return;
    case 'disowned':
      disown(turn);
      return;
    case 'configuration-changed':
      if (turn.state.phase.kind === 'primary') configurationChanged(turn, turn.state.phase);
      return;
    case 'pulse':
      return;
    case 'peer-activated':
      peerActivated(turn, event);
      return;
    case 'peer-prepare':
      backup.peerPrepare(turn, event);
      return;
    case 'peer-drop': {
      const { phase } = turn.state;
      if (phase.kind === 'replica' || phase.kind === 'preparing-replica')
        backup.peerDrop(turn, phase, event);
      return;
    }
    case 'peer-paused':
      backup.peerPaused(turn, event);
      return;
    case 'peer-version':
      backup.peerVersion(turn, event);
      return;
    case 'sender':
      if (turn.state.phase.kind === 'primary')
        primary.senderNews(turn, turn.state.phase, event.state);
      else if (turn.state.phase.kind === 'demoting')
        demote.demotingSender(turn, turn.state.phase, event);
      return;
    case 'sender-gone':
      if (turn.state.phase.kind === 'primary')
        primary.senderGone(turn, turn.state.phase, event.session, event.reason);
      else if (turn.state.phase.kind === 'demoting')
        demote.demotingSender(turn, turn.state.phase, event);
      return;
    case 'receiver':
      if (turn.state.phase.kind === 'replica')
        backup.receiverNews(turn, turn.state.phase, event.state);
      else if (turn.state.phase.kind === 'promoting')
        backup.heldNews(turn, turn.state.phase, event.state);
      return;
    case 'receiver-gone':
      if (turn.state.phase.kind === 'replica')
        backup.receiverGone(turn, turn.state.phase, event.session, event.reason);
      else if (turn.state.phase.kind === 'promoting')
        backup.heldGone(turn, turn.state.phase, event.session);
  }
}

function stop(turn: Turn, event: Extract<Event, { type: 'op-stop' }>): void {
  // A stop must work on a node that knows nothing of the VM: what is there is found by the domain's name.
  if (turn.state.config === null) turn.patch({ config: event.config });
  if (turn.state.switchover?.stopped_ms == null)
    cancelSwitchover(turn, 'the resource is being stopped');
  demote.opStop(turn, event.op);
}

function disown(turn: Turn): void {
  const { kind } = turn.state.phase;
  if (kind === 'stopped' || kind === 'starting' || kind === 'stopping' || kind === 'adopting')
    return;
  turn.note('stopped by the agent while this daemon did not answer');
  cancelSwitchover(turn, 'the resource has been stopped');
  demote.overtake(turn, 'stop by the agent');
  const monitors = turn.state.monitors.map((one) => ({ ...one, may_adopt: false }));
  turn.patch({ config: null, monitors });
  turn.to({ kind: 'stopped' });
}

function monitor(turn: Turn, event: Extract<Event, { type: 'op-monitor' }>): void {
  const answer = monitorFromState(turn.state, turn.now_ms, event.probe);
  if (answer !== null) {
    turn.reply(event.op, answer.rc, answer.reason);
    return;
  }
  const { probe, config } = event;
  const quick = probe ? null : monitorFromLastLook(turn.state, turn.now_ms);
  if (quick !== null) turn.reply(event.op, quick.rc, quick.reason);
  const op = quick === null ? event.op : null;
  const tag = turn.look(turn.state.config ?? config);
  const may_adopt = turn.state.phase.kind === 'stopped';
  turn.patch({ monitors: [...turn.state.monitors, { op, probe, config, tag, may_adopt }] });
}

/** @returns true when the result was a monitor's look. */
function monitorLook(turn: Turn, event: Done | Extract<Event, { type: 'failed' }>): boolean {
  const pending = turn.state.monitors.find((one) => one.tag === event.tag);
  if (pending === undefined) return false;
  turn.patch({ monitors: turn.state.monitors.filter((one) => one !== pending) });
  if (event.type === 'failed') {
    if (pending.op !== null) turn.reply(pending.op, OCF.ERR_GENERIC, event.error);
  } else if (event.task === 'look') {
    turn.patch({ looked: { look: event.value, at_ms: turn.now_ms } });
    const { guest } = event.value;
    const { phase } = turn.state;
    if (phase.kind === 'guest-ended') seenAfterAll(turn, phase, guest);
    const now = monitorFromState(turn.state, turn.now_ms, pending.probe);
    const { rc, reason } = now ?? monitorFromLook(turn.state, event.value, pending.probe);
    if (pending.op !== null) turn.reply(pending.op, rc, reason);
    if (pending.may_adopt && turn.state.phase.kind === 'stopped' && guest.kind !== 'absent')
      adopt(turn, pending.config, guest);
  }
  return true;
}

function done(turn: Turn, event: Done): void {
  if (monitorLook(turn, event) || pauseWritten(turn, event)) return;
  if (switchoverAnswered(turn, event)) return;
  const { phase } = turn.state;
  if (phase.kind === 'primary') {
    primary.primaryDone(turn, phase, event);
    return;
  }
  if (!('tag' in phase) || phase.tag !== event.tag) return;
  switch (phase.kind) {
    case 'starting':
      backup.startingDone(turn, phase, event);
      return;
    case 'preparing-replica':
      backup.preparingDone(turn, phase, event);
      return;
    case 'dropping-replica':
      backup.droppingDone(turn, phase);
      return;
    case 'promoting':
      promotingDone(turn, phase, event);
      return;
    case 'adopting':
      adoptingDone(turn, phase, event);
      return;
    case 'guest-ended':
      endedDone(turn, phase, event);
      return;
    case 'demoting':
      demote.demotingDone(turn, phase, event);
      return;
    case 'stopping':
      backup.stoppingDone(turn, phase, event);
  }
}

function failed(turn: Turn, event: Extract<Event, { type: 'failed' }>): void {
  if (monitorLook(turn, event) || pauseNotWritten(turn, event.tag, event.error)) return;
  if (switchoverNotAnswered(turn, event.tag, event.error)) return;
  const { phase } = turn.state;
  if (phase.kind === 'primary') {
    primary.primaryFailed(turn, phase, event.tag, event.error);
    return;
  }
  if (!('tag' in phase) || phase.tag !== event.tag) return;
  switch (phase.kind) {
    case 'starting':
      backup.startingFailed(turn, phase, event.error);
      return;
    case 'preparing-replica':
      backup.preparingFailed(turn, phase, event.error);
      return;
    case 'dropping-replica':
      backup.droppingFailed(turn, event.error);
      return;
    case 'promoting':
      promotingFailed(turn, phase, event.error);
      return;
    case 'adopting':
      adoptingFailed(turn, phase, event.error);
      return;
    case 'guest-ended':
      endedFailed(turn, phase, event.error);
      return;
    case 'demoting':
      demote.demotingFailed(turn, phase, event.error);
      return;
    case 'stopping':
      backup.stoppingFailed(turn, phase, event.error);
  }
}

function timer(turn: Turn, tag: number): void {
  if (switchoverTimer(turn, tag) || moveTimer(turn, tag)) return;
  if (pauseTimer(turn, tag) || resyncTimer(turn, tag)) return;
  const { phase } = turn.state;
  if (phase.kind === 'primary') primary.primaryTimer(turn, phase, tag);
  else if (phase.kind === 'demoting') demote.demotingTimer(turn, phase, tag);
  else if (phase.kind === 'promoting') promotingTimer(turn, phase, tag);
  else if (phase.kind === 'adopting') adoptingTimer(turn, phase, tag);
}
