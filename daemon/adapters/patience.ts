/**
 * Deadlines that only a broken program or machine misses are made for real machines. On one that is emulated, or hopelessly
 * overloaded, REMUS_PATIENCE=N (1 to 100) makes them N times as long. What an operator sets (replication_timeout,
 * shutdown_timeout, intervals) is not touched by it.
 */
const FACTOR_MAX = 100;

/** Exported for tests. */
export function patienceFactor(env: Readonly<Record<string, string | undefined>>): number {
  const factor = Number(env['REMUS_PATIENCE']);
  return factor >= 1 ? Math.min(factor, FACTOR_MAX) : 1;
}

const factor = patienceFactor(process.env);

/** @returns milliseconds. */
export function patient(ms: number): number {
  return ms * factor;
}
