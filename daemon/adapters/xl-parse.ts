/** What xl prints, as data. Formats: Xen's tools/xl/xl_list.c, xl_info.c, xl_nic.c; seen on 4.17 and 4.20. */
import type { Domain, XenInfo } from '../ports.js';

/** Something printed is not what xl prints. */
export class XlRubbish extends Error {
  /** The line that was not understood, shortened. */
  readonly line: string;
  constructor(what: string, line: string) {
    super(what);
    this.name = 'XlRubbish';
    this.line = line.slice(0, 200);
  }
}

const LIST_HEADER = /^Name\s+ID\s+Mem VCPUs\s+State\s+Time\(s\)\s+UUID\s+Reason-Code\b/;
/** Name, domid, MiB, vcpus, six letters, seconds, uuid, reason in hex or `-`, security label. */
const LIST_ROW =
  /^(.*\S)\s+(\d+)\s+(\d+)\s+(\d+)\s+([r-][b-][p-][s-][-rscwS?][d-])\s+\d+\.\d\s+[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\s+(-|[0-9a-f]{1,8})(?:\s+\S+)?\s*$/;

const SUSPEND_REASON = 2;
const MAX_DOMID = 0x7ff0;

/** `xl list -v`. All or nothing: a line that is not understood makes the whole answer worthless. */
export function parseList(text: string): Domain[] {
  const lines = text.split('\n');
  // A whole answer ends with a newline; anything else was cut off.
  if (lines.pop() !== '') throw new XlRubbish('xl list was cut off', text.slice(-200));
  const header = lines.shift() ?? '';
  if (!LIST_HEADER.test(header)) throw new XlRubbish('no header of xl list -v', header);
  if (lines.length === 0) throw new XlRubbish('xl list shows no domain, not even Domain-0', '');
  return lines.map(parseRow);
}

function parseRow(line: string): Domain {
  const found = LIST_ROW.exec(line);
  if (!found) throw new XlRubbish('no line of xl list -v', line);
  const [, name = '', domid = '', mem = '', vcpus = '', state = '', reason = '-'] = found;
  if (Number(domid) > MAX_DOMID) throw new XlRubbish('impossible domain id', line);
  const shutdown = state[3] === 's';
  if (shutdown !== (reason !== '-')) throw new XlRubbish('state and reason disagree', line);
  const shutdown_reason = shutdown ? parseInt(reason, 16) : null;
  return {
    name,
    domid: Number(domid),
    mem_mib: Number(mem),
    vcpus: Number(vcpus),
    running: state.startsWith('r'),
    blocked: state[1] === 'b',
    paused: state[2] === 'p',
    shutdown,
    suspended: shutdown && shutdown_reason === SUSPEND_REASON,
    crashed: shutdown && state[4] === 'c',
    dying: state[5] === 'd',
    state,
    shutdown_reason,
  };
}

/** `xl info`: `key : value` lines. */
export function parseInfo(text: string): XenInfo {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const found = /^([a-z_]+)\s*:\s?(.*)$/.exec(line);
    if (found?.[1] !== undefined) values.set(found[1], (found[2] ?? '').trim());
  }
  const number = (key: string): number => {
    const value = values.get(key);
    if (value === undefined || !/^\d+$/.test(value)) {
      throw new XlRubbish(`xl info has no usable ${key}`, value ?? text);
    }
    return Number(value);
  };
  const commandline = values.get('xen_commandline');
  return {
    xen_major: number('xen_major'),
    xen_minor: number('xen_minor'),
    xen_version: values.get('xen_version') ?? `${number('xen_major')}.${number('xen_minor')}`,
    free_memory_mib: number('free_memory'),
    total_memory_mib: number('total_memory'),
    virt_caps: (values.get('virt_caps') ?? '').split(' ').filter((word) => word !== ''),
    ...(commandline === undefined ? {} : { commandline }),
  };
}

/** One virtual interface of `xl network-list`. */
export interface Vif {
  readonly devid: number;
  /** Domain that serves it: 0 is dom0. */
  readonly backend_domid: number;
}

/** `xl network-list DOMID`. */
export function parseNetworkList(text: string): Vif[] {
  const [header = '', ...lines] = text.split('\n');
  if (!/^Idx\s+BE\s+Mac Addr/.test(header))
    throw new XlRubbish('no header of xl network-list', header);
  return lines.filter((line) => line.trim() !== '').map(parseVif);
}

function parseVif(line: string): Vif {
  const found = /^(\d+)\s+(\d+)\s+(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\s/i.exec(line);
  if (!found) throw new XlRubbish('no line of xl network-list', line);
  return { devid: Number(found[1]), backend_domid: Number(found[2]) };
}

/** Whether `xl help` lists a command. */
export function helpLists(text: string, command: string): boolean {
  return text.split('\n').some((line) => line.trim().split(/\s+/)[0] === command);
}
