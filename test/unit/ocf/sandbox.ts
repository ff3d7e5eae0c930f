/**
 * A place to run the real ocf/remus in: its own run directory, stub programs first in PATH, fake data processes,
 * and remusd's real control socket with a canned handler.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ControlAnswer, ControlRequest } from '../../../daemon/adapters/control-protocol.js';
import { identify, writePidFile } from '../../../daemon/adapters/process-table.js';
import { serveControlSocket, type ControlSocket } from '../../../daemon/adapters/control-socket.js';

/** The clone's root: this file runs from dist/test/unit/ocf. */
export const ROOT = join(import.meta.dirname, '../../../..');
export const AGENT = join(ROOT, 'ocf/remus');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The last exit reason: what crm_mon would show. */
  readonly reason: string;
  readonly ms: number;
}

const XL = `#!/bin/sh
# A stub: domains are files named after them that hold "ID STATE".
cd "$STUB_DIR/domains" || exit 9
echo "xl $*" >>../calls
read -r mode <../mode
case $mode in
hang) exec sleep 60 ;;
fail) echo 'xencall: error: Could not obtain handle on privileged command interface' >&2; exit 1 ;;
rubbish) echo '<html>'; exit 0 ;;
esac
name_of() { for f in *; do read -r id state <"$f"; [ "$id" != "$1" ] || echo "$f"; done; }
case $1 in
list)
  printf '%-40s %5s %5s %5s\\t%s\\t%s\\n' Name ID Mem VCPUs State 'Time(s)'
  printf '%-40s %5s %5s %5s\\t%s\\t%s\\n' Domain-0 0 1280 1 r----- 40.0
  for f in *; do
    [ -e "$f" ] || continue
    read -r id state <"$f"
    printf '%-40s %5s %5s %5s\\t%6s\\t%s\\n' "$f" "$id" 128 1 "$state" 1.5
  done ;;
shutdown) [ "$mode" = deaf ] || { f=$(name_of "$2"); echo "$2 ---s--" >"$f"; } ;;
destroy) [ "$mode" = undead ] || rm -f "$(name_of "$2")" ;;
esac
exit 0
`;

const IP = `#!/bin/sh
echo "ip $*" >>"$STUB_DIR/calls"
case "$*" in
'-o link show')
  n=1
  for f in "$STUB_DIR"/links/*; do
    [ -e "$f" ] || continue
    n=$((n + 1)); echo "$n: \${f##*/}: <BROADCAST,NOARP> mtu 1500 qdisc plug state DOWN mode DEFAULT group default qlen 32"
  done ;;
'link delete '*) rm "$STUB_DIR/links/$3" ;;
esac
`;

const CRM_ATTRIBUTE = `#!/bin/sh
echo "crm_attribute $*" >>"$STUB_DIR/calls"
case "$*" in
*--query*) [ -e "$STUB_DIR/record" ] || exit 105; cat "$STUB_DIR/record" ;;
esac
`;

const ATTRD_UPDATER = `#!/bin/sh
echo "attrd_updater $*" >>"$STUB_DIR/calls"
[ ! -e "$STUB_DIR/attrd-hangs" ] || exec sleep 60
`;

/** Fake data processes: real processes with the command lines of the real ones. */
const SENDER = `setInterval(() => {}, 1000); console.log('up');`;
const XL_REMUS = `
const pid = Number(process.argv.at(-2));
setInterval(() => { try { process.kill(pid, 0); } catch { process.exit(1); } }, 20);
console.log('up');`;
const XL_RECEIVE = `
require('node:fs').openSync(process.env.FIFO, 'r+');
process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up');`;

/** Of no other lab on this machine: a stop ends every call, wherever it came from, that would write this VM's record later. */
export const VM = `vm${process.pid}`;

export class Sandbox {
  readonly dir = mkdtempSync(join(tmpdir(), 'remus-ocf-'));
  readonly run_dir = join(this.dir, 'run');
  readonly config = join(this.dir, 'vm1.cfg');
  readonly socket_path = join(this.run_dir, 'remusd.sock');
  readonly requests: ControlRequest[] = [];
  readonly #bin = join(this.dir, 'bin');
  readonly #children: ChildProcess[] = [];
  #socket: ControlSocket | null = null;

  constructor() {
    // ocf-tester asks for the metadata as nobody.
    chmodSync(this.dir, 0o755);
    for (const dir of ['run/vms', 'bin', 'domains', 'links', 'fake'])
      mkdirSync(join(this.dir, dir), { recursive: true });
    this.mode('normal');
    this.#program('xl', XL);
    this.#program('ip', IP);
    this.#program('crm_attribute', CRM_ATTRIBUTE);
    this.#program('attrd_updater', ATTRD_UPDATER);
    writeFileSync(this.config, '# a VM\nmemory = 128\nname = "guest1"\n');
    writeFileSync(join(this.dir, 'fake/sender-main.js'), SENDER);
    writeFileSync(join(this.dir, 'fake/receiver-main.js'), SENDER);
    writeFileSync(join(this.dir, 'fake/xl'), XL_REMUS);
  }

