/** What this node says of itself: to its own doctor, and to a peer's. Each part fails by itself, within its own time. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fenceable, known } from '../adapters/cluster-facts.js';
import { errnoOf } from '../adapters/errors.js';
import {
  kernelModules,
  type Links,
  ntpSynchronized,
  readLinks,
  readXlConf,
  remusdEnabled,
} from '../adapters/host-facts.js';
import { readXlConfig } from '../adapters/xl-config.js';
import type { Exec, Xl } from '../ports.js';
import { registrations, type Rooms } from '../rooms.js';
import { dataProcesses } from '../tasks/processes.js';
import { type FactsRequest, type Known, MODULES, type NodeFacts } from './facts.js';

export interface NodeParts {
  readonly node: string;
  readonly release: string;
  readonly rooms: Rooms;
  readonly exec: Exec;
  /** With deadlines that fit somebody who waits. */
  readonly xl: Xl;
  /** Wall clock, milliseconds. */
  readonly now: () => number;
}

type Static = Pick<
  NodeFacts,
  'xen' | 'modules' | 'bridges' | 'ifbs' | 'default_bridge' | 'configs'
>;
type Moving = Pick<
  NodeFacts,
  'domains' | 'processes' | 'started' | 'damaged' | 'ntp' | 'enabled' | 'can_fence'
>;

export async function gatherNode(parts: NodeParts, request: FactsRequest): Promise<NodeFacts> {
  const received_ms = parts.now();
  const [standing, moving] = await Promise.all([
    whatItHas(parts, request.configs),
    whatHappens(parts, request.targets),
  ]);
  const { node, release } = parts;
  return { node, release, received_ms, ...standing, ...moving, sent_ms: parts.now() };
}

/** Only what validate-all looks at. */
export async function gatherBriefly(parts: NodeParts, config: string): Promise<NodeFacts> {
  const not_asked = { failed: 'not asked' };
  const { node, release } = parts;
  return {
    ...{ node, release, received_ms: parts.now(), sent_ms: parts.now() },
    ...(await whatItHas(parts, [config])),
    ...{ domains: not_asked, processes: not_asked, started: not_asked },
    ...{ damaged: [], ntp: null, enabled: null, can_fence: null },
  };
}

async function whatItHas({ exec, xl }: NodeParts, configs: readonly string[]): Promise<Static> {
  const [info, modules, links, conf, read] = await Promise.all([
    known(xl.info()),
    kernelModules(MODULES),
    known(readLinks(exec)),
    readXlConf(),
    Promise.all(configs.map(readConfig)),
  ]);
  const part = (of: (links: Links) => readonly string[]): Known<string[]> =>
    'ok' in links ? { ok: [...of(links.ok)] } : links;
  return {
    xen: 'ok' in info ? { ok: xenFacts(info.ok, conf.autoballoon) } : info,
    modules,
    bridges: part(({ bridges }) => bridges),
    ifbs: part(({ ifbs }) => ifbs),
    default_bridge: conf.default_bridge,
    configs: read,
  };
}

function xenFacts(
  info: Awaited<ReturnType<Xl['info']>>,
  autoballoon: 'on' | 'off' | 'auto',
): Extract<NodeFacts['xen'], { ok: unknown }>['ok'] {
  return {
    major: info.xen_major,
    minor: info.xen_minor,
    free_mib: info.free_memory_mib,
    virt_caps: [...info.virt_caps],
    dom0_fixed:
      autoballoon === 'off' ||
      (autoballoon === 'auto' && /(^|\s)dom0_mem=/.test(info.commandline ?? '')),
  };
}

async function readConfig(path: string): Promise<NodeFacts['configs'][number]> {
  const found = await known(readXlConfig(path));
  if (!('ok' in found)) return { path, config: found };
  const { name, type, memory_mib, vifs, disks, digest } = found.ok;
  return {
    path,
    config: { ok: { name, type, memory_mib, vifs: [...vifs], disks: [...disks], digest } },
  };
}

async function whatHappens(
  { exec, xl, rooms }: NodeParts,
  targets: readonly string[],
): Promise<Moving> {
  const [domains, processes, registered, ntp, enabled, can_fence] = await Promise.all([
    known(xl.list()),
    known(dataProcesses(rooms)),
    known(readRegistrations(registrations(rooms))),
    ntpSynchronized(exec),
    remusdEnabled(exec),
    targets.length === 0 ? null : fenceable(exec, targets).catch(() => null),
  ]);
  return {
    domains: 'ok' in domains ? { ok: domains.ok.map(domainFacts) } : domains,
    processes: 'ok' in processes ? { ok: [...processes.ok] } : processes,
    started: 'ok' in registered ? { ok: registered.ok.started } : registered,
    damaged: 'ok' in registered ? registered.ok.damaged : [],
    ntp,
    enabled,
    can_fence,
  };
}

function domainFacts(domain: Awaited<ReturnType<Xl['list']>>[number]) {
  const { name, domid, mem_mib, paused, shutdown, dying } = domain;
  return { name, domid, mem_mib, runs: !paused && !shutdown && !dying };
}

const registration = z.object({ domain: z.string() });

/** Looks only: remusd sets aside what is damaged when it starts. */
async function readRegistrations(dir: string) {
  const files = await readdir(dir).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  const damaged = files.filter((file) => file.endsWith('.damaged')).map((file) => join(dir, file));
  const names = files.filter((file) => /^[^.].*\.json$/.test(file));
  const started = await Promise.all(
    names.map(async (file) => {
      const read = await readFile(join(dir, file), 'utf8')
        .then((text): unknown => JSON.parse(text))
        .catch(() => null);
      const domain = registration.safeParse(read).data?.domain ?? '';
      return { resource: file.slice(0, -'.json'.length), domain };
    }),
  );
  return { started, damaged };
}
