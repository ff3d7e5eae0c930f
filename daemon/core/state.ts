/**
 * The states of one VM on one node. A union: each state holds only its own data. What Pacemaker calls
 * Unpromoted is `idle`, `preparing-replica` and `replica` here; Promoted is `primary` and `guest-ended`.
 */
import type { ReceiverPhase, ReplicaId, SenderState } from '../relay/control.js';
import type { Pause } from './pause-record.js';
import type { VmRecord } from './record.js';

/** What to do when the guest ends by itself, from the domain's configuration (xl.cfg(5)). */
export type EndAction = 'destroy' | 'restart';

/** What the machine must know of the resource's parameters and of the domain's configuration. */
export interface VmConfig {
  readonly resource: string;
  readonly domain: string;
  /** `restart`: no replica is kept; memory is copied for a planned move only (see move.ts). */
  readonly mode: 'remus' | 'restart';
  readonly config_path: string;
  /** Milliseconds between checkpoints. */
  readonly interval_ms: number;
  readonly shutdown_timeout_ms: number;
  readonly replication_timeout_ms: number;
  readonly compression: 'auto' | 'off' | 'lz4' | 'delta';
  /** `off`: what the guest sends is not held (P3 does not hold). Of the next replica; the sender says what is true of this one. */
  readonly netbuf: 'on' | 'off';
  readonly on_no_replica: 'start' | 'refuse';
  readonly on_poweroff: EndAction;
  readonly on_reboot: EndAction;
  readonly on_crash: EndAction;
}

/** A request that waits for its reply: an OCF action, or an operator's command. */
export interface OpRef {
  readonly id: number;
  /** When Pacemaker gives the action up, on the clock of `step`'s now_ms. */
  readonly deadline_ms: number;
}

/** The domain as the hypervisor shows it. */
export type Guest =
  | { readonly kind: 'absent' }
  | { readonly kind: 'running'; readonly domid: number }
  | { readonly kind: 'paused'; readonly domid: number }
  | { readonly kind: 'suspended'; readonly domid: number }
  | { readonly kind: 'ended'; readonly domid: number; readonly how: GuestEnd };

export type GuestEnd = 'poweroff' | 'reboot' | 'crash';

export interface Look {
  readonly guest: Guest;
  /** A domain NAME--incoming exists. */
  readonly incoming: boolean;
}

export interface Peer {
  readonly node: string;
  readonly address: string;
  readonly port: number;
  readonly fingerprint: string;
}

export interface ReceiverView {
  readonly phase: ReceiverPhase;
  readonly connected: boolean;
  readonly complete: number;
  readonly applied: number;
  /** Nothing has come from the primary for longer than any stall lasts that it puts up with. */
  readonly unfed: boolean;
}

/** A replica and the node that holds it: what a grant and its withdrawal name. */
export interface HeldReplica {
  readonly peer: { readonly node: string };
  readonly replica: ReplicaId;
  /** It was fed with netbuf=off: there is no output that waits for anything. */
  readonly unheld?: boolean;
}

/** A replication that runs: `xl remus` here, a receiver on the peer. */
export interface Replication {
  readonly peer: Peer;
  readonly replica: ReplicaId;
  readonly sender: SenderState | null;
  /** When the sender was last heard, on step's clock. */
  readonly heard_ms: number;
  /** For how long it has got nothing from xl, as far as we have listened: not while this daemon was hung. */
  readonly still_ms: number;
  /** The timer that ends a silent sender. */
  readonly watch_tag: number;
}

/** Of a primary: how far its protection has come. */
export type Protection =
  /** The VM runs alone. `tag` is the next attempt's timer, or the search for a peer. */
  | { readonly kind: 'none'; readonly reason: string; readonly tag: number }
  /** A peer was asked to make a receiver. */
  | {
      readonly kind: 'preparing';
      readonly reason: string;
      readonly peer: Peer;
      readonly replica: ReplicaId;
      readonly tag: number;
    }
  /** `xl remus` is being started. */
  | {
      readonly kind: 'launching';
      readonly reason: string;
      readonly peer: Peer;
      readonly replica: ReplicaId;
      readonly tag: number;
    }
  /** First copy, up to the first checkpoint from whose start output is held. */
  | { readonly kind: 'seeding'; readonly run: Replication }
  /** The grant is being written. Its fate is unknown until then: from here on only a withdrawal leads back. */
  | {
      readonly kind: 'granting';
      readonly run: Replication;
      /** Why a grant that was there is written once more; null the first time. */
      readonly again: string | null;
      readonly tag: number;
    }
  | { readonly kind: 'protected'; readonly run: Replication }
  /** Never granted: replication is being ended, then output is let go. */
  | {
      readonly kind: 'abandoning';
      readonly reason: string;
      readonly peer: Peer | null;
      readonly replica: ReplicaId | null;
      readonly step: 'end' | 'lift';
      readonly tag: number;
    }
  /** Granted: output stays held until the replica cannot be promoted any more (P4). */
  | {
      readonly kind: 'withdrawing';
      readonly reason: string;
      readonly peer: { readonly node: string };
      readonly replica: ReplicaId;
      /** With netbuf=off there is nothing to hold: the rule is the same, and the guest's output flows meanwhile. */
      readonly unheld: boolean;
      readonly step: WithdrawStep;
      /** Why the output stays held, as last noted: it is looked at again and again. */
      readonly said: string;
      readonly tag: number;
    };

