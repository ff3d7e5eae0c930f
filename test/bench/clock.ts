/** The machine's monotonic clock, in milliseconds: the same in every process. */
export function now_ms(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
