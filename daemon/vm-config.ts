/** What the machine must know of a VM, from the resource's parameters and the domain's configuration file. */
import { validateParameters, type Params } from '../agent/parameters.js';
import { AdapterError } from './adapters/errors.js';
import { mayBeAhead, parseDisk, shortName } from './adapters/xl-disk.js';
import { type DomainAction, readXlConfig, type XlConfig } from './adapters/xl-config.js';
import { OCF } from './core/ocf.js';
import type { EndAction, VmConfig } from './core/state.js';

/** A request that cannot be carried out because of its parameters; `rc` is the OCF exit code. */
export class ConfigError extends AdapterError<'config'> {
  readonly rc: number;
  constructor(rc: number, sentence: string) {
    super('config', 'the resource cannot be used as it is configured', sentence);
    this.rc = rc;
  }
}

export interface Loaded {
  readonly params: Params;
  readonly xl: XlConfig;
  readonly config: VmConfig;
  /** The disks that may be ahead of the memory after a failover, as the guest calls them; absent: none. */
  readonly ahead?: readonly string[];
}

/** @throws ConfigError */
export async function loadVm(
  resource: string,
  raw: Readonly<Record<string, string>>,
): Promise<Loaded> {
  const checked = validateParameters(raw);
  if (!checked.ok) throw new ConfigError(OCF.ERR_CONFIGURED, checked.problems.join('; '));
  const { params } = checked;
  const xl = await readConfig(params.config);
  if (params.name !== null && params.name !== xl.name) {
    throw new ConfigError(
      OCF.ERR_ARGS,
      `name=${params.name}, but ${params.config} says ${xl.name}: correct one, or leave name out`,
    );
  }
  const ahead = xl.disks.map(parseDisk).filter(mayBeAhead).map(shortName);
  const config = vmConfig(resource, params, xl);
  return { params, xl, config, ...(ahead.length === 0 ? {} : { ahead }) };
}

/**
 * Remus follows a PV guest's writes by Xen's shadow paging. A Xen that is built without it, as Debian's is, refuses at the first
 * copy ("Failed to enable logdirty"); `xl info` says so beforehand.
 * @throws ConfigError
 */
export function requireReplicable({ params, xl }: Loaded, virt_caps: readonly string[]): void {
  if (params.mode === 'restart') return;
  if (xl.type !== 'pv' || virt_caps.includes('shadow')) return;
  const has = virt_caps.join(' ') || 'nothing';
  throw new ConfigError(
    OCF.ERR_ARGS,
    // What to do comes first: Pacemaker keeps 127 bytes.
    `${params.config}: PV guests cannot be replicated here; use type = "pvh" ("xl info" has no shadow in virt_caps: ${has})`,
  );
}

/**
 * Why a VM with these disks is not started anew; null: it may be. Not "configured wrongly": for that Pacemaker would stop the VM on
 * every node, also where it runs already. "Does not fit this node" keeps it from this one.
 */
export function refusalOfDisks({ params, config, ahead = [] }: Loaded): ConfigError | null {
  if (ahead.length === 0 || params.unsafe_disks || params.mode === 'restart') return null;
  const [disks, them] = ahead.length === 1 ? ['disk', 'it'] : ['disks', 'them'];
  const more = ahead.length > 2 ? ` and ${ahead.length - 2} more` : '';
  const names = `${ahead.slice(0, 2).join(', ')}${more}`;
  return new ConfigError(
    OCF.ERR_ARGS,
    // Pacemaker keeps 127 bytes.
    `${disks} ${names} would be ahead of the memory after a failover: make ${them} ro, or crm_resource -r ${config.resource} -p mode -v restart`,
  );
}

async function readConfig(path: string): Promise<XlConfig> {
  try {
    return await readXlConfig(path);
  } catch (error) {
    if (error instanceof AdapterError) throw new ConfigError(OCF.ERR_INSTALLED, error.sentence);
    throw error;
  }
}

export function vmConfig(resource: string, params: Params, xl: XlConfig): VmConfig {
  return {
    resource,
    domain: xl.name,
    config_path: params.config,
    ...reloadable(params),
    on_poweroff: endAction(xl.on_poweroff),
    on_reboot: endAction(xl.on_reboot),
    on_crash: endAction(xl.on_crash),
  };
}

/** What may change while the VM runs. */
export function reloadable(
  params: Params,
): Pick<
  VmConfig,
  | 'mode'
  | 'interval_ms'
  | 'shutdown_timeout_ms'
  | 'replication_timeout_ms'
  | 'compression'
  | 'netbuf'
  | 'on_no_replica'
> {
  const { interval_ms, shutdown_timeout_ms, replication_timeout_ms } = params;
  const { mode, compression, netbuf, on_no_replica } = params;
  const timeouts = { shutdown_timeout_ms, replication_timeout_ms };
  return { mode, interval_ms, ...timeouts, compression, netbuf, on_no_replica };
}

/** xl's finer actions (preserve, coredump-*, rename-restart) would leave a domain behind under the VM's name. */
function endAction(action: DomainAction): EndAction {
  return action === 'restart' || action === 'coredump-restart' || action === 'soft-reset'
    ? 'restart'
    : 'destroy';
}

/** For a stop or a monitor of a VM whose configuration cannot be read any more: what is there is found by name. */
export function fallbackConfig(resource: string, raw: Readonly<Record<string, string>>): VmConfig {
  return {
    resource,
    domain: raw['name'] ?? resource,
    config_path: raw['config'] ?? '',
    mode: 'remus',
    interval_ms: 200,
    shutdown_timeout_ms: 60_000,
    replication_timeout_ms: 5_000,
    compression: 'auto',
    netbuf: 'on',
    on_no_replica: 'refuse',
    on_poweroff: 'destroy',
    on_reboot: 'destroy',
    on_crash: 'destroy',
  };
}
