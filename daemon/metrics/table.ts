/**
 * The one table of the metrics: what Prometheus is told, with its help texts, and docs/metrics.md are made from it.
 * Names by Prometheus' conventions: seconds and bytes, `_total` for what only grows.
 */
import type { Buckets } from '../relay/histogram.js';
import type { Facts, PeerFacts, VmFacts } from './facts.js';

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Described {
  readonly name: string;
  readonly help: string;
  /** Beside `node`, which all have, and `vm` or `peer`. */
  readonly labels?: readonly string[];
}
interface Plain<Of> extends Described {
  readonly type: 'gauge' | 'counter';
  /** null: nothing to say now, so there is no sample. */
  readonly read: (of: Of) => Sample | number | boolean | null;
}
interface Distribution<Of> extends Described {
  readonly type: 'histogram';
  /** What one unit of the buckets is in the metric's base unit. */
  readonly unit: number;
  readonly read: (of: Of) => Buckets | null;
}
export type Metric<Of> = Plain<Of> | Distribution<Of>;

const MS = 1 / 1000;
const seconds = (ms: number | null): number | null => (ms === null ? null : ms * MS);
const SINCE_REPLICA = 'A new replica begins at 0 again.';
const SINCE_DAEMON = 'Since this remusd was started.';

/** Label `vm`: the resource in Pacemaker. */
export const VM_METRICS: readonly Metric<VmFacts>[] = [
  {
    name: 'remus_vm_info',
    type: 'gauge',
    labels: ['domain', 'role', 'state', 'peer'],
    help: 'Always 1. The name of the VM in Xen; its role here (primary or backup); its state in one word, as in remusctl status --json; its other node.',
    read: ({ status }) => ({
      value: 1,
      labels: {
        domain: status.domain,
        role: status.role,
        state: status.state,
        peer: status.peer ?? '',
      },
    }),
  },
  {
    name: 'remus_vm_well',
    type: 'gauge',
    help: '1 when nothing needs to be done about the VM on this node; 0 when remusctl status has a reason and a hint.',
    read: ({ status }) => status.reason === undefined,
  },
  {
    name: 'remus_vm_protected',
    type: 'gauge',
    help: 'On the node that runs the VM: 1 when its memory would survive the loss of that node, 0 when a failover would be a restart. Not there when that is what is wanted (mode=restart).',
    read: ({ status }) =>
      status.role === 'primary' && status.mode !== 'restart' ? status.state === 'protected' : null,
  },
  {
    name: 'remus_vm_replica_ready',
    type: 'gauge',
    help: 'On the backup: 1 when its replica holds a complete checkpoint and is being fed.',
    read: ({ status }) => (status.role === 'backup' ? status.state === 'ready' : null),
  },
  {
    name: 'remus_vm_paused',
    type: 'gauge',
    help: '1 while the operator has paused the replication (remusctl pause). Only on the node that runs the VM.',
    read: ({ status, paused }) => (status.role === 'primary' ? paused : null),
  },
  {
    name: 'remus_vm_unprotected_seconds_total',
    type: 'counter',
    help: `Seconds that the VM has run on this node without protection. ${SINCE_DAEMON}`,
    read: ({ tally }) => tally.unprotected_ms * MS,
  },
  {
    name: 'remus_vm_generation',
    type: 'gauge',
    help: 'Number of the promotion that the present primary came from. It grows with every failover and switchover.',
    read: ({ status }) => status.generation,
  },
  {
    name: 'remus_vm_checkpoints_sent_total',
    type: 'counter',
    help: `Checkpoints read whole from xl on the primary. ${SINCE_REPLICA}`,
    read: ({ status }) => status.checkpoint.sent,
  },
  {
    name: 'remus_vm_checkpoints_acknowledged_total',
    type: 'counter',
    help: `Checkpoints that the primary knows to be in the memory of the backup. ${SINCE_REPLICA}`,
    read: ({ status }) => status.checkpoint.acked,
  },
  {
    name: 'remus_vm_checkpoints_received_total',
    type: 'counter',
    help: `Checkpoints that are whole in the memory of the backup. ${SINCE_REPLICA}`,
    read: ({ status }) => status.checkpoint.complete,
  },
  {
    name: 'remus_vm_checkpoints_applied_total',
    type: 'counter',
    help: `Checkpoints that xl on the backup has been fed whole. ${SINCE_REPLICA}`,
    read: ({ status }) => status.checkpoint.applied,
  },
  {
    name: 'remus_vm_acknowledged_age_seconds',
    type: 'gauge',
    help: 'Age of the newest acknowledged checkpoint: how far back a failover would go now.',
    read: ({ status }) => seconds(status.acked_age_ms),
  },
  {
    name: 'remus_vm_replicated_bytes_total',
    type: 'counter',
    help: `Bytes of the migration stream, read from xl on the primary or received by the backup. ${SINCE_REPLICA}`,
    read: ({ status }) => status.bytes_total,
  },
  {
    name: 'remus_vm_wire_bytes_total',
    type: 'counter',
    help: `Bytes that the primary has put on the network for it, without TLS's own: remus_vm_replicated_bytes_total against it is the ratio of compression. ${SINCE_REPLICA}`,
    read: ({ status }) => status.wire?.bytes_total ?? null,
  },
  {
    name: 'remus_vm_coding_seconds_total',
    type: 'counter',
    help: `Time that the sender has spent on making them fewer. ${SINCE_REPLICA}`,
    read: ({ status }) => seconds(status.wire?.coding_ms_total ?? null),
  },
  {
    name: 'remus_vm_first_copy_bytes',
    type: 'gauge',
    help: 'Bytes of the first copy read from xl so far; against remus_vm_memory_bytes: how far a new replica has come.',
    read: ({ first_copy_bytes }) => first_copy_bytes,
  },
  {
    name: 'remus_vm_memory_bytes',
    type: 'gauge',
    help: 'Memory of the VM, once its first copy has begun.',
    read: ({ guest_memory_bytes }) => guest_memory_bytes,
  },
  {
    name: 'remus_vm_suspended_seconds',
    type: 'histogram',
    unit: MS,
    help: `Standstill of the guest at a checkpoint, first byte to last byte. Without the first copy. ${SINCE_REPLICA}`,
    read: ({ histograms }) => histograms?.pause_ms ?? null,
  },
  {
    name: 'remus_vm_acknowledgement_seconds',
    type: 'histogram',
    unit: MS,
    help: `Last byte of a checkpoint to its acknowledgement. ${SINCE_REPLICA}`,
    read: ({ histograms }) => histograms?.ack_ms ?? null,
  },
  {
    name: 'remus_vm_output_hold_seconds',
    type: 'histogram',
    unit: MS,
    help: `How long the output of the guest was held at a checkpoint: from the block to the release. What was sent after the checkpoint before waits that long and up to one interval more. ${SINCE_REPLICA}`,
    read: ({ histograms }) => histograms?.hold_ms ?? null,
  },
  {
    name: 'remus_vm_checkpoint_bytes',
    type: 'histogram',
    unit: 1,
    help: `Size of a checkpoint as xl wrote it. ${SINCE_REPLICA}`,
    read: ({ histograms }) => histograms?.bytes ?? null,
  },
  {
    name: 'remus_vm_checkpoint_pages',
    type: 'histogram',
    unit: 1,
    help: `Pages of memory in a checkpoint. ${SINCE_REPLICA}`,
    read: ({ histograms }) => histograms?.pages ?? null,
  },
  {
    name: 'remus_vm_output_held',
    type: 'gauge',
    help: '1 while the output of the guest waits for acknowledgements; 0 while it passes.',
    read: ({ status }) => (status.role === 'primary' ? status.held : null),
  },
  {
    name: 'remus_vm_mode_restart',
    type: 'gauge',
    help: 'On the node that runs the VM: 1 when no replica of it is kept (mode=restart), 0 when it is to be replicated.',
    read: ({ status }) => (status.role === 'primary' ? status.mode === 'restart' : null),
  },
  {
    name: 'remus_vm_netbuf_off',
    type: 'gauge',
    help: 'On the node that runs the VM: 1 while it is replicated with netbuf=off. Its output is not held then: a failover may lose what clients have already seen (promise P3 does not hold).',
    read: ({ status }) => (status.role === 'primary' ? status.netbuf_off === true : null),
  },
  {
    name: 'remus_vm_output_held_packets',
    type: 'gauge',
    help: 'Packets of the guest that are being held now, by tc.',
    read: ({ output }) => output?.packets ?? null,
  },
  {
    name: 'remus_vm_output_held_bytes',
    type: 'gauge',
    help: 'Bytes of the guest that are being held now, by tc.',
    read: ({ output }) => output?.bytes ?? null,
  },
  {
    name: 'remus_vm_output_dropped_packets_total',
    type: 'counter',
    help: `Packets of the guest that were thrown away because too much was being held, by tc. ${SINCE_REPLICA}`,
    read: ({ output }) => output?.dropped ?? null,
  },
  {
    name: 'remus_vm_receiver_silent_seconds',
    type: 'gauge',
    help: 'On the backup: how long nothing has come from the primary, not even a ping.',
    read: ({ silent_ms }) => seconds(silent_ms),
  },
  {
    name: 'remus_vm_replications_total',
    type: 'counter',
    help: `Replications begun on this node. ${SINCE_DAEMON}`,
    read: ({ tally }) => tally.replications,
  },
  {
    name: 'remus_vm_grants_total',
    type: 'counter',
    help: `Times that the replica on the other node was granted: from then on it may be promoted. ${SINCE_DAEMON}`,
    read: ({ tally }) => tally.grants,
  },
  {
    name: 'remus_vm_withdrawals_total',
    type: 'counter',
    help: `Times that such a grant was withdrawn: protection was lost, or ended on purpose. ${SINCE_DAEMON}`,
    read: ({ tally }) => tally.withdrawals,
  },
  {
    name: 'remus_vm_activations_total',
    type: 'counter',
    help: `Times that the replica on this node became the VM, by a failover or a switchover. Failovers are these less the switchovers of all nodes. ${SINCE_DAEMON}`,
    read: ({ tally }) => tally.activations,
  },
  {
    name: 'remus_vm_switchovers_total',
    type: 'counter',
    help: `Times that the VM was handed over to its replica on the other node: planned moves away from this node. ${SINCE_DAEMON}`,
    read: ({ tally }) => tally.switchovers,
  },
  {
    name: 'remus_vm_starts_total',
    type: 'counter',
    help: `Times that the VM was started on this node from its configuration: nothing of its memory was kept. ${SINCE_DAEMON}`,
    read: ({ tally }) => tally.starts,
  },
  {
    name: 'remus_vm_last_switchover_interruption_seconds',
    type: 'gauge',
    help: 'Standstill of the VM at its last planned move away from this node.',
    read: ({ status }) => seconds(status.last_switchover?.interruption_ms ?? null),
  },
];

