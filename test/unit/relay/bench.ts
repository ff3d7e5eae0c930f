import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createExec } from '../../../daemon/adapters/exec.js';
import { ensureIdentity } from '../../../daemon/adapters/identity.js';
import { parseHistograms, type SenderHistograms } from '../../../daemon/relay/sender-histograms.js';
import type { ReceiverState, SenderState } from '../../../daemon/relay/control.js';

const relay = fileURLToPath(new URL('../../../daemon/relay/', import.meta.url));
const simulatedXl = fileURLToPath(new URL('../../simxen/xl.js', import.meta.url));
const stubXl = fileURLToPath(new URL('stub-xl.js', import.meta.url));

const WAIT_MS = 10_000;

/** Waits until the question has an answer. */
export async function until<T>(
  what: string,
  ask: () => T | null | undefined | false,
  wait_ms = WAIT_MS,
): Promise<T> {
  const deadline = performance.now() + wait_ms;
  for (;;) {
    const answer = ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    assert.ok(performance.now() < deadline, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A connection to a data process's control socket, as the daemon has it. */
export class Control<State> {
  readonly states: State[] = [];
  /** The newest, once a second. */
  histograms: SenderHistograms | null = null;
  closed = false;
  readonly #socket: Socket;
  #rest = '';

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk.toString()));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => (this.closed = true));
  }

  get last(): State | undefined {
    return this.states.at(-1);
  }

  /** The last state; there is one from the connection on. */
  now(): State {
    const state = this.states.at(-1);
    assert.ok(state);
    return state;
  }

  send(command: object): void {
    this.#socket.write(`${JSON.stringify(command)}\n`);
  }

  raw(text: string): void {
    this.#socket.write(text);
  }

  close(): void {
    this.#socket.destroy();
  }

  #line(line: string): void {
    const histograms = parseHistograms(line);
    if (histograms === null) this.states.push(JSON.parse(line) as State);
    else this.histograms = histograms;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }
}

export interface Process<State> {
  readonly child: ChildProcess;
  readonly control: Control<State>;
  readonly exited: Promise<number | null>;
}

/** The environments of the simulated hosts. */
export interface Hosts {
  readonly a: NodeJS.ProcessEnv;
  readonly b: NodeJS.ProcessEnv;
}

interface Options {
  readonly session?: string;
  readonly timeout_ms?: number;
  readonly extra?: readonly string[];
}

interface Instead {
  /** For a process to come up. */
  readonly wait_ms?: number;
  /** A shell script in the place of xl. */
  readonly xl?: string;
  /** For the node that runs a data process. */
  readonly node_args?: readonly string[];
}

