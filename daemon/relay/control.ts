/**
 * What remusd and a data process (sender, receiver) say to each other over the data process's own unix
 * socket: one JSON object a line, at most 64 KiB. The data process listens, so that it outlives the daemon:
 * a new remusd connects to the same socket and gets the whole state in the first line.
 */

/** Version of this dialogue; a data process of another version is left alone and reported. */
export const CONTROL_VERSION = 1;

/** Names one replica: which promotion of the VM feeds it, and which attempt of that promotion. */
export interface ReplicaId {
  /** Generation: the number of the promotion that the primary came from, >= 1. */
  readonly generation: number;
  /** Random hex, new for each attempt to replicate. */
  readonly session: string;
}

/** How the stream is coded on its way to the receiver. */
export type WireCoding = 'off' | 'delta' | 'lz4';

/** What goes over the network, frames' heads included, without TLS's own. */
export interface WireStats {
  /** Of the checkpoint that is being sent, or of the last one. */
  readonly coding: WireCoding;
  /** Why this coding, in words: `auto: the link is faster than the coder`. */
  readonly why: string;
  /** Of the last acknowledged checkpoint. */
  readonly last_bytes: number | null;
  readonly bytes_total: number;
  /** Time spent on coding the last acknowledged checkpoint. */
  readonly last_coding_ms: number | null;
  readonly coding_ms_total: number;
  /** What the link takes, seen when more was waiting for it all the while. Null: it has never been the bottleneck. */
  readonly link_bytes_per_s: number | null;
}

/** Counters of a sender. Times are milliseconds, sizes bytes. */
export interface SenderStats {
  /** Checkpoints whose last byte has been read from xl. */
  readonly sent: number;
  /** Checkpoints acknowledged by the receiver: all of it is in the backup's memory. */
  readonly acked: number;
  /** Age of the newest acknowledged checkpoint: now minus the moment its first byte was read. Null before the first. */
  readonly acked_age_ms: number | null;
  /** Guest standstill of the last checkpoint as seen from the pipe: first byte to last byte. */
  readonly last_pause_ms: number | null;
  /** Last byte of the last checkpoint to its acknowledgement. */
  readonly last_ack_ms: number | null;
  readonly last_bytes: number | null;
  readonly last_pages: number | null;
  readonly bytes_total: number;
  /** Of the first copy: bytes read so far. */
  readonly first_copy_bytes: number;
  /** Memory of the guest in bytes, from the domain config in the stream's header, 0 before it is known. */
  readonly guest_memory_bytes: number;
  /** Checkpoints acknowledged a second, in the last 10 s or since the first one. */
  readonly rate_per_s: number;
  /**
   * Bytes that had to wait and that the network has taken since. While more waits for a slow link than may be kept, nothing is
   * read from xl, and only this number shows that replication goes on. A sender of a former release does not say it.
   */
  readonly drained_total?: number | undefined;
  /** A sender of a former release does not say it; nor one without a connection. */
  readonly wire?: WireStats | undefined;
}

export type SenderPhase =
  | 'connecting' // to the receiver
  | 'first-copy' // until the first CHECKPOINT_END has been acknowledged
  | 'flowing'
  | 'finishing' // a handover was asked for
  | 'finished' // the handover's last checkpoint is acknowledged; nothing more is read
  | 'ended';

export interface SenderState {
  readonly v: typeof CONTROL_VERSION;
  readonly role: 'sender';
  readonly type: 'state';
  readonly pid: number;
  readonly resource: string;
  readonly replica: ReplicaId;
  readonly phase: SenderPhase;
  /** Output is being held: a plug's block has been set at an acknowledged checkpoint's start. False when there is no vif, too: see `holding_none`. */
  readonly holding: boolean;
  /** True when output is not held on purpose (no vifs, or netbuf=off). */
  readonly holding_none: boolean;
  /** It was told to hold nothing (netbuf=off): P3 does not hold for this replica. */
  readonly netbuf_off?: true | undefined;
  /** It knows the command `dump`. A sender of a former release does not say it, and drops a line with what it does not know. */
  readonly dumps?: true | undefined;
  readonly stats: SenderStats;
  /** Why it ended; only with phase `ended`. A sentence. */
  readonly reason?: string;
}

/** To the sender. It answers each change with a new `state` line; without changes one a second, as a heartbeat. */
export type SenderCommand =
  /**
   * Complete one more checkpoint, have it acknowledged, then stop reading: the guest is handed over. With `freeze` it is paused while
   * it is suspended for that checkpoint, and so does not run, nor write, after it.
   */
  | { readonly type: 'finish'; readonly freeze?: boolean | undefined }
  | { readonly type: 'stop'; readonly reason: string } // end now; output stays held, xl resumes the guest
  | { readonly type: 'ping' } // state now
  | DumpCommand;

/**
 * Shows the records of the coming checkpoints on this connection, which is then told nothing else; see dump-lines.ts. One at a
 * time: whoever asks for a second is told so.
 */
export interface DumpCommand {
  readonly type: 'dump';
  readonly checkpoints: number;
  /** False: only the checkpoints. */
  readonly records: boolean;
  /** For all of it. */
  readonly timeout_ms: number;
}

/** What a dump may ask for. */
export const DUMP_LIMITS = { checkpoints: 100, timeout_ms: 86_400_000 } as const;

export type ReceiverPhase =
  | 'listening' // waits for the sender
  | 'first-copy'
  | 'ready' // at least one complete checkpoint has been fed to xl
  | 'activating'
  | 'activated' // xl migrate-receive has unpaused the replica and exited 0
  | 'ended';

export interface ReceiverState {
  readonly v: typeof CONTROL_VERSION;
  readonly role: 'receiver';
  readonly type: 'state';
  readonly pid: number;
  /** Pid of `xl migrate-receive`, null before it runs. */
  readonly xl_pid: number | null;
  readonly resource: string;
  readonly replica: ReplicaId;
  readonly phase: ReceiverPhase;
  /** Where it listens for the sender. */
  readonly port: number;
  /** The sender is connected: as far as this end knows, for a cut link says nothing. */
  readonly connected: boolean;
  /** Nothing has come from the sender for so long, not even a ping. Counted in ticks: not while this process stood still. */
  readonly silent_ms: number;
  /** Newest complete checkpoint in memory; 0 before the first. */
  readonly complete: number;
  /** Newest checkpoint fed to xl whole. */
  readonly applied: number;
  readonly bytes_total: number;
  readonly reason?: string;
}

/** To the receiver. */
export type ReceiverCommand =
  | { readonly type: 'activate' } // Pacemaker ordered it: end the stream after the last complete checkpoint so that xl unpauses the replica
  | { readonly type: 'abort'; readonly reason: string } // kill xl migrate-receive, destroy NAME--incoming, end
  | { readonly type: 'ping' };

export type DataProcessState = SenderState | ReceiverState;