  #program(name: string, text: string): void {
    writeFileSync(join(this.#bin, name), text, { mode: 0o755 });
  }

  /** normal, hang, fail, rubbish; deaf: shutdown does nothing; undead: destroy does nothing. */
  mode(mode: string): void {
    writeFileSync(join(this.dir, 'mode'), `${mode}\n`);
  }

  hangAttrd(): void {
    writeFileSync(join(this.dir, 'attrd-hangs'), '');
  }

  removeProgram(name: string): void {
    rmSync(join(this.#bin, name));
  }

  domain(name: string, domid: number, state = '-b----'): void {
    writeFileSync(join(this.dir, 'domains', name), `${domid} ${state}\n`);
  }

  hasDomain(name: string): boolean {
    return existsSync(join(this.dir, 'domains', name));
  }

  link(name: string): void {
    writeFileSync(join(this.dir, 'links', name), '');
  }

  hasLink(name: string): boolean {
    return existsSync(join(this.dir, 'links', name));
  }

  record(text: string): void {
    writeFileSync(join(this.dir, 'record'), `${text}\n`);
  }

  register(content: object, resource = VM): void {
    writeFileSync(join(this.run_dir, `vms/${resource}.json`), JSON.stringify(content));
  }

  registration(resource = VM): string | null {
    const path = join(this.run_dir, `vms/${resource}.json`);
    return existsSync(path) ? readFileSync(path, 'utf8') : null;
  }

  calls(): string[] {
    const path = join(this.dir, 'calls');
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  }

  /** @returns the pid of a fake process, once it is up. */
  async fake(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
    const child = spawn(process.execPath, [...argv], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`${argv.join(' ')} has ended before it was up: ${String(signal ?? code)}`);
    });
    ended.catch(() => undefined);
    await Promise.race([once(child.stdout, 'data'), ended]);
    return child.pid ?? 0;
  }

  fakeSender(resource = VM): Promise<number> {
    return this.fake([
      join(this.dir, 'fake/sender-main.js'),
      '--rundir',
      this.run_dir,
      '--resource',
      resource,
    ]);
  }

  fakeReceiver(): Promise<number> {
    return this.fake([
      join(this.dir, 'fake/receiver-main.js'),
      '--rundir',
      this.run_dir,
      '--resource',
      VM,
    ]);
  }

  /** Ends with its sender, as the real one does. */
  fakeXlRemus(sender: number): Promise<number> {
    const command = `exec node /lib/sender-main.js --rundir ${this.run_dir} --resource ${VM}`;
    return this.fake([
      join(this.dir, 'fake/xl'),
      'remus',
      '-F',
      '-n',
      '-d',
      'guest1',
      command,
      String(sender),
      'x',
    ]);
  }

  /** `xl migrate-receive`, or its helper, which outlives it when it is killed. */
  async fakeXlReceive(
    argv: readonly string[] = ['xl-receive', 'migrate-receive', '-r', '-e'],
  ): Promise<number> {
    const [name = '', ...rest] = argv;
    const fifo = join(this.run_dir, VM, 'fifo');
    mkdirSync(join(this.run_dir, VM), { recursive: true });
    const made = spawn('mkfifo', [fifo]);
    await once(made, 'close');
    const path = join(this.dir, 'fake', name);
    writeFileSync(path, XL_RECEIVE);
    return this.fake([path, ...rest], { FIFO: fifo });
  }

  /** A call of a daemon that is gone. */
  fakeStray(program: string, ...args: readonly string[]): Promise<number> {
    const path = join(this.dir, 'fake', program);
    writeFileSync(path, SENDER);
    return this.fake([path, ...args]);
  }

  /** A daemon that hangs: takes connections, answers none. */
  async fakeHungDaemon(): Promise<number> {
    const script = `require('net').createServer(() => {}).listen(process.argv[1], () => console.log('up'));`;
    const pid = await this.fake(['-e', script, this.socket_path]);
    const identity = await identify(pid);
    if (identity === null) throw new Error('the hung daemon has ended');
    await writePidFile(join(this.run_dir, 'remusd.pid'), identity);
    return pid;
  }

  static alive(pid: number): boolean {
    try {
      return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
    } catch {
      return false;
    }
  }

  /** The daemon. */
  async serve(
    handler: (request: ControlRequest, progress: (text: string) => void) => Promise<ControlAnswer>,
  ): Promise<void> {
    this.#socket = await serveControlSocket({
      path: this.socket_path,
      handler: (request, progress) => {
        this.requests.push(request);
        return handler(request, progress);
      },
    });
  }

  environment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      PATH: `${this.#bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
      STUB_DIR: this.dir,
      REMUS_RUNDIR: this.run_dir,
      REMUS_AGENT_PATIENCE: '0',
      OCF_ROOT: '/usr/lib/ocf',
      OCF_RESOURCE_INSTANCE: VM,
      OCF_RESKEY_config: this.config,
      OCF_RESKEY_CRM_meta_timeout: '30000',
      OCF_RESKEY_CRM_meta_interval: '10000',
      OCF_RESKEY_CRM_meta_on_node: 'pm1',
      OCF_RESKEY_crm_feature_set: '3.16.1',
      ...env,
    };
  }

  agent(action: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    return this.run([AGENT, action], env);
  }

  probe(env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    return this.agent('monitor', { OCF_RESKEY_CRM_meta_interval: '0', ...env });
  }

  async run(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const started = performance.now();
    const [program = '', ...rest] = argv;
    const child = spawn(program, rest, {
      env: this.environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number | null];
    const reasons = [...stderr.matchAll(/^ocf-exit-reason:(.*)$/gm)];
    return {
      code,
      stdout,
      stderr,
      reason: reasons.at(-1)?.[1] ?? '',
      ms: performance.now() - started,
    };
  }

  async close(): Promise<void> {
    await this.#socket?.close();
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}
