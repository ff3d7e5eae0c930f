/** What the outside sees of a state: words for crm_mon, the promotion score, the monitor's answer. Pure. */
import { OCF } from './ocf.js';
import { pauseWords } from './pause-record.js';
import {
  copied,
  endInWords,
  FIRST_MONITOR_MS,
  isActivating,
  isPaused,
  isUnheld,
  LOOK_FRESH_MS,
  LOOK_STALE_MS,
  restarts,
  SCORE,
  takesLastCheckpoint,
} from './policy.js';
import type { Look, Phase, Protection, State } from './state.js';
import type { SenderState } from '../relay/control.js';

/** Longest text for an attribute: crm_mon shows a line. */
const WORDS_MAX = 120;

/** Of a VM whose clients may see it go back in time: P3 does not hold. */
export const NOT_HELD = 'output not held (netbuf=off)';

/** Of a VM that is started anew on the survivor, and is well; and of the node that would start it. */
export const NOT_REPLICATED = 'running, not replicated (mode=restart)';
export const READY_TO_START = 'ready to start (mode=restart)';

/** The value of the node attribute remus-RESOURCE; null = no attribute. Changes only when the state does. */
export function words(state: State): string | null {
  const text = stateWords(state);
  return text === null ? null : withAdvice(state, text);
}

/** The same as a part of a sentence: without what to type. */
export function stateWords(state: State): string | null {
  const text = phaseWords(state);
  return text === null ? null : oneLine(text);
}

/** Who sees a pause in crm_mon only does not know what ends it; where there is room. A former release said neither. */
function withAdvice({ phase, paused, resource }: State, text: string): string {
  if (phase.kind !== 'primary' || phase.protection.kind !== 'none') return text;
  if (!isPaused(phase.protection) || paused?.by == null) return text;
  const whole = `${text}; type: remusctl resume ${resource}`;
  return whole.length > WORDS_MAX ? text : whole;
}

/** Pacemaker's tools refuse what is not ASCII when they are run in the C locale, as remusd may be (seen). */
function oneLine(text: string): string {
  const flat = text
    .replace(/\s+/g, ' ')
    .replace(/[^ -~]/gu, '?')
    .trim();
  return flat.length > WORDS_MAX ? `${flat.slice(0, WORDS_MAX - 3)}...` : flat;
}

function phaseWords(state: State): string | null {
  const { phase } = state;
  switch (phase.kind) {
    case 'stopped':
    case 'stopping':
      return null;
    case 'starting':
      return 'starting';
    case 'idle':
      return restarts(state.config) && !phase.problem
        ? READY_TO_START
        : `no replica: ${phase.reason}`;
    case 'dropping-replica':
      return `no replica: ${phase.reason}`;
    case 'preparing-replica':
      return 'replica: receiving';
    case 'replica':
      return replicaWords(phase);
    case 'promoting':
      return 'promoting';
    case 'adopting':
      return 'unprotected: found running, being taken over';
    case 'primary':
      return (
        movingWords(state, phase.protection) ??
        whilePaused(state, phase.protection) ??
        protectionWords(phase.protection)
      );
    case 'demoting':
      if (phase.whose === 'left over') return 'no replica: being demoted';
      return phase.run === null ? 'shutting down' : 'handing over';
    case 'guest-ended':
      return `stopped: ${endInWords(phase.how)}`;
  }
}

/** The loss of a connection is told at once; silence when it is longer than a stall. */
function replicaWords({ receiver, from }: Extract<Phase, { kind: 'replica' }>): string {
  if (isActivating(receiver)) return 'promoting';
  const primary = from === '' ? 'the primary' : from;
  if (receiver.unfed)
    return `replica: not fed, ${receiver.connected ? `${primary} is silent` : `no connection from ${primary}`}`;
  if (receiver.phase !== 'ready') return 'replica: receiving';
  return receiver.connected ? 'replica: ready' : 'replica: ready, primary lost';
}

/** Why it is paused, as far as that is known. */
function whilePaused({ paused }: State, protection: Protection): string | null {
  if (paused === null || !isPaused(protection)) return null;
  return protectionWords({ ...protection, reason: pauseWords(paused) } as Protection);
}

function protectionWords(protection: Protection): string {
  switch (protection.kind) {
    case 'none':
    case 'preparing':
    case 'launching':
      return `unprotected: ${protection.reason}`;
    case 'seeding':
      return `syncing ${firstCopyPercent(protection.run.sender)}%`;
    case 'granting':
      return protection.again === null ? 'syncing 100%' : `unprotected: ${protection.again}`;
    case 'protected':
      if (takesLastCheckpoint(protection)) return 'handing over';
      return isUnheld(protection.run) ? `protected, ${NOT_HELD}` : 'protected';
    case 'abandoning':
      return `unprotected: ${protection.reason}`;
    case 'withdrawing':
      return `unprotected, ${protection.unheld ? NOT_HELD : 'output held'}: ${protection.reason}`;
  }
}

/** mode=restart: the absence of a replica is no fault. Null: of one that there still is, as in the other mode. */
function movingWords({ config }: State, protection: Protection): string | null {
  if (!restarts(config)) return null;
  switch (protection.kind) {
    case 'none':
    case 'abandoning':
      return NOT_REPLICATED;
    case 'preparing':
    case 'launching':
      return 'moving: copying 0%';
    case 'seeding':
      return copied(protection) === null
        ? `moving: copying ${firstCopyPercent(protection.run.sender)}%`
        : 'moving: its memory is copied';
    case 'granting':
    case 'protected':
    case 'withdrawing':
      return null;
  }
}