/** Label `peer`: the other node. */
export const PEER_METRICS: readonly Metric<PeerFacts>[] = [
  {
    name: 'remus_peer_online',
    type: 'gauge',
    help: '1 when Pacemaker says that the other node is a member of the cluster.',
    read: ({ online }) => online,
  },
  {
    name: 'remus_peer_reachable',
    type: 'gauge',
    help: '1 when the remusd of the other node answers this one.',
    read: ({ reachable }) => reachable,
  },
  {
    name: 'remus_peer_info',
    type: 'gauge',
    labels: ['version'],
    help: 'Always 1. The release of the remusd there, as it last said.',
    read: ({ release }) => (release === null ? null : { value: 1, labels: { version: release } }),
  },
];

export const DAEMON_METRICS: readonly Metric<Facts>[] = [
  {
    name: 'remus_build_info',
    type: 'gauge',
    labels: ['version'],
    help: 'Always 1. The release of this remusd.',
    read: ({ release }) => ({ value: 1, labels: { version: release } }),
  },
  {
    name: 'remus_daemon_start_time_seconds',
    type: 'gauge',
    help: 'When this remusd was started, in seconds since 1970.',
    read: ({ started_s }) => started_s,
  },
  {
    name: 'remus_daemon_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of this remusd, without its data processes.',
    read: ({ memory_bytes }) => memory_bytes,
  },
  {
    name: 'remus_daemon_event_loop_lag_seconds',
    type: 'histogram',
    unit: 1,
    help: `How late this remusd came to its work, looked at twice a second. ${SINCE_DAEMON}`,
    read: ({ event_loop_lag }) => event_loop_lag,
  },
  {
    name: 'remus_daemon_log_lines_dropped_total',
    type: 'counter',
    help: `Lines of the log that were lost because nobody read them. ${SINCE_DAEMON}`,
    read: ({ log_lines_dropped }) => log_lines_dropped,
  },
  {
    name: 'remus_fencing_enabled',
    type: 'gauge',
    help: "Pacemaker's stonith-enabled. No sample when Pacemaker does not answer.",
    read: ({ fencing }) => fencing?.enabled ?? null,
  },
  {
    name: 'remus_fencing_unproven_nodes',
    type: 'gauge',
    help: 'Nodes that nobody has been seen to fence since the cluster was started; see remusctl doctor.',
    read: ({ fencing }) => fencing?.unproven.length ?? null,
  },
];
