import { fromJson } from './cfg.js';
import { Ctl } from './ctl.js';
import { release } from './paths.js';
import { type DomainState, findDomain } from './registry.js';
import { out } from './stdio.js';
import { completeDomain, makeDomain } from './xl-create.js';
import { destroyDomain } from './xl-life.js';

const SUSPENDED = 2;
const REASON_KEYS = ['on_poweroff', 'on_reboot', '', 'on_crash', 'on_watchdog'] as const;

type End = { kind: 'destroyed' } | { kind: 'shutdown'; reason: number };

/** Waits for the domain's end; on 4.17 a checkpoint's suspend counts as one. */
async function waitEnd(domid: number): Promise<End> {
  let ctl: Ctl;
  try {
    ctl = await Ctl.open(domid);
  } catch {
    return { kind: 'destroyed' };
  }
  const end = await new Promise<End>((resolve) => {
    let was: number | null = null;
    const look = (state: DomainState): void => {
      const { shutdown } = state;
      if (shutdown === was) return;
      was = shutdown;
      if (shutdown === null) return;
      out(`Domain ${domid} has shut down, reason code ${shutdown} 0x${shutdown.toString(16)}\n`);
      if (shutdown !== SUSPENDED) {
        resolve({ kind: 'shutdown', reason: shutdown });
        return;
      }
      out('Domain has suspended.\n');
      if (release() === '4.17') resolve({ kind: 'shutdown', reason: shutdown });
      else out(`Continue waiting for domain ${domid}\n`);
    };
    ctl.onEvent = (head) => look(head.state as DomainState);
    ctl.onClose = () => resolve({ kind: 'destroyed' });
    ctl.call({ op: 'status' }).then(
      ({ head }) => look(head.state as DomainState),
      () => undefined,
    );
  });
  ctl.close();
  return end;
}

/** Acts on the domain's end as its configuration says; the new domid when the domain was started again. */
async function act(domid: number, reason: number): Promise<number | undefined> {
  const domain = findDomain(String(domid));
  const { config } = domain?.info ?? {};
  const setting = config?.[REASON_KEYS[reason] ?? ''];
  const action = typeof setting === 'string' ? setting : 'destroy';
  out(`Action for shutdown reason code ${reason} is ${action}\n`);
  if (domain === undefined || config === undefined || action === 'preserve') {
    out('Done. Exiting now\n');
    return undefined;
  }
  out(`Domain ${domid} needs to be cleaned up: destroying the domain\n`);
  await destroyDomain(domain);
  if (!action.endsWith('restart')) {
    out('Done. Exiting now\n');
    return undefined;
  }
  out('Done. Rebooting now\n');
  const parsed = fromJson(config);
  const next = await makeDomain(parsed, parsed.name, true, () => undefined);
  if (next === undefined || !(await completeDomain(next, parsed))) return undefined;
  const ctl = await Ctl.open(next);
  await ctl.call({ op: 'unpause' });
  ctl.close();
  return next;
}

/** The background process of `xl create`: arguments are the domid and the name. Its standard output is the log file. */
export async function monitor(args: readonly string[]): Promise<number> {
  const name = args[1] ?? '';
  let domid: number | undefined = Number(args[0]);
  while (domid !== undefined) {
    out(`Waiting for domain ${name} (domid ${domid}) to die [pid ${process.pid}]\n`);
    const end: End = await waitEnd(domid);
    if (end.kind === 'destroyed') {
      out(`Domain ${domid} has been destroyed.\n`);
      return 0;
    }
    if (end.reason === SUSPENDED) {
      out('Done. Exiting now\n');
      return 0;
    }
    domid = await act(domid, end.reason);
  }
  return 0;
}