/** In steps of 20: each change is a write to the CIB. */
function firstCopyPercent(sender: SenderState | null): number {
  if (sender === null || sender.stats.guest_memory_bytes === 0) return 0;
  if (sender.stats.sent > 0) return 100;
  const share = sender.stats.first_copy_bytes / sender.stats.guest_memory_bytes;
  return Math.min(80, Math.floor(share * 5) * 20);
}

/**
 * This node's promotion score; null = none, `keep` = as it is: the primary sets the score of a node that
 * holds its granted replica.
 */
export function score(state: State): number | null | 'keep' {
  switch (state.phase.kind) {
    case 'stopped':
    case 'starting':
    case 'stopping':
      return null;
    case 'idle':
    case 'preparing-replica':
    case 'dropping-replica':
      return coldScore(state);
    case 'replica':
    case 'promoting':
      return 'keep';
    case 'demoting':
      return state.phase.whose === 'left over' ? coldScore(state) : primaryScore(state);
    case 'primary':
    case 'adopting':
      return primaryScore(state);
    case 'guest-ended':
      return SCORE.cold;
  }
}

function coldScore({ start_failed }: State): number {
  return start_failed ? SCORE.tried : SCORE.cold;
}

function primaryScore(state: State): number {
  return state.switchover?.asked === true ? SCORE.leaving : SCORE.primary;
}

export interface MonitorAnswer {
  readonly rc: number;
  readonly reason: string | null;
}

/** The monitor's answer where the state alone can tell it; null where the hypervisor must be asked first (P7). */
export function monitorFromState(
  state: State,
  now_ms: number,
  probe: boolean,
): MonitorAnswer | null {
  const { phase } = state;
  switch (phase.kind) {
    case 'primary': {
      if (now_ms - phase.looked_ms > LOOK_STALE_MS) {
        const seconds = Math.round((now_ms - phase.looked_ms) / 1000);
        return {
          rc: OCF.ERR_GENERIC,
          reason: `"xl list" has not answered for ${seconds} s: the state of ${state.resource} is not known; try it by hand`,
        };
      }
      // What was protected and is no more is never kept back (P4), nor what is not going to be.
      const over = phase.protection.kind === 'withdrawing' || isPaused(phase.protection);
      const lost = over || phase.ended !== null;
      const fresh = !lost && now_ms - phase.since_ms < FIRST_MONITOR_MS;
      const alone = phase.ended === null && movingWords(state, phase.protection) !== null;
      const healthy = probe || fresh || alone || phase.protection.kind === 'protected';
      return healthy
        ? { rc: OCF.RUNNING_PROMOTED, reason: null }
        : { rc: OCF.DEGRADED_PROMOTED, reason: words(state) };
    }
    case 'adopting':
      return { rc: OCF.RUNNING_PROMOTED, reason: null };
    case 'guest-ended':
      // A restart in place may have failed late: whether it runs is for the hypervisor to say (P7).
      return phase.step === 'rest'
        ? null
        : {
            rc: probe ? OCF.RUNNING_PROMOTED : OCF.DEGRADED_PROMOTED,
            reason: `${endInWords(phase.how)}; being handled`,
          };
    case 'demoting':
      if (phase.whose === 'left over') return null;
      return { rc: probe ? OCF.RUNNING_PROMOTED : OCF.DEGRADED_PROMOTED, reason: words(state) };
    case 'stopped':
    case 'starting':
    case 'idle':
    case 'preparing-replica':
    case 'replica':
    case 'dropping-replica':
    case 'promoting':
    case 'stopping':
      return null;
  }
}

/** The same for the phases in which the VM should not run here, with a fresh look. */
export function monitorFromLook(state: State, look: Look, probe: boolean): MonitorAnswer {
  const { phase, resource, node } = state;
  if (phase.kind === 'promoting' || phase.kind === 'starting' || phase.kind === 'stopping') {
    return { rc: OCF.SUCCESS, reason: null };
  }
  if (phase.kind === 'replica' && isActivating(phase.receiver))
    return { rc: OCF.SUCCESS, reason: null };
  if (phase.kind === 'guest-ended' && (look.guest.kind === 'absent' || look.guest.kind === 'ended'))
    return { rc: OCF.NOT_RUNNING, reason: endInWords(phase.how) };
  if (look.guest.kind !== 'absent' && phase.kind !== 'primary') {
    const reason = `domain ${state.config?.domain ?? resource} runs on ${node} although it was not promoted there`;
    return { rc: probe ? OCF.RUNNING_PROMOTED : OCF.DEGRADED_PROMOTED, reason };
  }
  if (phase.kind === 'stopped') return { rc: OCF.NOT_RUNNING, reason: null };
  const degraded =
    (phase.kind === 'idle' && phase.problem) || (phase.kind === 'replica' && phase.receiver.unfed);
  return degraded && !probe
    ? { rc: OCF.DEGRADED, reason: words(state) }
    : { rc: OCF.SUCCESS, reason: null };
}

/** The VM should not run here, and nothing is being done about it. */
export function isResting(phase: Phase): boolean {
  return phase.kind === 'idle' || phase.kind === 'replica';
}

/** The same from the last look, while the VM rests here and the look is fresh; null when a new one is needed. */
export function monitorFromLastLook(state: State, now_ms: number): MonitorAnswer | null {
  const { phase, looked } = state;
  if (!isResting(phase) || looked === null || now_ms - looked.at_ms > LOOK_FRESH_MS) return null;
  return monitorFromLook(state, looked.look, false);
}
