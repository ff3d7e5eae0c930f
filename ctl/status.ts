/**
 * What remusd answers to action=status, and what `remusctl status --json` prints unchanged. Times are
 * milliseconds, sizes bytes. null: not known, or nothing to say in this role.
 */

/** A node as the daemon that was asked sees it. */
export interface PeerStatus {
  readonly node: string;
  /** Pacemaker says it is a member. */
  readonly online: boolean;
  /** Its remusd answers ours. */
  readonly reachable: boolean;
  /** Why it is not reachable. A sentence. */
  readonly error?: string | undefined;
  /** The VMs as it sees them. Absent: it is not reachable, or of a release whose answer is not understood. */
  readonly vms?: readonly VmStatus[] | undefined;
}

/** Checkpoint numbers; they begin with 1 for each replication session. */
export interface CheckpointStatus {
  /** Primary: read whole from xl. */
  readonly sent: number | null;
  /** Primary: all of it is in the backup's memory. */
  readonly acked: number | null;
  /** Backup: newest complete one in memory. */
  readonly complete: number | null;
  /** Backup: newest one that xl has been fed whole. */
  readonly applied: number | null;
}

/** The newest planned move of the VM. */
export interface SwitchoverStatus {
  /** Wall clock, ISO 8601. */
  readonly at: string;
  /** From the last moment the VM ran on the old node to the first on the new one. */
  readonly interruption_ms: number | null;
  readonly from: string;
  readonly to: string;
}

/** What goes over the network to the backup, and how it is made smaller. */
export interface WireStatus {
  /** off, delta, lz4: of the checkpoint that is being sent, or of the last one. */
  readonly coding: string;
  /** Why this coding: "auto: the link is faster than the coder". */
  readonly why: string;
  /** The last acknowledged checkpoint: on the wire, and as xl wrote it. */
  readonly last_bytes: number | null;
  readonly last_stream_bytes: number | null;
  /** On the wire since replication began; `bytes_total` beside it is what xl wrote. */
  readonly bytes_total: number;
  /** Time spent on coding: of the last acknowledged checkpoint, and in all. */
  readonly last_coding_ms: number | null;
  readonly coding_ms_total: number;
  /** What the link takes. null: it has never been what was waited for. */
  readonly link_bytes_per_s: number | null;
}

export type VmRole = 'primary' | 'backup' | 'stopped' | 'unknown';

export interface VmStatus {
  /** Pacemaker's resource id: what every command calls the VM. */
  readonly resource: string;
  /** Xen's name of it. */
  readonly domain: string;
  /** Of the node that was asked. */
  readonly role: VmRole;
  /** One word for programs: protected, seeding, unprotected, ready, ... */
  readonly state: string;
  /** The same for people, as in crm_mon: "unprotected: peer offline". */
  readonly words: string;
  /** Why it is not well; absent when it is. A sentence. */
  readonly reason?: string | undefined;
  /** What to type next; absent when nothing needs to be done. */
  readonly hint?: string | undefined;
  /** The other node of this VM. */
  readonly peer: string | null;
  /** Number of the promotion that the current primary came from. */
  readonly generation: number | null;
  readonly checkpoint: CheckpointStatus;
  /** Age of the newest acknowledged checkpoint: how far back a failover would go now. */
  readonly acked_age_ms: number | null;
  /** Checkpoints acknowledged a second, over the last 10 s. */
  readonly rate_per_s: number | null;
  /** Standstill of the guest at the last checkpoint. */
  readonly last_pause_ms: number | null;
  /** End of the last checkpoint to its acknowledgement. */
  readonly last_ack_ms: number | null;
  readonly bytes_total: number | null;
  /** Primary, while it replicates. Absent: a daemon of a former release. */
  readonly wire?: WireStatus | null | undefined;
  /** The guest's output waits for acknowledgements. */
  readonly held: boolean;
  /** No replica is kept (mode=restart). Absent: it is to be replicated. */
  readonly mode?: 'restart' | undefined;
  /** netbuf=off: it does not wait (promise P3 does not hold). Of the replica that is: a changed parameter is for the next one. */
  readonly netbuf_off?: true | undefined;
  readonly last_switchover?: SwitchoverStatus | undefined;
  /** Primary, while its replication is paused. Absent: it is not, or the daemon is of a former release. */
  readonly paused?: PauseStatus | undefined;
}

/** An operator's pause. Moments by the clock of the node that ran the VM; null: not said. */
export interface PauseStatus {
  readonly by: string | null;
  /** Where it was typed. */
  readonly node: string | null;
  /** ISO 8601, UTC. */
  readonly at: string | null;
  /** null: until somebody types resume. */
  readonly until: string | null;
  readonly why: string | null;
}

export interface FencingStatus {
  /** Pacemaker's stonith-enabled. */
  readonly enabled: boolean;
  /** Nodes that nobody has been seen to fence since the cluster was started. */
  readonly unproven: readonly string[];
}

export interface Status {
  /** The node that was asked. */
  readonly node: string;
  /** Release of its remusd. */
  readonly release: string;
  readonly peers: readonly PeerStatus[];
  /** null or absent: not known. */
  readonly fencing?: FencingStatus | null | undefined;
  readonly vms: readonly VmStatus[];
}

/** The daemon's json at the end of a pause or resume. */
export interface PauseResult {
  /** Where the VM runs; null when the daemon did not say. */
  readonly node: string | null;
  /** It was not so before. */
  readonly changed: boolean;
  /** The VM's state, as in crm_mon. */
  readonly words: string | null;
  /** As it is recorded now; absent: a resume, or a daemon of a former release. */
  readonly pause?: PauseStatus | undefined;
}

/** The daemon's json at the end of a switchover or failover. */
export interface MoveResult {
  readonly from: string;
  readonly to: string;
  /** null when it could not be measured. */
  readonly interruption_ms: number | null;
}