/** Two nodes' directories, stubs for xl, ip and tc, and the data processes as real processes. */
export class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'remus-relay-'));
  readonly #bin = join(this.dir, 'bin');
  readonly #processes: ChildProcess[] = [];
  readonly #open: { close(): void }[] = [];
  #fingerprints = new Map<string, string>();
  readonly #hosts: Hosts | null;
  readonly #wait_ms: number;
  readonly #xl: string;
  /** The command that is node. */
  readonly #exec: string;

  /** With `hosts`, xl is the simulated one on two hosts; else a stub; or the shell script `xl`. */
  constructor(hosts: Hosts | null = null, { xl, node_args = [], wait_ms = WAIT_MS }: Instead = {}) {
    this.#wait_ms = wait_ms;
    this.#hosts = hosts;
    this.#exec = [`exec '${process.execPath}'`, ...node_args].join(' ');
    this.#xl = xl ?? `exec '${process.execPath}' '${hosts === null ? stubXl : simulatedXl}' "$@"`;
  }

  async prepare(): Promise<void> {
    mkdirSync(this.#bin);
    this.#script('xl', this.#xl);
    this.#script('ip', IP_STUB);
    this.#script('tc', TC_STUB);
    for (const node of ['a', 'b']) {
      const state_dir = join(this.dir, node, 'state');
      mkdirSync(state_dir, { recursive: true });
      const identity = await ensureIdentity({ state_dir, exec: createExec() });
      this.#fingerprints.set(node, identity.fingerprint);
    }
  }

  #script(name: string, body: string): void {
    writeFileSync(join(this.#bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  /** A file's text, '' when it is not there. */
  text(...parts: string[]): string {
    const path = this.path(...parts);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  async receiver(options: Options = {}): Promise<Process<ReceiverState>> {
    const own = ['--name', 'guest', '--listen', '127.0.0.1'];
    const child = this.#node('b', 'receiver-main.js', own, options, 'ignore');
    const started = await this.#started<ReceiverState>('b', 'receiver.sock', child);
    await until('receiver listens', () => (started.control.last?.port ?? 0) > 0, this.#wait_ms);
    return started;
  }

  /** The sender, its stdin a fifo that `feed` writes to. */
  async sender(
    port: number,
    options: Options = {},
  ): Promise<Process<SenderState> & { feed: Socket }> {
    const fifo = this.path('stdin');
    rmSync(fifo, { force: true });
    const made = await createExec().run(['mkfifo', fifo], { timeout_ms: 5000 });
    assert.equal(made.code, 0);
    const hold = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const own = ['--connect', `127.0.0.1:${port}`];
    const child = this.#node('a', 'sender-main.js', own, options, fifo);
    const feed = new Socket({ fd: hold, readable: false, writable: true });
    feed.on('error', () => undefined);
    this.#open.push({ close: () => feed.destroy() });
    return { ...(await this.#started<SenderState>('a', 'sender.sock', child)), feed };
  }

  #node(
    node: 'a' | 'b',
    program: string,
    own: readonly string[],
    options: Options,
    stdin: string,
  ): ChildProcess {
    const dir = this.path(node);
    const argv = this.#argv(node, own, options);
    // A shell opens the fifo, as xl's does: a pipe made by Node would be a socket.
    const redirect = stdin === 'ignore' ? '</dev/null' : `<'${stdin}'`;
    const script = `${this.#exec} '${relay}${program}' "$@" ${redirect} >'${dir}.out' 2>>'${dir}.log'`;
    const child = spawn('sh', ['-c', script, 'sh', ...argv], {
      stdio: 'ignore',
      env: this.env(node),
    });
    this.#processes.push(child);
    return child;
  }

  /** The environment of a node's processes. */
  env(node: 'a' | 'b'): NodeJS.ProcessEnv {
    const PATH = `${this.#bin}:${process.env['PATH'] ?? ''}`;
    return { ...(this.#hosts?.[node] ?? process.env), PATH, STUB: this.dir, STUB_XL: this.dir };
  }

  /** What `xl remus` is told to run. */
  senderCommand(port: number, options: Options = {}): string {
    const argv = this.#argv('a', ['--connect', `127.0.0.1:${port}`], options);
    return `${this.#exec} '${relay}sender-main.js' ${argv.join(' ')}`;
  }

  /** A connection to a sender that `xl remus` has started. */
  async senderControl(): Promise<Control<SenderState>> {
    return this.#control<SenderState>('a', 'sender.sock');
  }

  #argv(node: 'a' | 'b', own: readonly string[], options: Options): string[] {
    const dir = this.path(node);
    return [
      ...['--rundir', join(dir, 'run'), '--statedir', join(dir, 'state'), '--resource', 'vm1'],
      ...['--generation', '1', '--session', options.session ?? 'ab12'],
      ...['--expect', this.#fingerprints.get(node === 'a' ? 'b' : 'a') ?? ''],
      ...['--replication-timeout-ms', String(options.timeout_ms ?? 5000)],
      ...own,
      ...(options.extra ?? []),
    ];
  }

  async #started<State>(node: string, sock: string, child: ChildProcess): Promise<Process<State>> {
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    return { child, control: await this.#control<State>(node, sock), exited };
  }

  async #control<State>(node: string, sock: string): Promise<Control<State>> {
    const path = this.path(node, 'run', 'vm1', sock);
    let control = new Control<State>(path);
    // The socket of a killed one may still lie there.
    await until(
      `${sock} of ${node}`,
      () => {
        if (control.closed && control.states.length === 0) control = new Control<State>(path);
        return control.states.length > 0;
      },
      this.#wait_ms,
    );
    this.#open.push(control);
    return control;
  }

  /** The pid in a file of the receiver's, for killing xl. */
  xlPid(): number {
    return Number(this.text('b', 'run', 'vm1', 'xl-receive.pid'));
  }

  close(): void {
    for (const one of this.#open) one.close();
    for (const child of this.#processes) child.kill('SIGKILL');
    const sender = Number(this.text('a', 'run', 'vm1', 'sender.pid'));
    if (readCommand(sender).includes('sender-main')) process.kill(sender, 'SIGKILL');
    const xl = this.xlPid();
    if (xl > 1 && readCommand(xl).includes('migrate-receive')) process.kill(-xl, 'SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function readCommand(pid: number): string {
  const path = `/proc/${pid}/cmdline`;
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

// Links are files; vif9.0 is there from the beginning.
const IP_STUB = `
links="$STUB/links"; mkdir -p "$links"; : >"$links/vif9.0"
echo "ip $*" >>"$STUB/net"
case "$*" in
  '-o link show dev '*) [ -e "$links/$5" ] || { echo "Device \\"$5\\" does not exist." >&2; exit 1; } ;;
  'link add '*) : >"$links/$3" ;;
  'link del '*) rm -f "$links/$3" ;;
esac`;

const TC_STUB = `
if [ "$1" != -batch ]; then
  echo "tc $*" >>"$STUB/net"
  case "$*" in
    'qdisc show dev vif9.0') if [ -e "$STUB/ingress" ]; then echo 'qdisc ingress ffff: parent ffff:fff1'; fi ;;
    'qdisc del dev vif9.0 ingress') rm -f "$STUB/ingress" ;;
  esac
  exit 0
fi
while read -r line; do
  case "$line" in
    'qdisc show dev '*) echo 'qdisc plug 8001: root refcnt 2' ;;
    *fail*) echo "Command failed -:1" >&2; exit 1 ;;
    *) echo "$line" >>"$STUB/net"
       case "$line" in *ingress) : >"$STUB/ingress" ;; esac
       case "$line" in *block) if [ -e "$STUB/break" ]; then echo 'Command failed -:7' >&2; exit 1; fi ;; esac ;;
  esac
done`;
