/** What this machine is like, beside Xen: its kernel, interfaces, clock and unit. For remusctl doctor. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { z } from 'zod';
import type { Exec } from '../ports.js';
import { AdapterError, oneLine } from './errors.js';
import { patient } from './patience.js';

const CALL_MS = patient(4_000);

export class HostError extends AdapterError<'host'> {}

/** How a module's code is called where a kernel says what it was built with. */
const CONFIG_NAMES: Readonly<Record<string, string>> = {
  ifb: 'CONFIG_IFB',
  sch_plug: 'CONFIG_NET_SCH_PLUG',
  sch_ingress: 'CONFIG_NET_SCH_INGRESS',
  act_mirred: 'CONFIG_NET_ACT_MIRRED',
  cls_matchall: 'CONFIG_NET_CLS_MATCHALL',
};

/** What a kernel says of its modules. */
export interface KernelTexts {
  /** modules.dep and modules.builtin of the running kernel; null when there are none. */
  readonly modules: string | null;
  /** Its own configuration; null when it does not tell. */
  readonly config: string | null;
}

/** Whether each module is in the kernel or can be loaded; null when nobody can tell. */
export function modulesIn(
  names: readonly string[],
  texts: KernelTexts,
): Record<string, boolean | null> {
  return Object.fromEntries(names.map((name) => [name, moduleIn(name, texts)]));
}

function moduleIn(name: string, { modules, config }: KernelTexts): boolean | null {
  const file = name.replaceAll(/[-_]/g, '[-_]');
  if (modules !== null && new RegExp(`(^|/)${file}\\.ko(\\.[a-z0-9]+)?(:|$)`, 'm').test(modules))
    return true;
  const option = CONFIG_NAMES[name];
  if (config !== null && option !== undefined) {
    const set = new RegExp(`^${option}=([ym])$`, 'm').exec(config)?.[1];
    // A module whose files are gone cannot be loaded.
    return set === 'y';
  }
  return modules === null ? null : false;
}

/** Of the running kernel. */
export async function kernelModules(
  names: readonly string[],
): Promise<Record<string, boolean | null>> {
  const dir = `/lib/modules/${release()}`;
  const [dep, builtin, config] = await Promise.all([
    readFile(`${dir}/modules.dep`, 'utf8').catch(() => null),
    readFile(`${dir}/modules.builtin`, 'utf8').catch(() => null),
    kernelConfig(),
  ]);
  const modules = dep === null && builtin === null ? null : `${dep ?? ''}\n${builtin ?? ''}`;
  const found = modulesIn(names, { modules, config });
  // One that is loaded needs no file.
  for (const name of names) if (existsSync(`/sys/module/${name}`)) found[name] = true;
  return found;
}

async function kernelConfig(): Promise<string | null> {
  try {
    return (await promisify(gunzip)(await readFile('/proc/config.gz'))).toString();
  } catch {
    return readFile(`/boot/config-${release()}`, 'utf8').catch(() => null);
  }
}

const linksSchema = z.array(
  z.object({
    ifname: z.string().optional(),
    master: z.string().optional(),
    flags: z.array(z.string()).default([]),
    linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
  }),
);

export interface Links {
  readonly bridges: readonly string[];
  /** Ours: rem7.0 */
  readonly ifbs: readonly string[];
}

/** `ip -json -details link show`. */
export function parseLinks(text: string): Links {
  const links = linksSchema.parse(JSON.parse(text)).map(({ ifname, linkinfo }) => ({
    name: ifname ?? '',
    kind: linkinfo?.info_kind ?? '',
  }));
  return {
    bridges: links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name),
    ifbs: links
      .filter(({ name, kind }) => kind === 'ifb' && /^rem\d+\.\d+$/.test(name))
      .map(({ name }) => name),
  };
}

/** What a bridge is, as far as a guest's network depends on it. */
export interface BridgeState {
  readonly name: string;
  readonly up: boolean;
  /** What is in it and no guest's: network cards, bonds, VLANs; and whether each has a link. */
  readonly uplinks: readonly { readonly name: string; readonly link: boolean }[];
}

/** What Xen puts into a bridge for a guest, and what we do. */
const OF_GUESTS = /^(?:vif|tap|rem)\d+\./;

/** `ip -json -details link show`. */
export function parseBridges(text: string): readonly BridgeState[] {
  const links = linksSchema.parse(JSON.parse(text));
  return links
    .filter(({ linkinfo }) => linkinfo?.info_kind === 'bridge')
    .map(({ ifname: name = '', flags }) => ({
      name,
      up: flags.includes('UP'),
      uplinks: links
        .filter(({ ifname = '', master }) => master === name && !OF_GUESTS.test(ifname))
        .map((port) => ({ name: port.ifname ?? '', link: port.flags.includes('LOWER_UP') })),
    }));
}

export function readLinks(exec: Exec): Promise<Links> {
  return ipLinks(exec, parseLinks);
}

export function readBridges(exec: Exec): Promise<readonly BridgeState[]> {
  return ipLinks(exec, parseBridges);
}

/** @throws HostError */
async function ipLinks<T>(exec: Exec, parse: (text: string) => T): Promise<T> {
  const argv = ['ip', '-json', '-details', 'link', 'show'];
  const { code, stdout, stderr } = await exec.run(argv, { timeout_ms: CALL_MS });
  if (code === 0) {
    try {
      return parse(stdout);
    } catch {
      throw new HostError(
        'host',
        'unexpected output',
        `"${argv.join(' ')}" printed something else`,
      );
    }
  }
  const sentence = `"${argv.join(' ')}" failed: ${oneLine(stderr, 200)}`;
  throw new HostError('host', 'interfaces cannot be listed', sentence);
}

/** Whether the clock is kept by NTP; null when systemd cannot be asked. */
export async function ntpSynchronized(exec: Exec): Promise<boolean | null> {
  const argv = ['timedatectl', 'show', '--property=NTPSynchronized', '--value'];
  const { code, stdout } = await exec.run(argv, { timeout_ms: CALL_MS });
  return code === 0 ? yesOrNo(stdout) : null;
}

function yesOrNo(text: string): boolean | null {
  const word = text.trim();
  if (word === 'yes') return true;
  return word === 'no' ? false : null;
}

/** Whether remusd.service is started at boot; null without systemd or the unit. */
export async function remusdEnabled(exec: Exec): Promise<boolean | null> {
  const argv = ['systemctl', 'is-enabled', 'remusd.service'];
  const { stdout } = await exec.run(argv, { timeout_ms: CALL_MS });
  const word = stdout.trim();
  if (word === 'enabled' || word === 'enabled-runtime') return true;
  return word === 'disabled' || word === 'masked' ? false : null;
}

/** xl.conf(5), as far as it matters here. */
export interface XlConf {
  readonly default_bridge: string | null;
  /** dom0 gives memory to guests that need it. */
  readonly autoballoon: 'on' | 'off' | 'auto';
}

export function parseXlConf(text: string): XlConf {
  const setting = (name: string): string | null =>
    new RegExp(`^[ \\t]*${name}[ \\t]*=[ \\t]*["']?([^"'#\\s]+)`, 'm').exec(text)?.[1] ?? null;
  const balloon = setting('autoballoon');
  return {
    default_bridge: setting('vif\\.default\\.bridge'),
    autoballoon:
      balloon === 'off' || balloon === '0'
        ? 'off'
        : balloon === 'on' || balloon === '1'
          ? 'on'
          : 'auto',
  };
}

export async function readXlConf(): Promise<XlConf> {
  return parseXlConf(await readFile('/etc/xen/xl.conf', 'utf8').catch(() => ''));
}
