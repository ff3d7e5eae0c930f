import { hostname, release as kernel, version } from 'node:os';
import { fromJson } from './cfg.js';
import { release } from './paths.js';
import { findDomain, listDomains } from './registry.js';
import { err, out } from './stdio.js';
import { noSuchDomain } from './xl-list.js';

/** xl info. */
export function info(): number {
  const [minor, extra, full] =
    release() === '4.17' ? ['17', '.7', '4.17.7'] : ['20', '.5-pre', '4.20.5-pre'];
  const used = listDomains().reduce((sum, domain) => sum + domain.memMb, 0);
  const lines: [string, string | number][] = [
    ['host', hostname()],
    ['release', kernel()],
    ['version', version()],
    ['machine', 'x86_64'],
    ['nr_cpus', 1],
    ['max_cpu_id', 0],
    ['nr_nodes', 1],
    ['cores_per_socket', 1],
    ['threads_per_core', 1],
    ['cpu_mhz', '2596.120'],
    ['hw_caps', '0fcbf3fd:c2d8220b:e4500800:00000075:00000000:01880309:80000204:00000000'],
    ['virt_caps', 'pv hvm hap gnttab-v1 gnttab-v2'],
    ['total_memory', 2559],
    ['free_memory', Math.max(0, 1250 - used)],
    ['sharing_freed_memory', 0],
    ['sharing_used_memory', 0],
    ['outstanding_claims', 0],
    ['free_cpus', 0],
    ['xen_major', 4],
    ['xen_minor', minor],
    ['xen_extra', extra],
    ['xen_version', full],
    ['xen_caps', 'xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 '],
    ['xen_scheduler', 'credit2'],
    ['xen_pagesize', 4096],
    ['platform_params', 'virt_start=0xffff800000000000'],
    ['xen_changeset', ''],
    ['xen_commandline', 'dom0_mem=1280M,max:1280M sched=credit2 dom0_max_vcpus=1 '],
    ['cc_compiler', 'none (simulated)'],
    ['xend_config_format', 4],
  ];
  out(lines.map(([key, value]) => `${key.padEnd(23)}: ${value}\n`).join(''));
  return 0;
}

function clock(seconds: number): string {
  const days = Math.floor(seconds / 86400);
  const two = (n: number): string => String(n).padStart(2, '0');
  const time = `${Math.floor(seconds / 3600) % 24}:${two(Math.floor(seconds / 60) % 60)}:${two(Math.floor(seconds) % 60)}`;
  return days === 0 ? ` ${time}` : `${days} day${days > 1 ? 's' : ''},  ${time}`;
}

/** xl uptime. */
export function uptime(args: readonly string[]): number {
  const wanted = args[0];
  const domains = wanted === undefined ? listDomains() : [findDomain(wanted)];
  const lines = [`${'Name'.padEnd(33)} ${'ID'.padStart(4)} Uptime`];
  if (wanted === undefined)
    lines.push(`${'Domain-0'.padEnd(33)} ${'0'.padStart(4)} ${clock(process.uptime())}`);
  for (const domain of domains) {
    if (domain === undefined) return noSuchDomain(wanted ?? '');
    const seconds = (Date.now() - domain.info.startedAt_ms) / 1000;
    lines.push(
      `${domain.name.padEnd(33)} ${String(domain.info.domid).padStart(4)} ${clock(seconds)}`,
    );
  }
  out(`${lines.join('\n')}\n`);
  return 0;
}

/** xl network-list: a domain that is being received has no vif. */
export function networkList(args: readonly string[]): number {
  if (args.length === 0) {
    err(`'xl network-list' requires at least 1 argument.\n`);
    return 1;
  }
  const lines = [
    `Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref ${'BE-path'.padEnd(30)}`,
  ];
  for (const name of args) {
    const domain = findDomain(name);
    if (domain === undefined) {
      out(`${lines.join('\n')}\n`);
      return noSuchDomain(name);
    }
    const { domid, config } = domain.info;
    const vifs = domain.name.endsWith('--incoming') ? [] : fromJson(config).vifs;
    vifs.forEach((vif, i) => {
      const path = `/local/domain/0/backend/vif/${domid}/${i}`;
      const handle = `${String(i).padStart(6)} ${String(4).padStart(5)} ${String(-1).padStart(6)}`;
      lines.push(
        `${String(i).padEnd(3)} ${'0'.padEnd(2)} ${vif.mac.padEnd(17)} ${handle}   ${'520/521'.padEnd(15)} ${path.padEnd(30)}`,
      );
    });
  }
  out(`${lines.join('\n')}\n`);
  return 0;
}

/** xl vcpu-list. */
export function vcpuList(args: readonly string[]): number {
  const lines = [
    'Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)',
  ];
  const domains = args[0] === undefined ? listDomains() : [findDomain(args[0])];
  for (const domain of domains) {
    if (domain === undefined) return noSuchDomain(args[0] ?? '');
    const state = domain.paused ? '--p' : '-b-';
    for (let i = 0; i < domain.vcpus; i++) {
      const left = `${domain.name.padEnd(32)} ${String(domain.info.domid).padStart(5)} ${String(i).padStart(5)}`;
      lines.push(`${left}    0   ${state} ${domain.cpuSeconds.toFixed(1).padStart(9)}  all / all`);
    }
  }
  out(`${lines.join('\n')}\n`);
  return 0;
}
