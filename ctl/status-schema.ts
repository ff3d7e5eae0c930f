/**
 * Checks what the daemon sent. Loose: a newer daemon may say more. Its own file because importing zod takes
 * 90 ms, which overlaps with the daemon's answer when it is imported late.
 */
import { z } from 'zod';
import type { VmHistory } from './history.js';
import type { MoveResult, PauseResult, Status, VmStatus } from './status.js';

const number_or_null = z.number().nullable();

const checkpoint = z.looseObject({
  sent: number_or_null,
  acked: number_or_null,
  complete: number_or_null,
  applied: number_or_null,
});

const wire = z.looseObject({
  coding: z.string(),
  why: z.string(),
  last_bytes: number_or_null,
  last_stream_bytes: number_or_null,
  bytes_total: z.number(),
  last_coding_ms: number_or_null,
  coding_ms_total: z.number(),
  link_bytes_per_s: number_or_null,
});

const paused = z.looseObject({
  by: z.string().nullable(),
  node: z.string().nullable(),
  at: z.string().nullable(),
  until: z.string().nullable(),
  why: z.string().nullable(),
});

const vm = z.looseObject({
  resource: z.string(),
  domain: z.string(),
  role: z.enum(['primary', 'backup', 'stopped', 'unknown']),
  state: z.string(),
  words: z.string(),
  reason: z.string().optional(),
  hint: z.string().optional(),
  peer: z.string().nullable(),
  generation: number_or_null,
  checkpoint,
  acked_age_ms: number_or_null,
  rate_per_s: number_or_null,
  last_pause_ms: number_or_null,
  last_ack_ms: number_or_null,
  bytes_total: number_or_null,
  wire: wire.nullish(),
  held: z.boolean(),
  // What a later release may have, too, is of no matter here.
  mode: z.literal('restart').optional().catch(undefined),
  netbuf_off: z.literal(true).optional(),
  last_switchover: z
    .looseObject({
      at: z.string(),
      interruption_ms: number_or_null,
      from: z.string(),
      to: z.string(),
    })
    .optional(),
  paused: paused.optional(),
});

const status = z.looseObject({
  node: z.string(),
  release: z.string(),
  peers: z.array(
    z.looseObject({
      node: z.string(),
      online: z.boolean(),
      reachable: z.boolean(),
      error: z.string().optional(),
      vms: z.array(vm).optional(),
    }),
  ),
  fencing: z.looseObject({ enabled: z.boolean(), unproven: z.array(z.string()) }).nullish(),
  vms: z.array(vm),
});

const move = z.looseObject({
  from: z.string(),
  to: z.string(),
  interruption_ms: number_or_null.default(null),
});

const history = z.looseObject({
  resource: z.string(),
  node: z.string(),
  entries: z.array(
    z.looseObject({
      at: z.string(),
      node: z.string(),
      text: z.string(),
      data: z.record(z.string(), z.unknown()),
    }),
  ),
  missing: z.array(z.looseObject({ node: z.string(), why: z.string() })),
});

/** null when it is not a history. */
export function parseHistory(json: unknown): VmHistory | null {
  return history.safeParse(json).data ?? null;
}

/** null when it is not a status. */
export function parseStatus(json: unknown): Status | null {
  return status.safeParse(json).data ?? null;
}

const peers_status = z.looseObject({ vms: z.array(vm) });

/** What a peer's remusd says of its VMs; undefined when it is not understood. */
export function parsePeersVms(json: unknown): readonly VmStatus[] | undefined {
  return peers_status.safeParse(json).data?.vms;
}

const pause = z.looseObject({
  node: z.string().nullable(),
  changed: z.boolean(),
  words: z.string().nullable(),
  pause: paused.optional(),
});

export function parsePause(json: unknown): PauseResult {
  return pause.safeParse(json).data ?? { node: null, changed: true, words: null };
}

/** null when the daemon did not say where it went. */
export function parseMove(json: unknown): MoveResult | null {
  return move.safeParse(json).data ?? null;
}
