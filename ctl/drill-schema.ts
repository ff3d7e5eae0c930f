/** Checks what the daemon says of a drill. Loose, and imported late: see status-schema.ts. */
import { z } from 'zod';
import type { Drill } from './drill.js';

const step = z.looseObject({
  id: z.string(),
  verdict: z.enum(['ok', 'fails', 'unknown']),
  what: z.string(),
  took_ms: z.number().nullable(),
  fix: z.string().optional(),
  on: z.string().optional(),
});

const drill = z.looseObject({
  resource: z.string(),
  node: z.string(),
  from: z.string(),
  to: z.string().nullable(),
  verdict: z.enum(['works', 'fails', 'unknown']),
  generation: z.number().nullable(),
  checkpoint: z.number().nullable(),
  checkpoint_age_ms: z.number().nullable(),
  steps: z.array(step),
  unproven: z.array(z.string()),
});

/** null when it is something else. */
export function parseDrill(json: unknown): Drill | null {
  return drill.safeParse(json).data ?? null;
}
