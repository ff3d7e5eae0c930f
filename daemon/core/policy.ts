/** The rules that decide, each in one place, each with its reason as a sentence. */
import { sameReplica, type VmRecord } from './record.js';
import type { ReceiverState, ReplicaId, SenderState } from '../relay/control.js';
import type {
  GuestEnd,
  HeldReplica,
  Protection,
  ReceiverView,
  Replication,
  VmConfig,
} from './state.js';

/** Why a VM is unprotected, and its backup without a replica, when the operator wants it so. */
export const PAUSED = 'paused by the operator';

/** Why the replica was given up, when the operator wants another one. */
export const RESYNC = 'a new replica was asked for by the operator';

/** Why it is not protected yet, when a pause has come to its own end. */
export const PAUSE_OVER = 'the pause is over';

/** Why there is no replica: the administrator wants none kept. */
export const RESTART = 'mode=restart';

/** mode=restart: protected by a start on the survivor, and by nothing else. A VM that is not configured here has no mode. */
export function restarts(config: Pick<VmConfig, 'mode'> | null): boolean {
  return config?.mode === 'restart';
}

export function isPaused(protection: Protection): boolean {
  return 'reason' in protection && protection.reason === PAUSED;
}

/** Promotion scores: running primary > granted replica > eligible for a cold start > tried in vain > never. */
export const SCORE = {
  /** The VM runs here. */
  primary: 1000,
  /** A granted replica: set on the peer by the primary. */
  granted: 500,
  /** Could start the VM from its configuration. */
  cold: 10,
  /** A primary that hands over: less than any granted replica. */
  leaving: 5,
  /**
   * Could start the VM, but it has failed here. At equal scores Pacemaker goes by the order of the nodes in the CIB, and
   * would come back to the same one again and again (seen).
   */
  tried: 1,
} as const;

/** The transient attribute in which Pacemaker keeps a resource's promotion score, 2.1 and 3.0 alike. */
export function promotionScore(resource: string): string {
  return `master-${resource}`;
}

/** Milliseconds. */
export const DELAY = {
  /** Between looks at the hypervisor while the VM runs here. */
  poll: 2_000,
  poll_max: 10_000,
  /** Before the first attempt at protection, and between attempts: doubled up to the maximum. */
  protect_first: 200,
  protect_retry: 1_000,
  protect_retry_max: 15_000,
  look_for_peer: 2_000,
  /** Between looks whether a grant that was lost can be written again. */
  grant_again: 5_000,
  /** Between looks at the membership while the peer is neither member nor fenced. */
  membership: 300,
  /** A sender says something every second; silence for the replication timeout and this is death. */
  sender_grace: 3_000,
  /** For its first word; one that does not start at all is noticed sooner, by its socket. */
  sender_start: 120_000,
  /** For Pacemaker to begin a switchover that was asked for. */
  switchover: 60_000,
  /** For the agent to repeat a demote that a former daemon was carrying out: the guest may stand still meanwhile (P5). */
  demote_again: 10_000,
  /** For remusd on the backup to say that it holds the replica of a VM that is to be handed over; and between questions. */
  backup_answers: 30_000,
  ask_backup: 500,
  /** For the other node to say that the VM that was handed over runs there. */
  takeover: 180_000,
  /** Between tries to read or claim the record for a promotion. */
  promote_retry: 500,
  /** Left of an action's time for the work after the one that may take long. */
  margin: 10_000,
  /** How long a clean shutdown waits for the withdrawal before it goes on with the output held. */
  demote_withdraw: 15_000,
  guest_poll: 1_000,
  /** Between looks whether a pause still stands; a resume does not wait for it. */
  paused_look: 15_000,
} as const;

/**
 * So long after a promotion monitor does not say "degraded" yet: protection needs a moment, and Pacemaker
 * shows a first monitor's 191 as "Monitoring" for as long as it stays. The attribute says it all the while.
 */
export const FIRST_MONITOR_MS = 5_000;

/** How old a look may be for a monitor of an Unpromoted VM. Each monitor has the next one made. */
export const LOOK_FRESH_MS = 30_000;

/** monitor says so when the hypervisor has not answered for so long. */
export const LOOK_STALE_MS = 60_000;

export type PromotionDecision =
  | { readonly kind: 'activate'; readonly why: string }
  | { readonly kind: 'cold'; readonly why: string }
  | { readonly kind: 'refuse'; readonly why: string };

/** P2: a replica is activated only complete, current, granted, by a promote. */
export function decidePromotion(
  node: string,
  record: VmRecord,
  held: { readonly replica: ReplicaId; readonly receiver: ReceiverView } | null,
  on_no_replica: VmConfig['on_no_replica'],
): PromotionDecision {
  const problem = replicaProblem(node, record, held);
  if (problem === null)
    return { kind: 'activate', why: 'the replica here is complete and granted' };
  // The very first start has nothing to lose: `refuse` is about memory that once was, as a replica here says of a record that is gone.
  const first = record.generation === 0 && held === null;
  if (on_no_replica === 'start' || first) return { kind: 'cold', why: problem };
  return { kind: 'refuse', why: problem };
}

