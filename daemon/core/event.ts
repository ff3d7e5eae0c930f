/** What can happen to a VM on a node. */
import type { ReceiverState, ReplicaId, SenderState } from '../relay/control.js';
import type { TaskName, TaskResults } from './effect.js';
import type { Pause } from './pause-record.js';
import type { Asker } from './resync.js';
import type { Look, OpRef, Peer, VmConfig } from './state.js';
import type { VmRecord } from './record.js';

/** What was found when the daemon came back: the VM is taken over from what is really there. */
export interface Findings {
  readonly config: VmConfig;
  readonly look: Look;
  /** The record through the DC; null when the cluster did not answer. */
  readonly record: VmRecord | null;
  /** A sender that is alive and reachable. */
  readonly sender: SenderState | null;
  readonly receiver: ReceiverState | null;
  /** The peer of the running replication, as noted at its start. */
  readonly peer: Peer | null;
  /** The replica of that replication. */
  readonly replica: ReplicaId | null;
  /** It was made with netbuf=off, as noted. */
  readonly unheld?: boolean;
  /** It was a copy for a planned move (mode=restart), as noted. */
  readonly move?: boolean;
  /** The node that feeds the receiver. */
  readonly from: string | null;
  /** The operator has paused the replication: by the record through the DC, null when the cluster did not answer. */
  readonly paused: Pause | null;
  /** The promotion score here, as the cluster still has it, is that of a node that hands over: a switchover is under way. */
  readonly leaving: boolean;
  /** What we were before, as noted at registration: a guest that is gone must not be taken for one that never ran. */
  readonly was_primary: boolean;
  /** A demote was about to destroy the domain here: its replica was to go on. */
  readonly handing_over: boolean;
  /** Of the promotion that the VM runs by here, as noted; 0 when it is not known. */
  readonly generation: number;
}

export type Done = {
  [K in TaskName]: {
    readonly type: 'done';
    readonly tag: number;
    readonly task: K;
    readonly value: TaskResults[K];
  };
}[TaskName];

export type Event =
  | { readonly type: 'op-start'; readonly op: OpRef; readonly config: VmConfig }
  | { readonly type: 'op-stop'; readonly op: OpRef; readonly config: VmConfig }
  | { readonly type: 'op-promote'; readonly op: OpRef }
  | { readonly type: 'op-demote'; readonly op: OpRef }
  | {
      readonly type: 'op-monitor';
      readonly op: OpRef;
      readonly config: VmConfig;
      readonly probe: boolean;
    }
  | { readonly type: 'op-reload'; readonly op: OpRef; readonly config: VmConfig }
  | { readonly type: 'op-switchover'; readonly op: OpRef; readonly to: string | null }
  | { readonly type: 'op-pause'; readonly op: OpRef; readonly pause: Pause }
  | { readonly type: 'op-resume'; readonly op: OpRef }
  | { readonly type: 'op-resync'; readonly op: OpRef; readonly asker: Asker }
  | Done
  | {
      readonly type: 'failed';
      readonly tag: number;
      readonly task: TaskName;
      readonly error: string;
    }
  | { readonly type: 'timer'; readonly tag: number }
  | { readonly type: 'sender'; readonly state: SenderState }
  | { readonly type: 'sender-gone'; readonly session: string; readonly reason: string }
  | { readonly type: 'receiver'; readonly state: ReceiverState }
  | { readonly type: 'receiver-gone'; readonly session: string; readonly reason: string }
  | {
      readonly type: 'peer-prepare';
      readonly request: number;
      readonly from: string;
      readonly replica: ReplicaId;
    }
  | { readonly type: 'peer-drop'; readonly replica: ReplicaId; readonly paused: boolean }
  /** The primary says whether the operator has paused its replication. */
  | {
      readonly type: 'peer-paused';
      readonly from: string;
      readonly generation: number;
      readonly paused: boolean;
    }
  /** A peer's remusd has called: in a protocol of another version, and why that is no good; null when they understand each other. */
  | { readonly type: 'peer-version'; readonly from: string; readonly problem: string | null }
  | { readonly type: 'peer-activated'; readonly node: string; readonly generation: number }
  | { readonly type: 'recovered'; readonly findings: Findings }
  /** The registration is gone: the agent has stopped the VM by itself while this daemon was hung. */
  | { readonly type: 'disowned' }
  /** The configuration in this node's CIB has changed, by whomever; it may have been said before. */
  | { readonly type: 'configuration-changed' }
  /** Nothing has happened: the heartbeat wants to see a turn completed (see heartbeat.ts). */
  | { readonly type: 'pulse' };
