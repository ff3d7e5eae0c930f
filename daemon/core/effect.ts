/**
 * What a step wants done. Order: the driver carries out a step's effects in the order of the list; tasks
 * then run on their own and come back as `done` or `failed` events with the same tag. A result whose tag no
 * state waits for any more is ignored by the machine: that is how a state's tasks and timers die with it.
 */
import type { ReplicaId } from '../relay/control.js';
import type { FoundPause, Pause } from './pause-record.js';
import type { VmRecord } from './record.js';
import type { Look, Peer, VmConfig } from './state.js';

/** Work that takes time and may fail. */
export type Task =
  /** Ask the hypervisor for the domain. */
  | { readonly task: 'look'; readonly domain: string }
  /** Take down everything of this VM on this node but the domain NAME itself; with `domain` that too. Checks that nothing is left (P6). Held output is dropped, never released. */
  | { readonly task: 'clean'; readonly domain: boolean }
  | { readonly task: 'register'; readonly config: VmConfig }
  | { readonly task: 'unregister' }
  | { readonly task: 'read-record'; readonly at: 'dc' | { readonly node: string } }
  /** Write the record where it still is `before`, as it was read; fails when it has changed. */
  | {
      readonly task: 'write-record';
      readonly record: VmRecord;
      readonly before: string | null;
      /** The node that `before` names: Pacemaker must say that the VM is promoted here, and not there. */
      readonly over?: string;
    }
  /** Grant: write the record, not over that of a node promoted since, then raise the peer's promotion score. */
  | {
      readonly task: 'grant';
      readonly record: VmRecord;
      readonly node: string;
      readonly score: number;
    }
  /** Withdraw: write the record, not over that of a node promoted since, then lower the peer's score if the peer is there. */
  | {
      readonly task: 'withdraw';
      readonly record: VmRecord;
      readonly node: string;
      readonly score: number | null;
    }
  | { readonly task: 'membership'; readonly node: string }
  /** Nodes that could hold a replica, best first. */
  | { readonly task: 'find-peers' }
  | { readonly task: 'prepare-peer'; readonly peer: Peer; readonly replica: ReplicaId }
  /** Start `xl remus` with our sender. */
  | {
      readonly task: 'launch-remus';
      readonly peer: Peer;
      readonly port: number;
      readonly replica: ReplicaId;
      readonly config: VmConfig;
      /** mode=restart: for a planned move. Nothing is held; the guest is paused at the last checkpoint. */
      readonly move: boolean;
    }
  /** Ask the sender for one last acknowledged checkpoint. With `freeze` the guest does not run after it. */
  | { readonly task: 'finish-sender'; readonly freeze: boolean }
  /** End the sender and `xl remus`; leave the guest running, output held as it is. */
  | { readonly task: 'end-replication'; readonly reason: string }
  /** Let held output go for good and take the plumbing away. */
  | { readonly task: 'lift-hold' }
  /** Kill the sender and `xl remus`, destroy the domain, drop what is held: as if nothing after the last acknowledged checkpoint had run. */
  | { readonly task: 'destroy-handed-over' }
  /** Tell the peer that its replica is not wanted any more. */
  | {
      readonly task: 'drop-peer';
      readonly peer: string;
      readonly replica: ReplicaId;
      /** Because the operator has paused the replication. */
      readonly paused: boolean;
    }
  /** Write down that the operator has paused the replication, or has not (null); done when all members have the pause. */
  | { readonly task: 'write-pause'; readonly pause: Pause | null }
  /** Take a pause that is over out of the CIB, where it is still this one. */
  | { readonly task: 'end-pause'; readonly text: string }
  /** Tell those that could hold a replica why there is none; never fails. */
  | {
      readonly task: 'tell-paused';
      readonly peers: readonly string[];
      readonly generation: number;
      readonly paused: boolean;
    }
  | {
      readonly task: 'launch-receiver';
      readonly replica: ReplicaId;
      readonly from: string;
      readonly config: VmConfig;
    }
  | { readonly task: 'activate' }
  | { readonly task: 'create'; readonly config: VmConfig }
  | { readonly task: 'shutdown-guest' }
  | { readonly task: 'destroy-guest' }
  /**
   * Where will Pacemaker promote? A record that is damaged or gone is written anew first, where there is one to write: what is
   * granted must be found.
   */
  | { readonly task: 'planned-promotion'; readonly record: VmRecord | null }
  /** Ask remusd on the backup whether it holds this replica: nobody else can promote it. Fails when it gives no answer. */
  | { readonly task: 'ask-backup'; readonly peer: string; readonly replica: ReplicaId }
  /** Tell the former primary that the VM runs here now. */
  | { readonly task: 'tell-activated'; readonly node: string; readonly generation: number };

export type Membership = 'member' | 'fenced' | 'neither';

/** What each task brings back. */
export interface TaskResults {
  look: Look;
  clean: undefined;
  register: undefined;
  unregister: undefined;
  'read-record': string | null;
  'write-record': undefined;
  grant: undefined;
  withdraw: undefined;
  membership: Membership;
  /** `session` is fresh and random: the machine has no randomness of its own. */
  'find-peers': {
    readonly peers: readonly Peer[];
    readonly none_because: string;
    readonly session: string;
    /** The operator has paused the replication. */
    readonly paused: FoundPause | null;
  };
  'prepare-peer': { readonly port: number };
  'launch-remus': undefined;
  'finish-sender': undefined;
  'end-replication': undefined;
  'lift-hold': undefined;
  'destroy-handed-over': undefined;
  'drop-peer': undefined;
  'write-pause': { readonly changed: boolean };
  'end-pause': undefined;
  'tell-paused': undefined;
  'launch-receiver': { readonly port: number };
  activate: undefined;
  create: undefined;
  'shutdown-guest': undefined;
  'destroy-guest': undefined;
  'planned-promotion': { readonly node: string | null };
  /** Why it could not be promoted there; null when nothing is in the way. */
  'ask-backup': { readonly problem: string | null };
  'tell-activated': undefined;
}

export type TaskName = Task['task'];

export type Effect =
  | { readonly type: 'run'; readonly tag: number; readonly task: Task }
  | { readonly type: 'timer'; readonly tag: number; readonly ms: number }
  /** Answer a waiting request. */
  | {
      readonly type: 'reply';
      readonly op: number;
      readonly rc: number;
      readonly reason: string | null;
      readonly data?: unknown;
    }
  | { readonly type: 'progress'; readonly op: number; readonly text: string }
  /** Answer the peer's prepare request. */
  | {
      readonly type: 'answer-peer';
      readonly request: number;
      readonly ok: boolean;
      readonly port: number;
      readonly error: string;
    }
  /** A decision and its reason, once, for the log and the history. */
  | {
      readonly type: 'note';
      readonly text: string;
      readonly data: Readonly<Record<string, unknown>>;
    }
  /** What crm_mon shows for this VM and node, and this node's promotion score; only when changed. null takes it away. */
  | { readonly type: 'publish-words'; readonly words: string | null }
  | { readonly type: 'publish-score'; readonly score: number | null }
  /** Tell Pacemaker at once that the VM has failed here. */
  | { readonly type: 'report-failure'; readonly reason: string };
