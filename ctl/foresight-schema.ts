/** Checks what the daemon foresees. Loose, and imported late: see status-schema.ts. */
import { z } from 'zod';
import type { Foresight } from './foresight.js';

const foresight = z.looseObject({
  action: z.enum(['switchover', 'failover']),
  resource: z.string(),
  node: z.string(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  verdict: z.enum(['done', 'refused', 'fails', 'unknown']),
  reason: z.string().optional(),
  memory: z.enum(['kept', 'checkpoint', 'lost']).nullable(),
  lost_because: z.string().optional(),
  generation: z.number().nullable(),
  checkpoint: z.number().nullable(),
  checkpoint_age_ms: z.number().nullable(),
  promoted_on: z.string().nullable(),
  obstacles: z.array(z.looseObject({ what: z.string(), fix: z.string() })),
  fencing: z
    .looseObject({
      node: z.string(),
      devices: z.array(z.string()).nullable(),
      last: z.looseObject({ status: z.string(), completed: z.string() }).nullable(),
      also_runs: z.array(z.string()),
    })
    .nullable(),
  interruptions_ms: z.array(z.number()),
  unknown: z.array(z.string()),
});

/** null when it is something else. */
export function parseForesight(json: unknown): Foresight | null {
  return foresight.safeParse(json).data ?? null;
}
