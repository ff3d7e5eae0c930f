/** Facts for tests: everything is well, and every metric has something to say. */
import type { Facts, VmFacts } from '../../../daemon/metrics/facts.js';
import { Histogram } from '../../../daemon/relay/histogram.js';
import { SenderHistogramCounters } from '../../../daemon/relay/sender-histograms.js';

function histograms(): SenderHistogramCounters {
  const counters = new SenderHistogramCounters();
  for (let number = 1; number <= 4; number += 1) {
    counters.block(number * 1000);
    counters.end({ number, bytes: number * 100_000, pages: number * 25 }, number * 2);
    counters.ack(number, number / 2, number * 1000 + 3);
  }
  return counters;
}

export const PRIMARY: VmFacts = {
  status: {
    resource: 'vm1',
    domain: 'guest1',
    role: 'primary',
    state: 'protected',
    words: 'protected',
    peer: 'pm2',
    generation: 5,
    checkpoint: { sent: 4, acked: 3, complete: null, applied: null },
    acked_age_ms: 212.5,
    rate_per_s: 5,
    last_pause_ms: 8,
    last_ack_ms: 2,
    bytes_total: 1_000_000,
    wire: {
      coding: 'lz4',
      why: 'auto',
      last_bytes: 1000,
      last_stream_bytes: 4000,
      bytes_total: 250_000,
      last_coding_ms: 1,
      coding_ms_total: 1250,
      link_bytes_per_s: null,
    },
    held: true,
    last_switchover: { at: '2026-11-23T00:00:00Z', interruption_ms: 431, from: 'pm1', to: 'pm2' },
  },
  paused: false,
  tally: {
    activations: 1,
    switchovers: 2,
    starts: 3,
    grants: 4,
    withdrawals: 5,
    replications: 6,
    unprotected_ms: 12_500,
  },
  histograms: histograms().snapshot(),
  first_copy_bytes: 100_000,
  guest_memory_bytes: 96 << 20,
  silent_ms: null,
  output: { packets: 9, bytes: 902, dropped: 0 },
};

export const BACKUP: VmFacts = {
  ...PRIMARY,
  status: {
    ...PRIMARY.status,
    resource: 'vm2',
    domain: 'guest "2"\\',
    role: 'backup',
    state: 'not-fed',
    words: 'replica: not fed',
    reason: 'not fed',
    checkpoint: { sent: null, acked: null, complete: 7, applied: 6 },
    acked_age_ms: null,
  },
  histograms: null,
  first_copy_bytes: null,
  guest_memory_bytes: null,
  silent_ms: 1500,
  output: null,
};

export const FACTS: Facts = {
  node: 'pm1',
  release: '0.1.0',
  started_s: 1_795_000_000,
  memory_bytes: 60e6,
  event_loop_lag: new Histogram([0.001, 0.1]).buckets,
  log_lines_dropped: 0,
  peers: [{ node: 'pm2', online: true, reachable: true, release: '0.0.9' }],
  fencing: { enabled: true, unproven: ['pm1'] },
  vms: [PRIMARY, BACKUP],
};
