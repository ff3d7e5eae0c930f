import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CfgError, printJson, readConfig, type XlConfig } from './cfg.js';
import { CfgSyntaxError } from './cfg-syntax.js';
import { callDomain } from './ctl.js';
import { getopt } from './getopt.js';
import { withLock } from './lock.js';
import { logDir, release } from './paths.js';
import { findDomain, listDomains, takeDomid } from './registry.js';
import { attachVifs, infoOf, spawnDomain } from './spawn.js';
import { err, line, log, logDestroyFailed, logDestroyMissing, out } from './stdio.js';

/** libxl's ERROR_FAIL as an exit code. */
const RC_FAIL = 3;

/** What libxl says when the name is taken. */
export function logNameTaken(domid: number, name: string): void {
  log(
    `libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain ${domid}:Domain with name "${name}" already exists.`,
  );
  log(
    `libxl: error: libxl_create.c:${line('create')}:initiate_domain_create: Domain ${domid}:cannot make domain: -6`,
  );
}

/**
 * Makes a domain: paused, built and with its vifs when `fresh`; paused, empty and without them when it is to be received.
 * Undefined when the name is taken; `onTaken` says so.
 */
export async function makeDomain(
  config: XlConfig,
  name: string,
  fresh: boolean,
  onTaken: (domid: number) => void,
): Promise<number | undefined> {
  const domid = await withLock('create', async () => {
    const next = takeDomid();
    if (listDomains().some((domain) => domain.name === name)) {
      onTaken(next);
      return undefined;
    }
    const state = {
      name,
      memMb: fresh ? config.memoryMiB : 0,
      vcpus: fresh ? config.vcpus : 0,
      paused: true,
      shutdown: null,
    };
    await spawnDomain(infoOf(next, config, fresh), state, config.vifs.length > 0);
    return next;
  });
  return domid;
}

/** Starts the process that watches the domain for its xl: what is left of `xl create` in the background. */
export function startMonitor(domid: number, name: string): void {
  const main = fileURLToPath(new URL('xl.js', import.meta.url));
  const file = openSync(join(logDir(), `xl-${name}.log`), 'a');
  const child = spawn(process.execPath, [main, 'simxen-monitor', String(domid), name], {
    detached: true,
    stdio: ['ignore', file, file],
    cwd: '/',
  });
  closeSync(file);
  child.unref();
}

/** Gives a new domain its vifs and lets it run; false when that fails. */
export async function completeDomain(domid: number, config: XlConfig): Promise<boolean> {
  const pid = findDomain(String(domid))?.pid ?? 0;
  const failure = await attachVifs(domid, pid, config);
  if (failure === '') return true;
  log(
    `libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: /etc/xen/scripts/vif-bridge online [0] exited with error status 1`,
  );
  log(`libxl: error: libxl_device.c:1311:device_hotplug_child_death_cb: script: ${failure.trim()}`);
  log(
    `libxl: error: libxl_create.c:1921:domcreate_attach_devices: Domain ${domid}:unable to add vif devices`,
  );
  await callDomain(domid, { op: 'destroy' });
  return false;
}

function readFile(path: string, quiet: boolean): XlConfig | number {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'No such file or directory'
        : 'Input/output error';
    err(`Failed to read config file: ${path}: ${reason}`);
    return RC_FAIL;
  }
  if (!quiet) err(`Parsing config from ${path}`);
  try {
    return readConfig(source);
  } catch (error) {
    if (error instanceof CfgSyntaxError) {
      err(`${path}:${error.line}: ${error.message}: syntax error`);
      err('Failed to parse config: Invalid argument');
      return 1;
    }
    if (error instanceof CfgError) {
      err(error.message);
      return 1;
    }
    throw error;
  }
}

/** xl create. */
export async function create(args: readonly string[]): Promise<number> {
  const { has, rest, bad } = getopt(args, 'cdepnqFVAf:', {
    dryrun: 'n',
    quiet: 'q',
    defconfig: 'f',
    debug: 'd',
  });
  const file = rest[0] ?? has.get('f');
  if (bad !== undefined || file === undefined) {
    err(bad === undefined ? 'No config file specified.' : `xl create: invalid option '${bad}'`);
    return 2;
  }
  const config = readFile(file, has.has('q'));
  if (typeof config === 'number') return config;
  if (release() === '4.17' && config.json.b_info !== undefined) reportTscMode(config);
  if (has.has('n') || has.has('d')) out(`${printJson({ domid: null, config: config.json })}\n`);
  if (has.has('n')) return 0;
  return createFrom(config, has.has('p'), !has.has('e'));
}

function reportTscMode(config: XlConfig): void {
  const mode = (config.json.b_info as { tsc_mode?: string }).tsc_mode;
  if (mode !== undefined) err(`got a tsc mode string: "${mode}"`);
}

async function createFrom(config: XlConfig, paused: boolean, monitored: boolean): Promise<number> {
  const domid = await makeDomain(config, config.name, true, (taken) => {
    logNameTaken(taken, config.name);
    logDestroyMissing(taken);
    logDestroyFailed(taken);
  });
  if (domid === undefined) return RC_FAIL;
  if (!(await completeDomain(domid, config))) return RC_FAIL;
  if (!paused) await callDomain(domid, { op: 'unpause' });
  if (monitored) startMonitor(domid, config.name);
  return 0;
}
