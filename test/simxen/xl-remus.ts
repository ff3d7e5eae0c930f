import { openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { printJson } from './cfg.js';
import { Ctl, DomainGone } from './ctl.js';
import { getopt } from './getopt.js';
import { suspendWaitMs } from './paths.js';
import { type Domain, type DomainState, findDomain } from './registry.js';
import { logSuspended, Saver, StreamBroken } from './saver.js';
import { err, line, log } from './stdio.js';
import { BANNER, xlHeader } from './stream/format.js';
import {
  closeTransport,
  readExactly,
  startTransport,
  type Transport,
  waitChild,
} from './transport.js';
import { logNotSuspended } from './xl-life.js';
import { noSuchDomain } from './xl-list.js';

const SUSPENDED = 2;
const POLL_MS = 20;
const DEFAULT_INTERVAL_MS = 200;

/** Why replication ended. */
type End =
  | { kind: 'pipe' }
  | { kind: 'no-suspend'; reason: number | null; gone: boolean }
  | { kind: 'destroyed' };

class Ended extends Error {
  readonly end: End;

  constructor(end: End) {
    super(end.kind);
    this.end = end;
  }
}

interface Choice {
  readonly unsafe: boolean;
  readonly netbuf: boolean;
  readonly diskbuf: boolean;
  readonly blackhole: boolean;
  readonly intervalMs: number;
}

/** Reads the banner; an exit code when there is none. */
async function readBanner(transport: Transport, command: string): Promise<number | undefined> {
  const banner = readExactly(transport.receiveFd, BANNER.length);
  if (banner.length < BANNER.length) {
    const place = `libxl_utils.c:${line('read')}:libxl_read_exactly`;
    log(
      `libxl: error: ${place}: file/stream truncated reading banner from migration receiver stream`,
    );
    const { code, signal } = await waitChild(transport.child);
    const pid = transport.child.pid ?? 0;
    const how =
      signal === null
        ? `exited with error status ${code ?? 0}`
        : `died due to fatal signal ${signal}`;
    log(
      `libxl: info: libxl_exec.c:117:libxl_report_child_exitstatus: migration transport process [${pid}] ${how}`,
    );
    return 1;
  }
  if (banner.toString('latin1') === BANNER) return undefined;
  err('migration receiver stream contained unexpected data instead of banner');
  err(`(command run was: ${command} )`);
  return 1;
}

/** The messages of a call that libxl refuses before it has begun. */
function refusal(domain: Domain, choice: Choice): boolean {
  const { domid, type } = domain.info;
  if (!choice.unsafe && (!choice.netbuf || !choice.diskbuf || choice.blackhole)) {
    const words =
      'Unsafe mode must be enabled to replicate to /dev/null,disable network buffering and disk replication';
    log(
      `libxl: error: libxl_domain.c:${line('remus')}:libxl_domain_remus_start: Domain ${domid}:${words}`,
    );
    return true;
  }
  if (choice.netbuf) {
    log(
      `libxl: error: libxl_remus.c:87:libxl__remus_setup: Domain ${domid}:Remus: No support for network buffering`,
    );
    return true;
  }
  if (type !== 'pv') return false;
  log(`xc: info: Saving domain ${domid}, type x86 PV`);
  log('xc: error: Failed to enable logdirty: 95,22,0 (22 = Invalid argument): Internal error');
  log('xc: error: Save failed (22 = Invalid argument): Internal error');
  const place = 'libxl_stream_write.c:347:libxl__xc_domain_save_done';
  log(
    `libxl: error: ${place}: Domain ${domid}:saving domain: domain did not respond to suspend request: Invalid argument`,
  );
  logTeardown(domid, -8);
  return true;
}

function logTeardown(domid: number, rc: number): void {
  const place = 'libxl_remus.c:168:libxl__remus_teardown';
  log(
    `libxl: warning: ${place}: Domain ${domid}:Remus: Domain suspend terminated with rc ${rc}, teardown Remus devices...`,
  );
}

/** One replication: copies, checkpoints, and the messages of its end. */
class Replication {
  private readonly domid: number;
  private readonly ctl: Ctl;
  private readonly saver: Saver;
  private readonly intervalMs: number;
  /** The guest ended by itself with this reason code. */
  private ended: number | undefined;

  constructor(domain: Domain, ctl: Ctl, saver: Saver, intervalMs: number) {
    this.domid = domain.info.domid;
    this.ctl = ctl;
    this.saver = saver;
    this.intervalMs = intervalMs;
    ctl.onEvent = ({ state }) => {
      const { shutdown } = state as DomainState;
      if (shutdown !== null && shutdown !== SUSPENDED) this.ended = shutdown;
    };
  }

  /** Replicates until something ends it. */
  async run(): Promise<End> {
    try {
      log(`xc: info: Saving domain ${this.domid}, type x86 HVM`);
      this.saver.writeHeaders();
      const round = await this.saver.copyLive();
      await this.checkpoint(`Frames iteration ${round}`);
      for (;;) {
        await sleep(this.intervalMs);
        await this.checkpoint('Checkpointed save');
      }
    } catch (error) {
      if (error instanceof Ended) return error.end;
      if (error instanceof StreamBroken) return { kind: 'pipe' };
      if (error instanceof DomainGone) return this.afterGone();
      throw error;
    }
  }

  private async checkpoint(label: string): Promise<void> {
    await this.suspend();
    await this.saver.copySuspended(label);
    await this.ctl.call({ op: 'resume' });
    this.saver.writeCheckpointEnd();
  }

  private async suspend(): Promise<void> {
    const deadline = Date.now() + suspendWaitMs();
    for (;;) {
      const { head } = await this.ctl.call({ op: 'suspend' });
      if (head.ok === true) break;
      if (Date.now() >= deadline) {
        throw new Ended({
          kind: 'no-suspend',
          reason: head.shutdown as number | null,
          gone: false,
        });
      }
      await sleep(POLL_MS);
    }
    logSuspended();
  }

  /** The domain was destroyed: at once when it had ended by itself, else noticed only when the wait for its suspend is over. */
  private async afterGone(): Promise<End> {
    if (this.ended !== undefined) return { kind: 'no-suspend', reason: this.ended, gone: true };
    await sleep(suspendWaitMs());
    return { kind: 'destroyed' };
  }
}

function logSaveFailed(domid: number): void {
  log('xc: error: Save failed (0 = Success): Internal error');
  const place = 'libxl_stream_write.c:347:libxl__xc_domain_save_done';
  log(
    `libxl: error: ${place}: Domain ${domid}:saving domain: domain responded to suspend request: Success`,
  );
}

function logEnd(domid: number, end: End): void {
  switch (end.kind) {
    case 'pipe':
      log(
        `libxl: error: libxl_utils.c:${line('read')}:libxl_read_exactly: file/stream truncated reading ipc msg header from domain ${domid} save/restore helper stdout pipe`,
      );
      log(
        `libxl: error: libxl_exec.c:127:libxl_report_child_exitstatus: domain ${domid} save/restore helper [${process.pid + 1}] died due to fatal signal Broken pipe`,
      );
      logTeardown(domid, -3);
      break;
    case 'destroyed':
      log(
        `libxl: error: libxl_dom_suspend.c:372:suspend_common_wait_guest_timeout: Domain ${domid}:guest did not suspend, timed out`,
      );
      log('xc: error: save callback suspend() failed: 0: Internal error');
      logSaveFailed(domid);
      logTeardown(domid, -8);
      break;
    case 'no-suspend':
      if (end.gone) {
        log('xc: error: save callback suspend() failed: 0: Internal error');
      } else {
        const place = 'libxl_dom_suspend.c:269:domain_suspend_common_pvcontrol_suspending';
        log(
          `libxl: error: ${place}: Domain ${domid}:guest didn't acknowledge suspend, cancelling request`,
        );
        const flags = end.reason === 0 ? 1 : 0;
        log(
          `xc: error: Domain has not been suspended: shutdown ${flags}, reason ${end.reason ?? 255}: Internal error`,
        );
      }
      logSaveFailed(domid);
      logTeardown(domid, -3);
      break;
  }
}

/** What libxl says about a domain whose xenstore entries are gone. */
function logNoType(domid: number): void {
  log(
    `libxl: error: libxl_xshelp.c:206:libxl__xs_read_mandatory: xenstore read failed: \`/libxl/${domid}/type': No such file or directory`,
  );
  log(
    `libxl: warning: libxl_dom.c:49:libxl__domain_type: unable to get domain type for domid=${domid}, assuming HVM`,
  );
}

/** Ends as xl does: the primary goes on, if there is one. */
async function finish(domid: number, ctl: Ctl, end: End): Promise<number> {
  if (end.kind === 'destroyed') {
    err('Remus: Primary domain has been destroyed.');
    return 0;
  }
  err('Remus: Backup failed? resuming domain at primary.');
  const gone = end.kind === 'no-suspend' && end.gone;
  if (gone) {
    if (end.reason !== 0) logNoType(domid);
    logNotSuspended(domid, 4, end.reason ?? 255);
    return 1;
  }
  try {
    const { head } = await ctl.call({ op: 'resume' });
    if (head.ok === true) return 1;
    const reason = typeof head.shutdown === 'number' ? head.shutdown : undefined;
    logNotSuspended(domid, reason === 0 ? 1 : 0, reason ?? 255);
  } catch {
    logNoType(domid);
  }
  return 1;
}

async function replicate(domain: Domain, choice: Choice, fd: number): Promise<number> {
  const { domid, config, memoryMiB, vcpus } = domain.info;
  const header = xlHeader(printJson(config));
  err(`Saving to migration stream new xl format (info 0x3/0x0/${header.readUInt32LE(44)})`);
  const ctl = await Ctl.open(domid);
  const saver = new Saver(ctl, fd, memoryMiB, vcpus);
  let end: End = { kind: 'pipe' };
  try {
    saver.write(header);
    if (refusal(domain, choice)) return await finish(domid, ctl, end);
    end = await new Replication(domain, ctl, saver, choice.intervalMs).run();
  } catch (error) {
    if (!(error instanceof StreamBroken)) throw error;
  }
  logEnd(domid, end);
  return finish(domid, ctl, end);
}

/** xl remus. */
export async function remus(args: readonly string[]): Promise<number> {
  const { has, rest, bad } = getopt(args, 'Fi:s:ebN:ndcpu');
  const [name, host] = rest;
  const choice: Choice = {
    unsafe: has.has('F'),
    netbuf: !has.has('n'),
    diskbuf: !has.has('d'),
    blackhole: has.has('b'),
    intervalMs: Number(has.get('i') ?? DEFAULT_INTERVAL_MS),
  };
  if (bad !== undefined || name === undefined || (host === undefined && !choice.blackhole)) {
    err(`'xl remus' requires at least 2 arguments.\n`);
    err('Usage: xl [-vtTf] remus [options] <Domain> [<host>]');
    return 1;
  }
  const domain = findDomain(name);
  if (domain === undefined) return noSuchDomain(name);
  if (choice.blackhole) return replicate(domain, choice, openSync('/dev/null', 'w'));
  const ssh = has.get('s') ?? 'ssh';
  const daemonize = has.has('e') ? ' -e' : '';
  const command =
    ssh === '' ? (host ?? '') : `exec ${ssh} ${host ?? ''} xl migrate-receive -r ${daemonize}`;
  const transport = startTransport(command);
  const code =
    (await readBanner(transport, command)) ?? (await replicate(domain, choice, transport.sendFd));
  closeTransport(transport);
  return code;
}