export type WithdrawStep =
  | 'end' // end replication; the guest runs on, its output held
  | 'membership' // is the peer a member, fenced, or neither?
  | 'write' // the withdrawal, into the CIB
  | 'verify' // the peer's own CIB has it
  | 'wait' // neither member nor fenced yet
  | 'lift'; // let the output go

export type Phase =
  | { readonly kind: 'stopped' }
  /** The domain was found running although nobody started it here (e.g. `xl create` before it was put into the cluster): it becomes ours. */
  | {
      readonly kind: 'adopting';
      readonly guest: Guest;
      readonly step: 'register' | 'read' | 'claim';
      readonly record: VmRecord | null;
      readonly tag: number;
    }
  | {
      readonly kind: 'starting';
      readonly op: OpRef;
      readonly step: 'look' | 'clean' | 'register';
      readonly tag: number;
    }
  | {
      readonly kind: 'idle';
      readonly reason: string;
      readonly problem: boolean;
      /** The node whose remusd cannot talk to this one, when that is the reason. */
      readonly differs: string | null;
    }
  | {
      readonly kind: 'preparing-replica';
      readonly request: number;
      readonly from: string;
      readonly replica: ReplicaId;
      readonly step: 'clean' | 'launch';
      readonly tag: number;
    }
  | {
      readonly kind: 'replica';
      readonly from: string;
      readonly replica: ReplicaId;
      readonly receiver: ReceiverView;
    }
  /** The replica is being taken down; nothing of it is used again. */
  | {
      readonly kind: 'dropping-replica';
      readonly reason: string;
      readonly problem: boolean;
      readonly tag: number;
    }
  | {
      readonly kind: 'promoting';
      readonly op: OpRef;
      readonly held: {
        readonly from: string;
        readonly replica: ReplicaId;
        readonly receiver: ReceiverView;
      } | null;
      readonly step: PromoteStep;
      /** The record that this promotion writes; null until it has been decided. */
      readonly record: VmRecord | null;
      /** Why it starts from the configuration, when it does. */
      readonly cold_reason: string | null;
      /** What it waits for, as last noted. */
      readonly said: string;
      readonly tag: number;
    }
  | {
      readonly kind: 'primary';
      readonly generation: number;
      readonly protection: Protection;
      readonly guest: Guest;
      /** When the VM came to run here, on step's clock. */
      readonly since_ms: number;
      /** When the hypervisor last answered, on step's clock. */
      readonly looked_ms: number;
      /** When it was last asked. */
      readonly asked_ms: number;
      readonly poll_tag: number;
      /** The look whether the record still grants what it should; no tag when none is under way. */
      readonly record_tag: number;
      /** Failed attempts at protection since the last success: for the retry's delay and the choice of the peer. */
      readonly attempts: number;
      /** What the guest did, once it has ended and its replica is being withdrawn. */
      readonly ended: GuestEnd | 'gone' | null;
      readonly leaving: Leaving | null;
    }
  /** The primary's guest has ended by its own doing; what is left of it is being handled. */
  | {
      readonly kind: 'guest-ended';
      readonly generation: number;
      readonly how: GuestEnd | 'gone';
      readonly step: 'destroy' | 'create' | 'look' | 'rest';
      /** Why it could not be restarted in place, once that has failed. */
      readonly failed: string | null;
      readonly tag: number;
    }
  | {
      readonly kind: 'demoting';
      readonly op: OpRef;
      readonly whose: Whose;
      /** 0 when it is not known: not this node's VM, or its record has not been read. */
      readonly generation: number;
      readonly then: 'idle' | 'stopped';
      readonly step: DemoteStep;
      /** The replica that the VM is handed over to; null for a shutdown. */
      readonly run: Replication | null;
      /** mode=restart: `run` is a copy for this move. It is granted when the domain is gone here, and not before. */
      readonly move: boolean;
      /** A grant whose withdrawal was still under way when the shutdown began: if the VM stays, that goes on. */
      readonly owed: HeldReplica | null;
      /** What it waits for, as last noted. */
      readonly said: string;
      readonly tag: number;
      /** Ends the wait for the backup, or for the guest. */
      readonly limit_tag: number;
    }
  | {
      readonly kind: 'stopping';
      readonly op: OpRef;
      /** It was not started here: a stop that fails does not make it so. */
      readonly was_stopped: boolean;
      readonly step: 'clean' | 'unregister';
      readonly tag: number;
    };

/** What is demoted. */
export type Whose =
  | 'ours' // this node's VM
  | 'adopted' // found running, and not claimed yet
  | 'left over'; // it was not this node's VM: whatever is here is cleared away

