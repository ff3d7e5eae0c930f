import { setTimeout as sleep } from 'node:timers/promises';
import { callDomain, Ctl } from './ctl.js';
import { getopt } from './getopt.js';
import { fromJson } from './cfg.js';
import { type Domain, type DomainState, findDomain, listDomains, processStat } from './registry.js';
import { detachVifs } from './spawn.js';
import { err, line, log, out } from './stdio.js';
import { noSuchDomain } from './xl-list.js';

const GONE_WAIT_MS_MAX = 5000;
const POLL_MS = 5;
const SUSPENDED = 2;

/** Destroys a domain: asks its process to end, kills it if it does not, removes its vifs. */
export async function destroyDomain(domain: Domain): Promise<void> {
  const { domid } = domain.info;
  const asked = callDomain(domid, { op: 'destroy' });
  await Promise.race([asked, sleep(GONE_WAIT_MS_MAX / 5)]);
  const deadline = Date.now() + GONE_WAIT_MS_MAX;
  while (processStat(domain.pid) !== undefined && Date.now() < deadline) {
    if (Date.now() > deadline - GONE_WAIT_MS_MAX / 2) process.kill(domain.pid, 'SIGKILL');
    await sleep(POLL_MS);
  }
  if (!domain.name.endsWith('--incoming'))
    detachVifs(domid, fromJson(domain.info.config).vifs.length);
}

type Action = (domain: Domain) => Promise<number> | number;

async function onDomain(args: readonly string[], spec: string, action: Action): Promise<number> {
  const name = getopt(args, spec).rest[0];
  if (name === undefined) {
    err(`'xl' requires at least 1 argument.\n`);
    return 1;
  }
  const domain = findDomain(name);
  return domain === undefined ? noSuchDomain(name) : action(domain);
}

function sending(op: string): Action {
  return async (domain) => ((await callDomain(domain.info.domid, { op })) === undefined ? 1 : 0);
}

/** xl pause. */
export function pause(args: readonly string[]): Promise<number> {
  return onDomain(args, '', sending('pause'));
}

/** xl unpause. */
export function unpause(args: readonly string[]): Promise<number> {
  return onDomain(args, '', sending('unpause'));
}

/** xl destroy. */
export async function destroy(args: readonly string[]): Promise<number> {
  const name = getopt(args, 'f').rest[0];
  if (name === '0' || name === 'Domain-0') {
    err('Cannot destroy privileged domain 0.\n');
    return 1;
  }
  return onDomain(args, 'f', async (domain) => {
    await destroyDomain(domain);
    return 0;
  });
}

/** Follows a domain to its end from now on, so that not even a domain that its monitor destroys at once is missed. */
async function followEnd(domid: number): Promise<{ end: Promise<string> }> {
  const ctl = await Ctl.open(domid);
  const end = new Promise<string>((resolve) => {
    ctl.onEvent = ({ state }) => {
      const { shutdown } = state as DomainState;
      if (shutdown === null || shutdown === SUSPENDED) return;
      resolve(`Domain ${domid} has been shut down, reason code ${shutdown}`);
    };
    ctl.onClose = () => resolve(`Domain ${domid} has been destroyed`);
  });
  return { end };
}

async function ask(
  args: readonly string[],
  kind: 'poweroff' | 'reboot',
  words: string,
): Promise<number> {
  const { has, rest } = getopt(args, 'awF', { all: 'a', wait: 'w' });
  const name = rest[0];
  const domains = has.has('a') ? listDomains() : [findDomain(name ?? '')];
  const ends: { end: Promise<string> }[] = [];
  for (const domain of domains) {
    if (domain === undefined) return noSuchDomain(name ?? '');
    const { domid } = domain.info;
    out(`${words} domain ${domid}\n`);
    if (has.has('w')) ends.push(await followEnd(domid));
    await callDomain(domid, { op: 'request', kind });
  }
  if (!has.has('w')) return 0;
  out(`Waiting for ${ends.length} domains\n`);
  for (const { end } of ends) out(`${await end}\n`);
  return 0;
}

/** xl shutdown. */
export function shutdown(args: readonly string[]): Promise<number> {
  return ask(args, 'poweroff', 'Shutting down');
}

/** xl reboot. */
export function reboot(args: readonly string[]): Promise<number> {
  return ask(args, 'reboot', 'Rebooting');
}

/** xl suspend (4.20). */
export function suspend(args: readonly string[]): Promise<number> {
  return onDomain(args, '', sending('suspend'));
}

/** What libxl says when it resumes a domain that is not suspended. */
export function logNotSuspended(domid: number, flags: number, reason: number): void {
  log(
    `xc: error: Dom ${domid} not suspended: (shutdown ${flags}, reason ${reason}): Internal error`,
  );
  const place = `libxl_dom_suspend.c:${line('resume')}:domain_resume_done`;
  log(`libxl: error: ${place}: Domain ${domid}:xc_domain_resume failed: Invalid argument`);
}

/** xl resume (4.20): says 0 even when it could not. */
export function resume(args: readonly string[]): Promise<number> {
  return onDomain(args, '', async (domain) => {
    const { domid } = domain.info;
    const reply = await callDomain(domid, { op: 'resume' });
    if (reply?.ok !== true) {
      const reason = typeof reply?.shutdown === 'number' ? reply.shutdown : undefined;
      logNotSuspended(domid, reason === undefined ? 0 : 1, reason ?? 255);
    }
    return 0;
  });
}

/** xl sysrq DOMAIN c crashes the guest; other letters do nothing here. */
export function sysrq(args: readonly string[]): Promise<number> {
  return onDomain(args, '', async (domain) => {
    if (args[1] === 'c') await callDomain(domain.info.domid, { op: 'crash' });
    return 0;
  });
}

/** xl rename. */
export function rename(args: readonly string[]): Promise<number> {
  return onDomain(args, '', async (domain) => {
    await callDomain(domain.info.domid, { op: 'rename', name: args[1] ?? '' });
    return 0;
  });
}
