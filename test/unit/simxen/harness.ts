import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FrameReader, sendFrame } from '../../simxen/frames.js';
import type { DomainState } from '../../simxen/registry.js';

/** The repository's folder; the compiled tests are in dist/test/unit/simxen. */
export const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const XL = join(ROOT, 'dist/test/simxen/xl.js');
const UNTIL_MS_MAX = 10_000;

/** The text of a recording of the real Xen. */
export function fixture(name: string): string {
  return readFileSync(join(ROOT, 'test/fixtures/xen', name), 'utf8');
}

/** A process of a test, and what it wrote. */
export class Run {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve) =>
      child.once('close', (code, signal) => resolve({ code, signal })),
    );
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

function isThere(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text.split(' ').map(Number);
}

/** One simulated host: a run directory of its own. */
export class Host {
  readonly dir = mkdtempSync(join(tmpdir(), 'simxen-'));
  readonly env: NodeJS.ProcessEnv;
  private readonly started: Run[] = [];
  private readonly transports: number[] = [];

  constructor(version: '4.17' | '4.20' = '4.20') {
    this.env = {
      ...process.env,
      SIMXEN_RUNDIR: this.dir,
      SIMXEN_VERSION: version,
      SIMXEN_DESTROY_WAIT_MS: '300',
    };
  }

  /** Starts xl; its standard input is empty unless given as text. */
  start(args: readonly string[], input?: Buffer): Run {
    const run = new Run(
      spawn(process.execPath, [XL, ...args], { env: this.env, stdio: ['pipe', 'pipe', 'pipe'] }),
    );
    run.child.stdin?.on('error', () => undefined);
    if (input !== undefined) run.child.stdin?.write(input);
    this.started.push(run);
    return run;
  }

  /** Runs xl to its end. */
  async xl(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const run = this.start(args);
    run.child.stdin?.end();
    const { code } = await run.ended;
    return { code, stdout: run.stdout, stderr: run.stderr };
  }

  /** Starts `xl remus` to another host's receiver; the command's process becomes the receiver. */
  remusTo(backup: Host, name: string, receiverArgs = '-e', before = ''): Run {
    const env = `SIMXEN_RUNDIR=${backup.dir} SIMXEN_VERSION=${String(backup.env.SIMXEN_VERSION)}`;
    const receiver = `${before} exec env ${env} ${process.execPath} ${XL} migrate-receive -r ${receiverArgs} 2>${backup.dir}/rx.err`;
    return this.start(['remus', '-F', '-n', '-d', '-i', '50', '-s', '', name, receiver]);
  }

