import { line, log, err, out } from './stdio.js';
import { getopt } from './getopt.js';
import { printJson } from './cfg.js';
import { type Domain, findDomain, listDomains, processStat } from './registry.js';

const REASON_LETTERS = '-rscw';
const DOM0_MEM_MIB = 1280;
const DOM0_UUID = '00000000-0000-0000-0000-000000000000';
const INVALID = 'is an invalid domain identifier (rc=-6)';

/** Prints xl's message for a name that no domain has, and gives the exit code. */
export function noSuchDomain(name: string): number {
  err(`${name} ${INVALID}`);
  return 1;
}

function stateLetters(domain: Domain): string {
  const { shutdown, paused } = domain;
  const idle = !paused && shutdown === null;
  const reason = shutdown === null ? '-' : (REASON_LETTERS[shutdown] ?? '?');
  return `-${idle ? 'b' : '-'}${paused ? 'p' : '-'}${shutdown === null ? '-' : 's'}${reason}-`;
}

interface Row {
  name: string;
  domid: number;
  mem: number;
  vcpus: number;
  state: string;
  seconds: number;
  uuid: string;
  reason: string;
}

function row(domain: Domain): Row {
  return {
    name: domain.name,
    domid: domain.info.domid,
    mem: domain.memMb,
    vcpus: domain.vcpus,
    state: stateLetters(domain),
    seconds: domain.cpuSeconds,
    uuid: domain.info.uuid,
    reason: domain.shutdown === null ? '-' : domain.shutdown.toString(16),
  };
}

function dom0(): Row {
  return {
    name: 'Domain-0',
    domid: 0,
    mem: DOM0_MEM_MIB,
    vcpus: 1,
    state: 'r-----',
    seconds: processStat(1)?.cpuSeconds ?? 0,
    uuid: DOM0_UUID,
    reason: '-',
  };
}

function print(rows: readonly Row[], verbose: boolean): void {
  const more = verbose ? '   UUID                            Reason-Code\tSecurity Label' : '';
  const lines = [
    `Name                                        ID   Mem VCPUs\tState\tTime(s)${more}`,
  ];
  for (const r of rows) {
    const left = `${r.name.padEnd(40)} ${String(r.domid).padStart(5)} ${String(r.mem).padStart(5)}`;
    const right = `${String(r.vcpus).padStart(5)}     ${r.state}  ${r.seconds.toFixed(1).padStart(8)}`;
    const tail = verbose ? ` ${r.uuid} ${r.reason.padStart(8)} ${'-'.padStart(16)}` : '';
    lines.push(`${left} ${right}${tail}`);
  }
  out(`${lines.join('\n')}\n`);
}

/** A domain that is being received has no configuration to show yet. */
function details(domains: readonly Domain[]): void {
  const shown: Record<string, unknown>[] = [];
  for (const domain of domains) {
    const { domid, config } = domain.info;
    if (domain.name.endsWith('--incoming')) {
      const place = `libxl_domain.c:${line('config')}:retrieve_domain_configuration_lock_acquired`;
      log(`libxl: error: ${place}: Domain ${domid}:Fail to get domain configuration`);
      continue;
    }
    const { type, name, ...rest } = config.c_info as Record<string, unknown>;
    const c_info = { type, name: domain.name || name, domid: 4294967295, ...rest };
    shown.push({ domid, config: { ...config, c_info } });
  }
  out(`${printJson(shown)}\n\n`);
}

/** xl list. */
export function list(args: readonly string[]): number {
  const { has, rest, bad } = getopt(args, 'lvhZcn', {
    long: 'l',
    verbose: 'v',
    context: 'Z',
    cpupool: 'c',
    numa: 'n',
  });
  if (bad !== undefined) return 1;
  const wanted = rest[0];
  let domains: Domain[];
  if (wanted === undefined) {
    domains = listDomains();
  } else if (wanted === '0' || wanted === 'Domain-0') {
    print([dom0()], has.has('v'));
    return 0;
  } else {
    const found = findDomain(wanted);
    if (found === undefined) {
      if (!/^\d+$/.test(wanted)) return noSuchDomain(wanted);
      err(`Error: Domain '${wanted}' does not exist.`);
      return 1;
    }
    domains = [found];
  }
  if (has.has('l')) details(domains);
  else print([...(wanted === undefined ? [dom0()] : []), ...domains.map(row)], has.has('v'));
  return 0;
}

/** xl domid NAME. */
export function domid(args: readonly string[]): number {
  const name = args[0] ?? '';
  const found = name === 'Domain-0' ? 0 : listDomains().find((d) => d.name === name)?.info.domid;
  if (found === undefined) {
    err(`Can't get domid of domain name '${name}', maybe this domain does not exist.`);
    return 1;
  }
  out(`${found}\n`);
  return 0;
}

/** xl domname DOMID. */
export function domname(args: readonly string[]): number {
  const id = args[0] ?? '';
  if (!/^\d+$/.test(id)) {
    err(`Invalid domain id.\n`);
    return 1;
  }
  const name = id === '0' ? 'Domain-0' : findDomain(id)?.name;
  if (name === undefined) {
    err(`Can't get domain name of domain id '${id}', maybe this domain does not exist.`);
    return 1;
  }
  out(`${name}\n`);
  return 0;
}
