/** The check of what remusd answered to action=doctor. */
import { z } from 'zod';
import type { Report } from './doctor.js';

const severity = z.enum(['error', 'warning', 'note']);

const finding = z.object({
  id: z.string(),
  severity,
  what: z.string(),
  why: z.string(),
  fix: z.array(z.string()),
  on: z.string().optional(),
  advice: z.string().optional(),
  vm: z.string().optional(),
});

const report: z.ZodType<Report> = z.object({
  node: z.string(),
  release: z.string(),
  nodes: z.array(z.string()),
  vms: z.array(z.string()),
  checks: z.number(),
  findings: z.array(finding),
  unchecked: z.array(z.string()),
});

/** null: that is no report. */
export function parseReport(json: unknown): Report | null {
  return report.safeParse(json).data ?? null;
}