  /** What the receiver of `remusTo` wrote to standard error. */
  receiverLog(): string {
    const path = join(this.dir, 'rx.err');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  monitorLog(name: string): string {
    const path = join(this.dir, 'log', `xl-${name}.log`);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Writes a configuration file and gives its path. */
  config(name: string, change: Readonly<Record<string, string | number>> = {}): string {
    const settings = {
      name,
      type: 'pvh',
      kernel: '/root/guest/vmlinux',
      ramdisk: '/root/guest/initrd.gz',
      extra: 'dirty=4 tick=20',
      memory: 8,
      vcpus: 1,
      tsc_mode: 'native',
      ...change,
    };
    const path = join(this.dir, `${name}.cfg`);
    const lines = Object.entries(settings).map(
      ([key, value]) => `${key} = ${JSON.stringify(value)}\n`,
    );
    writeFileSync(path, lines.join(''));
    return path;
  }

  /** Makes a running domain and gives its number. */
  async create(name: string, options: { monitor?: boolean; extra?: string } = {}): Promise<number> {
    const cfg = this.config(name, options.extra === undefined ? {} : { extra: options.extra });
    await this.xl('create', '-q', ...(options.monitor === true ? [] : ['-e']), cfg);
    const domid = this.look(name)?.domid;
    if (domid === undefined) throw new Error(`xl create made no ${name}`);
    return domid;
  }

  /** What a domain's process has written down: for waiting, where running `xl list` again and again would be the load. */
  look(name: string): { readonly domid: number; readonly state: DomainState } | undefined {
    for (const domid of this.domids()) {
      try {
        const path = join(this.dir, 'dom', String(domid), 'state.json');
        const state = JSON.parse(readFileSync(path, 'utf8')) as DomainState;
        if (state.name === name && isThere(this.domainPid(domid))) return { domid, state };
      } catch {
        // It is being made, or has just gone.
      }
    }
    return undefined;
  }

  /** There is such a domain, and its guest runs: neither paused nor suspended nor shut down. */
  runs(name: string): boolean {
    const state = this.look(name)?.state;
    return state?.paused === false && state.shutdown === null;
  }

  /** The word of `xl shutdown` or `xl reboot` that waits for the guest to take it up; null when there is none. */
  async waitingWord(domid: number): Promise<unknown> {
    const socket = connect(join(this.dir, 'dom', String(domid), 'ctl.sock'));
    try {
      return await new Promise((resolve, reject) => {
        const reader = new FrameReader(({ head }) => {
          if (head.event === undefined) resolve(head.request);
        });
        socket.on('data', (chunk: Buffer) => reader.push(chunk)).on('error', reject);
        sendFrame(socket, { op: 'status' });
      });
    } finally {
      socket.destroy();
    }
  }

  private domids(): number[] {
    const dir = join(this.dir, 'dom');
    return existsSync(dir) ? readdirSync(dir).map(Number) : [];
  }

  /** `---ss-` and so on; undefined when there is no such domain. */
  async state(name: string): Promise<string | undefined> {
    const { stdout } = await this.xl('list', name);
    return /\d {5}([a-z-]{6}) /.exec(stdout)?.[1];
  }

  /** The process of a domain. */
  domainPid(domid: number): number {
    return Number(readFileSync(join(this.dir, 'dom', String(domid), 'pid'), 'utf8').split(' ')[0]);
  }

  /** The process of the transport: a child of the run, or the one named so below it. */
  childPid(run: Run, name?: string): number {
    const [child = 0] = childrenOf(run.child.pid ?? 0);
    this.transports.push(child);
    if (name === undefined) return child;
    const found = childrenOf(child).find(
      (pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name,
    );
    return found ?? 0;
  }

  private async killDomain(domid: number): Promise<void> {
    if (!existsSync(join(this.dir, 'dom', String(domid), 'pid'))) return;
    const pid = this.domainPid(domid);
    killIfThere(pid);
    await until(`the end of domain ${domid}`, () => !isThere(pid));
  }

  /** Ends everything this host runs. */
  async close(): Promise<void> {
    for (const run of this.started) run.child.kill('SIGKILL');
    for (const pid of this.transports) killIfThere(pid);
    for (const domid of this.domids()) await this.killDomain(domid);
    await Promise.all(this.started.map((run) => run.ended));
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Waits until a process stands still in a write to a full pipe. */
export function standsInWrite(pid: number): Promise<void> {
  return until('a write that waits', () =>
    readFileSync(`/proc/${pid}/wchan`, 'utf8').includes('pipe_w'),
  );
}

/** Waits until a process that was sent SIGSTOP has stopped. */
export function standsStopped(pid: number): Promise<void> {
  return until('its stop', () => / T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
}

/** Waits until something is so; fails with `what` when it does not come. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + UNTIL_MS_MAX;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await sleep(10);
  }
}

/** How many checkpoints a sender's log shows after the first copy. */
export function checkpoints(log: string): number {
  return log.split('Checkpointed save').length - 1;
}

/** Takes numbers that differ from run to run out of xl's messages. */
export function normalise(text: string): string {
  return text
    .replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \[\d+\] /gm, '')
    .replace(/Domain \d+:/g, 'Domain N:')
    .replace(/\bdomain \d+\b/g, 'domain N')
    .replace(/\bDom \d+\b/g, 'Dom N')
    .replace(/domid=\d+/g, 'domid=N')
    .replace(/`\/libxl\/\d+\//g, '`/libxl/N/')
    .replace(/(helper|process) \[\d+\]/g, '$1 [P]')
    .replace(/0x3\/0x0\/\d+/g, '0x3/0x0/L')
    .replace(/pfn 0x[0-9a-f]+ \(mfn 0x[0-9a-f]+/g, 'pfn P (mfn P')
    .replace(/Failed to read \d+ bytes/g, 'Failed to read L bytes');
}

/** The lines after `heading` in a recording, up to the next one, normalised. */
export function recorded(name: string, heading: string): string[] {
  const text = fixture(name);
  const from = text.indexOf(heading) + heading.length;
  const lines = normalise(text.slice(from)).split('\n').slice(1);
  const end = lines.findIndex(
    (line) => line.startsWith('## ') || line.startsWith('### ') || line.startsWith('[rc='),
  );
  return lines.slice(0, end < 0 ? undefined : end).filter((line) => line !== '');
}

/** Lines about progress, which differ in number. */
export function withoutProgress(lines: readonly string[]): string[] {
  return lines.filter((line) => line !== '' && !/^xc: progress|All records|^\[1795/.test(line));
}

/** A scratch directory inside the host's. */
export function scratch(host: Host, name: string): string {
  const path = join(host.dir, name);
  mkdirSync(path, { recursive: true });
  return path;
}