export type PromoteStep =
  | 'read' // the record, through the DC
  | 'claim' // write the new generation
  | 'membership' // of the node whose grant the claim has taken away
  | 'verify' // that node has the claim
  | 'activate'
  | 'clean' // before a cold start: nothing of the replica may be left
  | 'create'
  | 'settle'; // the consumed grant is removed from the record

export type DemoteStep =
  | 'plan' // where will Pacemaker promote?
  | 'ask' // could the backup promote its replica?
  | 'finish' // one more checkpoint, acknowledged
  | 'check' // it did not come: is the guest still there, and the peer?
  | 'handover' // destroy the domain without releasing what came after
  | 'grant' // of a move's copy
  | 'shutdown' // ask the guest
  | 'waiting' // for the guest
  | 'clean';

/** A demote or stop of a VM whose replica must not resurrect it: the withdrawal comes first, for a bounded time. */
export interface Leaving {
  readonly op: OpRef;
  readonly then: 'idle' | 'stopped';
  /** At its end the shutdown goes on with the output held; of a move, without its memory. */
  readonly limit_tag: number;
  /** mode=restart: the memory goes along, while there is time for it. Null: the guest is shut down. */
  readonly move: LeavingMove | null;
}

export type LeavingMove =
  /** Where will Pacemaker promote? */
  | { readonly kind: 'plan'; readonly tag: number }
  /** `tried`: the copy has been begun. A second one is not. */
  | { readonly kind: 'copy'; readonly to: string; readonly tried: boolean };

/** A monitor that waits for a look at the hypervisor. */
export interface PendingMonitor {
  /** null: nobody waits, the look is for the next monitor. */
  readonly op: OpRef | null;
  readonly probe: boolean;
  readonly tag: number;
  readonly config: VmConfig;
  /** Asked for while nothing of the VM was ours: what the look finds running may be adopted. */
  readonly may_adopt: boolean;
}

/** An action that was asked for again while it was under way: it waits for the same outcome. */
export interface Joined {
  readonly op: OpRef;
  /** The id of the request that is being carried out. */
  readonly to: number;
}

/** An operator's or Pacemaker's planned move that has been asked for here. */
export interface Switchover {
  /** Null: nobody waits for its end. */
  readonly op: OpRef | null;
  /** By us, with a low promotion score. Otherwise Pacemaker has decided it, or the backup has not answered yet, and our score is what it was. */
  readonly asked: boolean;
  readonly to: string;
  /** Timer that gives it up; before that, the question to the backup. */
  readonly tag: number;
  /** When the guest stopped here, once it has. */
  readonly stopped_ms: number | null;
}

/** mode=restart: an operator's planned move, while the memory is being copied. Then it is a switchover. */
export interface Moving {
  readonly op: OpRef;
  /** Null: whichever node can take it. */
  readonly to: string | null;
  /** The copy has been begun. A second one is not. */
  readonly tried: boolean;
  /** Ends the wait. */
  readonly limit_tag: number;
}

/** An operator's pause or resume that is under way. */
export interface Pausing {
  readonly op: OpRef;
  readonly want: 'paused' | 'resumed';
  /** Null: a resume. */
  readonly pause: Pause | null;
  readonly step: 'write' | 'end';
  /** It was not so before. */
  readonly changed: boolean;
  readonly tag: number;
  /** Ends the wait. */
  readonly limit_tag: number;
}

/** An operator's wish for a new replica, until the VM is protected by it. */
export interface Resync {
  readonly op: OpRef;
  /** The one that is given up; null: there was none. */
  readonly replica: ReplicaId | null;
  /** When the VM lost its protection for it, on step's clock; null: it had none. */
  readonly since_ms: number | null;
  /** Ends the wait. */
  readonly limit_tag: number;
}

export interface LastSwitchover {
  readonly from: string;
  readonly to: string;
  readonly interruption_ms: number;
}

export interface State {
  readonly node: string;
  readonly resource: string;
  readonly config: VmConfig | null;
  readonly phase: Phase;
  readonly switchover: Switchover | null;
  readonly moving: Moving | null;
  readonly last_switchover: LastSwitchover | null;
  readonly pausing: Pausing | null;
  readonly resync: Resync | null;
  /** The pause of a VM that runs here, as it was last seen or written: of one that is paused. */
  readonly paused: Pause | null;
  readonly monitors: readonly PendingMonitor[];
  /** The last look at a VM that should not run here: a monitor of it need not wait for xl each time. */
  readonly looked: { readonly look: Look; readonly at_ms: number } | null;
  readonly joined: readonly Joined[];
  /** The last promotion here could not start the VM, and it has not run anywhere since. */
  readonly start_failed: boolean;
  /** The next tag: tags tie results and timers to the state that asked for them. */
  readonly next_tag: number;
}

export function initialState(node: string, resource: string): State {
  return {
    node,
    resource,
    config: null,
    phase: { kind: 'stopped' },
    switchover: null,
    moving: null,
    last_switchover: null,
    pausing: null,
    resync: null,
    paused: null,
    monitors: [],
    looked: null,
    joined: [],
    start_failed: false,
    next_tag: 1,
  };
}
