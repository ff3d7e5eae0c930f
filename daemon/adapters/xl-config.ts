/**
 * Domain configuration files of xl, as far as we need them. The language (Xen's libxlu_cfg): `name = value` or
 * `name += value`, ended by a newline or `;`, values are numbers, strings in either quotes with C's escapes, and
 * lists over any number of lines; `#` begins a comment.
 */
import { createHash } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { AdapterError, errnoOf, reasonOf } from './errors.js';
import { readNamedFile } from './files.js';
import { XlSyntaxError, parseSettings } from './xl-config-syntax.js';
import type { Settings, Value } from './xl-config-syntax.js';

export type XlConfigErrorCode = 'missing' | 'unreadable' | 'syntax' | 'value';
export class XlConfigError extends AdapterError<XlConfigErrorCode> {}

export const DOMAIN_ACTIONS = [
  'destroy',
  'restart',
  'rename-restart',
  'preserve',
  'coredump-destroy',
  'coredump-restart',
  'soft-reset',
] as const;
/** What to do when the guest has ended. */
export type DomainAction = (typeof DOMAIN_ACTIONS)[number];

export interface XlConfig {
  readonly path: string;
  readonly name: string;
  readonly type: 'pv' | 'pvh' | 'hvm';
  readonly memory_mib: number;
  readonly vifs: readonly string[];
  readonly vif_count: number;
  readonly disks: readonly string[];
  readonly on_poweroff: DomainAction;
  readonly on_reboot: DomainAction;
  readonly on_crash: DomainAction;
  readonly on_watchdog: DomainAction;
  /** SHA-256 (hex) of what the file says, whatever its comments, spacing and order: to compare nodes. */
  readonly digest: string;
}

const MAX_CONFIG_BYTES = 1024 * 1024;

/** Read and understand a domain's configuration. Rejects with `XlConfigError`. */
export async function readXlConfig(path: string): Promise<XlConfig> {
  if (!isAbsolute(path)) {
    const sentence = `the domain configuration "${path}" must be given by its whole path, e.g. /etc/xen/vm1.cfg`;
    throw new XlConfigError('value', 'configuration path is not absolute', sentence, { path });
  }
  let text: string;
  try {
    text = await readNamedFile(path, MAX_CONFIG_BYTES);
  } catch (error) {
    throw unreadable(path, error);
  }
  return parseXlConfig(text, path);
}

function unreadable(path: string, error: unknown): XlConfigError {
  const errno = errnoOf(error);
  if (errno === 'ENOENT') {
    const sentence = `the domain configuration ${path} does not exist on this node; copy it here, the same on every node`;
    return new XlConfigError('missing', 'configuration is missing', sentence, { path });
  }
  const sentence = `the domain configuration ${path} cannot be read: ${reasonOf(error)}`;
  return new XlConfigError('unreadable', 'configuration cannot be read', sentence, { path, errno });
}

/** Understand a domain's configuration; `path` is for messages. Throws `XlConfigError`. */
export function parseXlConfig(text: string, path: string): XlConfig {
  if (text.length > MAX_CONFIG_BYTES) {
    const sentence = `${path} is larger than 1 MiB: that is no domain configuration`;
    throw new XlConfigError('syntax', 'configuration is too large', sentence, { path });
  }
  const settings = parsed(text, path);
  const read = new Reader(settings, path);
  const memory_mib = read.number('memory') ?? read.number('maxmem');
  if (memory_mib === undefined || memory_mib < 1) {
    throw read.wrong('memory', 'must be a number of MiB, e.g. memory = 1024');
  }
  const vifs = read.list('vif');
  return {
    path,
    name: domainName(read),
    type: domainType(read),
    memory_mib,
    vifs,
    vif_count: vifs.length,
    disks: read.list('disk'),
    on_poweroff: read.action('on_poweroff', 'destroy'),
    on_reboot: read.action('on_reboot', 'restart'),
    on_crash: read.action('on_crash', 'destroy'),
    on_watchdog: read.action('on_watchdog', 'destroy'),
    digest: digestOf(settings),
  };
}

function parsed(text: string, path: string): Settings {
  try {
    return parseSettings(text);
  } catch (error) {
    if (!(error instanceof XlSyntaxError)) throw error;
    const sentence = `${path} line ${error.line}: ${error.message}; try "xl create -n ${path}"`;
    throw new XlConfigError('syntax', 'configuration is broken', sentence, {
      path,
      line: error.line,
    });
  }
}

/** xl takes any string; ours also becomes part of file names, arguments and "NAME--incoming". */
function domainName(read: Reader): string {
  const name = read.string('name');
  if (name === undefined) throw read.wrong('name', 'is missing: add name = "..."');
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$/.test(name) || /^\d+$/.test(name)) {
    throw read.wrong('name', 'must be letters, digits and . _ + -, not only digits, at most 100');
  }
  if (name.endsWith('--incoming')) throw read.wrong('name', 'must not end in --incoming');
  return name;
}

function domainType(read: Reader): XlConfig['type'] {
  const type = read.string('type')?.toLowerCase();
  if (type === undefined) {
    // The older spelling.
    const builder = read.string('builder')?.toLowerCase();
    return builder === 'hvm' ? 'hvm' : 'pv';
  }
  if (type === 'pv' || type === 'pvh' || type === 'hvm') return type;
  throw read.wrong('type', 'must be "pv", "pvh" or "hvm"');
}

function digestOf(settings: Settings): string {
  const sorted = [...settings].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
}

/** Typed access to settings, with errors that name file and setting. */
class Reader {
  readonly #settings: Settings;
  readonly #path: string;

  constructor(settings: Settings, path: string) {
    this.#settings = settings;
    this.#path = path;
  }

  wrong(setting: string, must: string): XlConfigError {
    const sentence = `${this.#path}: ${setting} ${must}`;
    const detail = { path: this.#path, setting };
    return new XlConfigError('value', 'configuration has an unusable value', sentence, detail);
  }

  string(setting: string): string | undefined {
    const value = this.#settings.get(setting);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw this.wrong(setting, 'must be one value, not a list');
    return value;
  }

  number(setting: string): number | undefined {
    const text = this.string(setting);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!Number.isInteger(value)) throw this.wrong(setting, 'must be a whole number');
    return value;
  }

  /** A list of strings; a single string stands for a list of one, as xl has it. */
  list(setting: string): string[] {
    const value = this.#settings.get(setting);
    if (value === undefined) return [];
    return flat(value);
  }

  action(setting: string, otherwise: DomainAction): DomainAction {
    const text = this.string(setting);
    if (text === undefined) return otherwise;
    const found = DOMAIN_ACTIONS.find((one) => one === text);
    if (found === undefined)
      throw this.wrong(setting, `must be one of ${DOMAIN_ACTIONS.join(' ')}`);
    return found;
  }
}

function flat(value: Value): string[] {
  return typeof value === 'string' ? [value] : value.flatMap(flat);
}
