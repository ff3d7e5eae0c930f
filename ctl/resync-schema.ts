/** Checks what the daemon sent. Loose: a newer daemon may say more. Imported late, as status-schema.ts. */
import { z } from 'zod';
import type { ForeseenResync, ResyncResult } from './resync.js';

const foreseen = z.looseObject({
  resource: z.string(),
  node: z.string(),
  verdict: z.enum(['done', 'refused']),
  reason: z.string().optional(),
  to: z.string().nullable(),
  is_protected: z.boolean(),
});

const result = z.looseObject({
  node: z.string().nullable(),
  to: z.string().nullable(),
  unprotected_ms: z.number().nullable(),
  words: z.string().nullable(),
});

/** null when it is not what a resync would do. */
export function parseForeseenResync(json: unknown): ForeseenResync | null {
  return foreseen.safeParse(json).data ?? null;
}

/** null when the daemon did not say what came of it. */
export function parseResync(json: unknown): ResyncResult | null {
  return result.safeParse(json).data ?? null;
}
