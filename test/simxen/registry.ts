import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { domainDir, runDir } from './paths.js';

/** What does not change in a domain's life. */
export interface DomainInfo {
  readonly domid: number;
  readonly uuid: string;
  readonly type: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** The domain's configuration, as libxl's JSON. */
  readonly config: Record<string, unknown>;
  readonly load: { readonly dirtyPages: number; readonly tickMs: number };
  /** The guest's address with its prefix length, for example 10.77.2.50/24. */
  readonly gip?: string | undefined;
  readonly controlLatencyMs?: number | undefined;
  /** Boots by itself; a domain that is being restored does not. */
  readonly fresh: boolean;
  readonly startedAt_ms: number;
}

/** What does change. `shutdown` is the reason code, or null while the domain is not shut down. */
export interface DomainState {
  name: string;
  memMb: number;
  vcpus: number;
  paused: boolean;
  shutdown: number | null;
}

/** A domain that exists now. */
export interface Domain extends DomainState {
  readonly info: DomainInfo;
  readonly pid: number;
  /** CPU seconds used. */
  readonly cpuSeconds: number;
}

const TICKS_PER_SECOND = 100;

/** State, start time and CPU seconds of a process; undefined when there is none. */
export function processStat(pid: number): { start: string; cpuSeconds: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    return { start: fields[19] ?? '', cpuSeconds };
  } catch {
    return undefined;
  }
}

function readDomain(domid: number): Domain | undefined {
  const dir = domainDir(domid);
  try {
    const [pid = '', start = ''] = readFileSync(join(dir, 'pid'), 'utf8').trim().split(' ');
    const stat = processStat(Number(pid));
    if (stat?.start !== start) {
      rmSync(dir, { recursive: true, force: true });
      return undefined;
    }
    const info = JSON.parse(readFileSync(join(dir, 'info.json'), 'utf8')) as DomainInfo;
    const state = JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as DomainState;
    return { ...state, info, pid: Number(pid), cpuSeconds: stat.cpuSeconds };
  } catch {
    return undefined;
  }
}

/** All domains but Domain-0, by domid. A domain whose process was killed has vanished. */
export function listDomains(): Domain[] {
  let ids: string[];
  try {
    ids = readdirSync(join(runDir(), 'dom'));
  } catch {
    return [];
  }
  return ids
    .map(Number)
    .sort((a, b) => a - b)
    .map(readDomain)
    .filter((domain) => domain !== undefined);
}

/** The domain with this name or number. */
export function findDomain(nameOrId: string): Domain | undefined {
  if (/^\d+$/.test(nameOrId)) return readDomain(Number(nameOrId));
  return listDomains().find((domain) => domain.name === nameOrId);
}

/** The next domain number; call it under the lock. */
export function takeDomid(): number {
  mkdirSync(join(runDir(), 'dom'), { recursive: true });
  const path = join(runDir(), 'next-domid');
  let next = 1;
  try {
    next = Number(readFileSync(path, 'utf8'));
  } catch {
    // the first domain of this host
  }
  writeFileSync(path, String(next + 1));
  return next;
}
