/** What a process costs, from /proc. */
import { readFileSync, readdirSync } from 'node:fs';

/** Jiffies a second: what Linux shows to programs on every architecture that Xen runs on. */
const TICKS_PER_S = 100;

export interface Cost {
  readonly rss_bytes: number;
  /** Its share of what it has in common with others. */
  readonly pss_bytes: number;
  readonly cpu_ms: number;
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Zero of a process that has ended. */
export function costOf(pid: number): Cost {
  const rollup = text(`/proc/${pid}/smaps_rollup`);
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? 0) * 1024;
  const stat = text(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  return {
    rss_bytes: kib('Rss'),
    pss_bytes: kib('Pss'),
    cpu_ms: stat === '' ? 0 : (ticks * 1000) / TICKS_PER_S,
  };
}

/** Bytes that could be had without swapping. */
export function availableMemory(): number {
  return Number(/^MemAvailable:\s+(\d+)/m.exec(text('/proc/meminfo'))?.[1] ?? 0) * 1024;
}

/** Its children of now. */
export function childrenOf(pid: number): number[] {
  let tasks: string[];
  try {
    tasks = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  return tasks.flatMap((task) =>
    text(`/proc/${pid}/task/${task}/children`).trim().split(' ').filter(Boolean).map(Number),
  );
}

/** Its program's name, as the kernel has it. */
export function commandOf(pid: number): string {
  return text(`/proc/${pid}/comm`).trim();
}
