import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { callDomain } from './ctl.js';
import { domainDir, logDir } from './paths.js';
import { type DomainInfo, type DomainState, processStat } from './registry.js';
import type { XlConfig } from './cfg.js';

const READY_MS_MAX = 10_000;

function waitReady(pipe: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), READY_MS_MAX);
    const done = (ok: boolean): void => {
      clearTimeout(timer);
      pipe.destroy();
      resolve(ok);
    };
    pipe.once('data', () => done(true));
    pipe.once('end', () => done(false));
    pipe.once('error', () => done(false));
  });
}

/** The child of the wrapping shell: the domain process itself. */
function childOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return Number(text.split(' ')[0]);
}

/** The facts about a domain that its process starts from. */
export function infoOf(domid: number, config: XlConfig, fresh: boolean): DomainInfo {
  const word = (key: string): string | undefined =>
    new RegExp(`(?:^|\\s)${key}=(\\S+)`).exec(config.extra)?.[1];
  const latency = word('ctl');
  return {
    domid,
    uuid: config.uuid,
    type: config.type,
    memoryMiB: config.memoryMiB,
    vcpus: config.vcpus,
    config: config.json,
    load: { dirtyPages: Number(word('dirty') ?? '16'), tickMs: Number(word('tick') ?? '100') },
    gip: word('gip'),
    controlLatencyMs: latency === undefined ? undefined : Number(latency),
    fresh,
    startedAt_ms: Date.now(),
  };
}

/**
 * Starts the process of a domain: detached, in a session of its own, and, if it has vifs, in a network namespace of its own.
 * The wrapping shell stays in the host's network namespace, so that the domain can look at the host's devices.
 */
export async function spawnDomain(
  info: DomainInfo,
  state: DomainState,
  net: boolean,
): Promise<void> {
  const dir = domainDir(info.domid);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'info.json'), JSON.stringify(info));
  writeFileSync(join(dir, 'state.json'), JSON.stringify(state));
  const main = fileURLToPath(new URL('domain/main.js', import.meta.url));
  const log = openSync(join(logDir(), `domain-${info.domid}.log`), 'a');
  const command = [...(net ? ['unshare', '-n'] : []), process.execPath, main, dir];
  const child = spawn('sh', ['-c', '"$@"; :', 'simxen-domain', ...command], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', log, log, 'pipe'],
  });
  closeSync(log);
  child.unref();
  if (!(await waitReady(child.stdio[3] as Readable)))
    throw new Error('simxen: domain did not start');
  const pid = childOf(child.pid ?? 0);
  writeFileSync(join(dir, 'pid'), `${pid} ${processStat(pid)?.start ?? ''}`);
}

/** Makes the vifs of a domain: veth pairs, one end on the bridge, the other eth0 (eth1...) of the guest. */
export async function attachVifs(domid: number, pid: number, config: XlConfig): Promise<string> {
  if (config.vifs.length === 0) return '';
  const lines = config.vifs.flatMap((vif, devid) => {
    const name = `vif${domid}.${devid}`;
    return [
      `link add ${name} type veth peer name eth${devid} address ${vif.mac} netns ${pid}`,
      `link set ${name} master ${vif.bridge}`,
      `link set ${name} up`,
    ];
  });
  const input = `${lines.join('\n')}\n`;
  const result = spawnSync('ip', ['-batch', '-'], { input, encoding: 'utf8' });
  if (result.status !== 0) return result.stderr;
  const reply = await callDomain(domid, { op: 'net-up' });
  if (reply?.ok === true) return '';
  return typeof reply?.error === 'string' ? reply.error : 'gone';
}

/** Removes the host's ends at once; the kernel would do it some time after the guest's namespace is gone. */
export function detachVifs(domid: number, count: number): void {
  for (let devid = 0; devid < count; devid++) {
    spawnSync('ip', ['link', 'del', `vif${domid}.${devid}`], { stdio: 'ignore' });
  }
}
