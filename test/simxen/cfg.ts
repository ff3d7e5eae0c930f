import { randomBytes, randomUUID } from 'node:crypto';
import { type CfgValue, parseCfg } from './cfg-syntax.js';

/** A network interface of a domain. */
export interface Vif {
  readonly mac: string;
  readonly bridge: string;
}

/** What the simulation uses of a domain's configuration. */
export interface XlConfig {
  readonly name: string;
  readonly type: string;
  readonly uuid: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly extra: string;
  readonly vifs: readonly Vif[];
  /** As libxl's JSON, in its order: what goes into the stream and what `xl list -l` prints. */
  readonly json: Record<string, unknown>;
}

/** The configuration cannot be used; the message is xl's. */
export class CfgError extends Error {}

type Settings = ReadonlyMap<string, CfgValue>;

function text(settings: Settings, key: string): string | undefined {
  const value = settings.get(key);
  return value === undefined || typeof value === 'object' ? undefined : String(value);
}

function parseVif(spec: CfgValue): Vif {
  const parts = new Map(
    String(spec)
      .split(',')
      .map((part) => part.trim().split('=', 2) as [string, string]),
  );
  const random = [...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0'));
  return {
    mac: parts.get('mac') ?? ['00:16:3e', ...random].join(':'),
    bridge: parts.get('bridge') ?? 'xenbr0',
  };
}

function list(settings: Settings, key: string): readonly CfgValue[] {
  const value = settings.get(key);
  return typeof value === 'object' ? value : [];
}

const ACTIONS = ['on_poweroff', 'on_reboot', 'on_watchdog', 'on_crash'] as const;

/** libxl leaves a value out of its JSON when it is the default, `destroy`. */
function actions(settings: Settings): Record<string, string> {
  const result: Record<string, string> = {};
  for (const key of ACTIONS) {
    const action = text(settings, key) ?? (key === 'on_reboot' ? 'restart' : 'destroy');
    if (
      !/^(destroy|restart|rename-restart|preserve|coredump-destroy|coredump-restart|soft-reset)$/.test(
        action,
      )
    )
      throw new CfgError(`Unknown ${key} action "${action}" specified`);
    if (action !== 'destroy') result[key] = action;
  }
  return { ...result, on_soft_reset: 'soft_reset' };
}

function buildInfo(settings: Settings, type: string): Record<string, unknown> {
  const vcpus = Number(text(settings, 'vcpus') ?? '1');
  const memkb = Number(text(settings, 'memory')) * 1024;
  const optional = (key: string, from: string): Record<string, string> => {
    const value = text(settings, from);
    return value === undefined ? {} : { [key]: value };
  };
  const root = text(settings, 'root');
  const cmdline = [
    root === undefined ? '' : `root=${root}`,
    text(settings, 'extra') ?? '',
    text(settings, 'cmdline') ?? '',
  ]
    .filter((part) => part !== '')
    .join(' ');
  return {
    max_vcpus: vcpus,
    avail_vcpus: Array.from({ length: vcpus }, (_, i) => i),
    ...optional('tsc_mode', 'tsc_mode'),
    max_memkb: Number(text(settings, 'maxmem') ?? memkb / 1024) * 1024,
    target_memkb: memkb,
    video_memkb: 0,
    sched_params: { sched: 'credit2', weight: 256, cap: 0 },
    claim_mode: 'True',
    ...optional('kernel', 'kernel'),
    ...(cmdline === '' ? {} : { cmdline }),
    ...optional('ramdisk', 'ramdisk'),
    [`type.${type}`]: {},
    arch_arm: {},
    arch_x86: { msr_relaxed: 'False' },
  };
}

function disks(settings: Settings): Record<string, unknown> {
  const specs = list(settings, 'disk');
  if (specs.length === 0) return {};
  return {
    disks: specs.map((spec) => {
      const [path = '', format = 'raw', vdev = 'xvda', access = 'rw'] = String(spec).split(',');
      return { pdev_path: path.trim(), vdev, format, readwrite: access === 'r' ? 0 : 1 };
    }),
  };
}

/** Makes a domain's configuration from the text of its file. */
export function readConfig(source: string): XlConfig {
  const settings = parseCfg(source);
  const name = text(settings, 'name');
  if (name === undefined) throw new CfgError('Domain name must be specified.');
  const type = text(settings, 'type') ?? (text(settings, 'builder') === 'hvm' ? 'hvm' : 'pv');
  if (!['pv', 'pvh', 'hvm'].includes(type)) throw new CfgError(`Invalid domain type "${type}".`);
  const memory = Number(text(settings, 'memory'));
  if (!(memory > 0)) throw new CfgError('No memory specified');
  const uuid = text(settings, 'uuid') ?? randomUUID();
  const vifs = list(settings, 'vif').map(parseVif);
  const nics = vifs.map((vif, devid) => ({
    devid,
    mac: vif.mac,
    bridge: vif.bridge,
    nictype: 'vif',
  }));
  return fromJson({
    c_info: { type, name, uuid, run_hotplug_scripts: 'True' },
    b_info: buildInfo(settings, type),
    ...disks(settings),
    ...(nics.length === 0 ? {} : { nics }),
    ...actions(settings),
  });
}

interface LibxlJson {
  c_info: { type: string; name: string; uuid: string };
  b_info: { max_vcpus: number; target_memkb: number; cmdline?: string };
  nics?: { mac: string; bridge: string }[];
}

/** Makes a domain's configuration from libxl's JSON, as it is in a stream. Throws when it is not usable. */
export function fromJson(json: Record<string, unknown>): XlConfig {
  const { c_info, b_info, nics } = json as unknown as LibxlJson;
  return {
    name: c_info.name,
    type: c_info.type,
    uuid: c_info.uuid,
    memoryMiB: b_info.target_memkb / 1024,
    vcpus: b_info.max_vcpus,
    extra: b_info.cmdline ?? '',
    vifs: (nics ?? []).map(({ mac, bridge }) => ({ mac, bridge })),
    json,
  };
}

function print(value: unknown, indent: string): string {
  const inner = `${indent}    `;
  if (Array.isArray(value)) {
    const items = value.map((item) => `${inner}${print(item, inner)}`);
    return `[\n${items.join(',\n')}\n${indent}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const items = Object.entries(value).map(
      ([key, item]) => `${inner}"${key}": ${print(item, inner)}`,
    );
    return `{\n${items.join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value);
}

/** libxl's way to print JSON: four spaces, and an empty line inside empty brackets. */
export function printJson(value: unknown): string {
  return print(value, '');
}
