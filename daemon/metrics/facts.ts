/** What the metrics are made of, as it is at one moment. */
import type { FencingStatus, PeerStatus, VmStatus } from '../../ctl/status.js';
import type { Buckets } from '../relay/histogram.js';
import type { SenderHistograms } from '../relay/sender-histograms.js';
import type { HeldOutput } from './output.js';
import type { VmTally } from './tally.js';

export interface VmFacts {
  readonly status: VmStatus;
  /** By the operator. */
  readonly paused: boolean;
  readonly tally: VmTally;
  /** Of the sender that runs here. */
  readonly histograms: SenderHistograms | null;
  readonly first_copy_bytes: number | null;
  readonly guest_memory_bytes: number | null;
  /** Of the receiver that runs here: nothing has come for so long. */
  readonly silent_ms: number | null;
  /** null: nothing to hold, or tc does not say. */
  readonly output: HeldOutput | null;
}

/** A peer, and the release of its remusd once it has said hello. */
export interface PeerFacts extends PeerStatus {
  readonly release: string | null;
}

export interface Facts {
  readonly node: string;
  readonly release: string;
  /** Of this remusd, seconds since 1970. */
  readonly started_s: number;
  readonly memory_bytes: number;
  /** Seconds. */
  readonly event_loop_lag: Buckets;
  readonly log_lines_dropped: number;
  readonly peers: readonly PeerFacts[];
  /** null: not known. */
  readonly fencing: FencingStatus | null;
  readonly vms: readonly VmFacts[];
}
