/**
 * Measured times, for people and not for assertions: this machine is shared, so a bound that a test asserts must be
 * generous. One JSON object a line in REMUS_MEASURES, default dist/measures.jsonl.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { cloneDir } from '../lab/command.js';

/** Notes what was measured; times in milliseconds. */
export function measure(name: string, values: Readonly<Record<string, unknown>>): void {
  const path = process.env['REMUS_MEASURES'] ?? join(cloneDir(), 'dist', 'measures.jsonl');
  const line = { at: new Date().toISOString(), name, ...values };
  appendFileSync(path, `${JSON.stringify(line)}\n`);
}