/** mode=restart is a wish for a start without memory. */
export function onNoReplica(
  config: Pick<VmConfig, 'mode' | 'on_no_replica'>,
): VmConfig['on_no_replica'] {
  return restarts(config) ? 'start' : config.on_no_replica;
}

function replicaProblem(
  node: string,
  record: VmRecord,
  held: { readonly replica: ReplicaId; readonly receiver: ReceiverView } | null,
): string | null {
  if (held === null) return 'no replica here';
  if (record.generation === 0) return 'the CIB has no record that could grant the replica here';
  if (record.grant === null) return 'the replica here is not granted';
  if (record.grant.node !== node) return `the granted replica is on ${record.grant.node}`;
  if (!sameReplica(record.grant.replica, held.replica))
    return 'the replica here is not the granted one';
  if (held.receiver.complete < 1) return 'the replica here has no complete checkpoint';
  if (!canActivate(held.receiver)) return `the receiver is ${held.receiver.phase}`;
  return null;
}

/** Ready; or a promote before this one, whose daemon has died, has ordered it already: the order can be repeated. */
export function canActivate({ phase }: ReceiverView): boolean {
  return phase === 'ready' || isActivating({ phase });
}

/**
 * A sender says something every second, and gives up by itself when the replication timeout is over: what is silent for
 * longer has ended, whatever the connection looks like from here. It changes what is told, not what may be promoted: a
 * primary that is just being fenced is silent, too, and its grant stands.
 */
export function isUnfed({ phase, silent_ms }: ReceiverState, config: VmConfig): boolean {
  const stall = config.replication_timeout_ms + DELAY.sender_grace;
  return silent_ms > (phase === 'listening' ? DELAY.sender_start : stall);
}

/** It takes the last checkpoint, or has: it reads no more then, and the guest stands still. */
export function isHandingOver({ phase }: Pick<SenderState, 'phase'>): boolean {
  return phase === 'finishing' || phase === 'finished';
}

/** The primary of a handover that a former daemon has begun. */
export function takesLastCheckpoint(protection: Protection): boolean {
  if (protection.kind !== 'protected') return false;
  const { sender } = protection.run;
  return sender !== null && isHandingOver(sender);
}

/** netbuf=off, by what the sender says: a changed parameter is for the next replica, and this one is what it was made as. */
export function isUnheld(run: HeldReplica | Replication): boolean {
  return 'sender' in run ? run.sender?.netbuf_off === true : run.unheld === true;
}

/** From the start of an acknowledged checkpoint on, everything the guest says is held until the backup has it. */
export function mayGrant(news: SenderState): boolean {
  if (news.phase !== 'flowing') return false;
  return news.holding_none ? news.stats.acked >= 1 : news.holding && news.stats.acked >= 2;
}

/** mode=restart: the copy has all of the memory, and follows it. */
export function copied(protection: Protection): Replication | null {
  if (protection.kind !== 'seeding') return null;
  const { sender } = protection.run;
  return sender !== null && mayGrant(sender) ? protection.run : null;
}

/** xl may be giving the replica its name and running it at any moment, or has done so. */
export function isActivating({ phase }: Pick<ReceiverView, 'phase'>): boolean {
  return phase === 'activating' || phase === 'activated';
}

/** What becomes of a guest that has ended by itself: the domain's on_poweroff, on_reboot, on_crash. */
export function actionOnEnd(config: VmConfig, how: GuestEnd | 'gone'): 'destroy' | 'restart' {
  switch (how) {
    case 'poweroff':
      return config.on_poweroff;
    case 'reboot':
      return config.on_reboot;
    case 'crash':
      return config.on_crash;
    case 'gone':
      return 'destroy';
  }
}

export function endInWords(how: GuestEnd | 'gone'): string {
  switch (how) {
    case 'poweroff':
      return 'the guest shut itself down';
    case 'reboot':
      return 'the guest asked for a reboot';
    case 'crash':
      return 'the guest crashed';
    case 'gone':
      return 'the domain is gone (destroyed from outside?)';
  }
}

/** A hypervisor that is slow to answer is busy: looking takes at most a tenth of the time. @returns milliseconds. */
export function nextLook(took_ms: number): number {
  return Math.max(DELAY.poll, Math.min(9 * took_ms, DELAY.poll_max));
}

export function retryDelay(attempts: number): number {
  return Math.min(DELAY.protect_retry * 2 ** Math.min(attempts, 10), DELAY.protect_retry_max);
}
