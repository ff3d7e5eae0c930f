/**
 * The narrow ports between the driver and the outside world. Each has one real adapter in
 * daemon/adapters; the simulator and the unit tests have others.
 */

/** What became of one child process: a flat record, never a thrown surprise. */
export interface ExecResult {
  readonly argv: readonly string[];
  /** Exit code, or null when the process was killed by a signal or never started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timed_out: boolean;
  readonly duration_ms: number;
  /** Why it could not be started (ENOENT, EACCES, ...), when it could not. */
  readonly spawn_error?: string;
}

export interface ExecOptions {
  /** The deadline. At its end: SIGTERM, then SIGKILL after `kill_grace_ms`. */
  readonly timeout_ms: number;
  readonly kill_grace_ms?: number;
  readonly stdin?: string;
  /** Bound on stdout and on stderr, each; what is over is cut off. Default 4 MiB. */
  readonly max_output_bytes?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** The only way to run a program. argv arrays, never shell strings. */
export interface Exec {
  run(argv: readonly string[], options: ExecOptions): Promise<ExecResult>;
  /**
   * Start a program that outlives the daemon: its own session, stdin from /dev/null, stdout and stderr
   * appended to `log_path`. Resolves when it has been spawned.
   */
  spawnDetached(
    argv: readonly string[],
    options: { readonly log_path: string; readonly env?: Readonly<Record<string, string>> },
  ): Promise<{ readonly pid: number }>;
}

/** One line of `xl list -v`. */
export interface Domain {
  readonly name: string;
  readonly domid: number;
  readonly mem_mib: number;
  readonly vcpus: number;
  readonly running: boolean;
  readonly blocked: boolean;
  readonly paused: boolean;
  readonly shutdown: boolean;
  /** Suspended: `s` in the fifth column of the state, xl's "dying/suspended" letters as printed. */
  readonly suspended: boolean;
  readonly crashed: boolean;
  readonly dying: boolean;
  /** The six letters as xl prints them, for messages. */
  readonly state: string;
  /** Xen's shutdown reason when the domain is shut down: 0 poweroff, 1 reboot, 2 suspend, 3 crash, 4 watchdog. */
  readonly shutdown_reason: number | null;
}

export interface XenInfo {
  readonly xen_major: number;
  readonly xen_minor: number;
  readonly xen_version: string;
  readonly free_memory_mib: number;
  readonly total_memory_mib: number;
  /** What guests can be made of, e.g. pv hvm hap; shadow only when it is built in. */
  readonly virt_caps: readonly string[];
  /** The hypervisor's own, e.g. dom0_mem=2G,max:2G. */
  readonly commandline?: string;
}

/** `xl`, one call each. Every method rejects with an `XlError` (see adapters/xl.ts) that says what to do. */
export interface Xl {
  info(): Promise<XenInfo>;
  list(): Promise<readonly Domain[]>;
  /** `xl create -e CONFIG`: xl watches nothing; remusd is the only watcher. */
  create(config_path: string): Promise<void>;
  /** `xl shutdown NAME`: asks the guest; returns when the request has been made. */
  shutdown(name: string): Promise<void>;
  /** `xl destroy NAME`. Not an error when the domain is not there. */
  destroy(name: string): Promise<void>;
  /** `xl pause NAME`: none of its vcpus runs any more, also when it is resumed. */
  pause(name: string): Promise<void>;
  /** `xl unpause NAME`. */
  unpause(name: string): Promise<void>;
  /** Resume a domain left suspended by a dead `xl remus`: `xl resume` (4.18+) or Xen's own Python binding. */
  resume(domid: number, name: string): Promise<void>;
  /** The guest's vif interface names in dom0, e.g. vif7.0. */
  vifs(domid: number): Promise<readonly string[]>;
}

/** A cluster node as Pacemaker sees it. */
export interface ClusterNode {
  readonly name: string;
  readonly online: boolean;
  /** Offline, and not yet known to be safely down. */
  readonly unclean: boolean;
  readonly standby: boolean;
  readonly maintenance: boolean;
  readonly pending: boolean;
  readonly is_dc: boolean;
}

export interface ClusterStatus {
  readonly nodes: readonly ClusterNode[];
  readonly dc: string | null;
  /** Pacemaker's version on the DC, e.g. `2.1.5-a3f44794f94`; null when it does not say. */
  readonly dc_version: string | null;
  readonly quorum: boolean;
  readonly stonith_enabled: boolean;
  readonly maintenance_mode: boolean;
}

/** Where the scheduler means to promote a resource. */
export type PlannedPromotion =
  { readonly kind: 'node'; readonly node: string } | { readonly kind: 'nowhere' };

/** Pacemaker, by its own CLI and XML. Every method rejects with a `ClusterError` that says what to do. */
export interface StatusInCib {
  /** The attribute is there: Pacemaker may know it, and have it in no CIB any more. */
  readonly attribute: boolean;
  /** The resources whose history there says "degraded". */
  readonly degraded: ReadonlySet<string>;
}

export interface Cluster {
  localNode(): Promise<string>;
  status(): Promise<ClusterStatus>;
  /** The VM's record (see core/record.ts) as text; null when there is none. `at` asks that node's own CIB; 'dc' asks the DC's. */
  readRecord(resource: string, at: 'dc' | { readonly node: string }): Promise<string | null>;
  /**
   * Compare and swap: writes the record only where it is still `before` (null: there is none), which all nodes of the partition
   * judge alike, in one order. Synchronous: resolves when this node's CIB has taken it, with false when it was another.
   */
  swapRecord(resource: string, before: string | null, value: string): Promise<boolean>;
  /**
   * Something that changes whenever the configuration in this node's CIB does, and costs no program; null when that cannot be
   * told. It may change later than the CIB, never earlier.
   */
  revision(): Promise<string | null>;
  /** The operator's pause of the VM's replication as text (see core/pause-record.ts), by the DC's CIB or that of a node; null: it is not paused. */
  readPause(resource: string, at: string): Promise<string | null>;
  /** Null takes it out. Synchronous, like `swapRecord`. */
  writePause(resource: string, text: string | null): Promise<void>;
  /** Takes it out where it is still this one; done also when it is not. */
  endPause(resource: string, text: string): Promise<void>;
  /** Transient node attribute; null deletes it. */
  setAttribute(node: string, name: string, value: string | null): Promise<void>;
  /** Every node's value of a transient attribute. */
  attribute(name: string): Promise<ReadonlyMap<string, string>>;
  /** The promotion score of the resource on a node; null deletes it. */
  setPromotionScore(resource: string, node: string, score: number | null): Promise<void>;
  /** Whether the CIB has one: what was set is there some time later. */
  hasPromotionScore(resource: string, node: string, at?: 'dc'): Promise<boolean>;
  /** What this node's own CIB has of a node's status; `name`: a transient attribute. */
  statusInCib(node: string, name: string): Promise<StatusInCib>;
  /** Has Pacemaker write all transient attributes that it knows into the CIB again. */
  resendAttributes(): Promise<void>;
  /** Where the resource has the promoted role now, as far as Pacemaker knows: also on a node that is lost and not fenced yet. */
  promotedOn(resource: string): Promise<readonly string[]>;
  /** What the scheduler would do now with the promoted role (crm_simulate on the live CIB). */
  plannedPromotion(resource: string): Promise<PlannedPromotion>;
  /** Tell Pacemaker at once that the resource has failed on this node. */
  fail(resource: string, node: string, reason: string): Promise<void>;
  /** Fence a node now. Resolves when Pacemaker says it is done. */
  fence(node: string): Promise<void>;
}

/** Monotonic milliseconds, and timers. */
export interface Clock {
  now_ms(): number;
  /** Wall clock, ISO 8601, for people and files only. */
  wall(): string;
  after(ms: number, fn: () => void): { cancel(): void };
}
