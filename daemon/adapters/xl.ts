/** The Xl port: Xen's own `xl`, one process a call, each with a deadline. */
import { accessSync } from 'node:fs';
import type { Domain, Exec, ExecResult, XenInfo, Xl } from '../ports.js';
import { AdapterError, errnoWords, oneLine } from './errors.js';
import { XlRubbish, helpLists, parseInfo, parseList, parseNetworkList } from './xl-parse.js';

export type XlErrorCode =
  | 'missing' // no xl in PATH
  | 'no-xen' // xl is there, the hypervisor or its daemons are not
  | 'timeout'
  | 'failed'
  | 'rubbish' // xl printed something that xl does not print
  | 'unsupported';

export class XlError extends AdapterError<XlErrorCode> {
  /** What was run. */
  get argv(): readonly string[] {
    const argv = this.detail['argv'];
    return Array.isArray(argv) ? argv.map(String) : [];
  }
  /** The telling end of what it printed on stderr, one line. */
  get stderr(): string {
    const stderr = this.detail['stderr'];
    return typeof stderr === 'string' ? stderr : '';
  }
}

export interface XlTimeouts {
  /** `xl create` and `xl destroy`, which wait for hotplug scripts, in milliseconds. */
  readonly create_ms: number;
  /** Everything else, in milliseconds. */
  readonly call_ms: number;
}

const DEFAULTS: XlTimeouts = { create_ms: 30_000, call_ms: 10_000 };
const NO_SUCH_DOMAIN = /is an invalid domain identifier/;
const NO_XEN =
  /(privileged command interface|cannot init xl context|cannot open libxc handle|cannot connect to xenstore)/i;

/** Deadlines from REMUS_XL_CREATE_TIMEOUT_MS and REMUS_XL_TIMEOUT_MS; what is not a positive number is ignored. */
export function xlTimeouts(env: Readonly<Record<string, string | undefined>>): XlTimeouts {
  const read = (name: string, otherwise: number): number => {
    const value = Number(env[name]);
    return Number.isFinite(value) && value > 0 ? value : otherwise;
  };
  return {
    create_ms: read('REMUS_XL_CREATE_TIMEOUT_MS', DEFAULTS.create_ms),
    call_ms: read('REMUS_XL_TIMEOUT_MS', DEFAULTS.call_ms),
  };
}

/** The part of xl's stderr that says what went wrong, one line: libxl names the cause first, then what that made impossible. */
export function stderrExcerpt(stderr: string): string {
  const chatter = /^(Parsing config from|WARNING|Waiting for domain|libxl: detail|\s*$)/;
  const lines = stderr.split('\n').filter((line) => !chatter.test(line));
  return oneLine(lines.slice(0, 3).join('; '), 400);
}

/** What became of one call, judged: an `XlError` or null. */
function judge(result: ExecResult): XlError | null {
  const stderr = stderrExcerpt(result.stderr);
  const { argv, code, signal, timed_out, duration_ms } = result;
  const detail = { argv, stderr, code, signal, timed_out, duration_ms };
  const command = argv.join(' ');
  const error = (kind: XlErrorCode, message: string, sentence: string): XlError =>
    new XlError(kind, message, sentence, detail);
  if (result.spawn_error === 'ENOENT') {
    const sentence =
      'xl is not installed or not in the PATH of remusd: install xen-utils-common and boot Xen';
    return error('missing', 'xl is missing', sentence);
  }
  if (result.spawn_error !== undefined) {
    return error(
      'missing',
      'xl cannot be started',
      `xl cannot be started: ${errnoWords(result.spawn_error)}; type it by hand: xl list`,
    );
  }
  if (timed_out) {
    const sentence = `"${command}" did not end within ${duration_ms} ms and was killed; look at "xl list" and "xl dmesg"`;
    return error('timeout', 'xl did not end in time', sentence);
  }
  if (code === 0) return null;
  const ending = signal === null ? `exit code ${String(code)}` : `killed by ${signal}`;
  if (NO_XEN.test(stderr)) {
    const sentence = `xl cannot reach Xen (${stderr}); is this host booted into Xen, and are xenstored and xen.service up?`;
    return error('no-xen', 'xl cannot reach Xen', sentence);
  }
  return error(
    'failed',
    'xl failed',
    `"${command}" failed (${ending}): ${stderr || 'it gave no reason'}`,
  );
}

class XlByProcess implements Xl {
  readonly #exec: Exec;
  readonly #timeouts: XlTimeouts;
  /** Whether this xl knows `resume`; asked once. */
  #knowsResume: boolean | undefined;

  constructor(exec: Exec, timeouts: XlTimeouts) {
    this.#exec = exec;
    this.#timeouts = timeouts;
  }

  async #call(argv: readonly string[], timeout_ms = this.#timeouts.call_ms): Promise<ExecResult> {
    const result = await this.#exec.run(argv, { timeout_ms });
    const error = judge(result);
    if (error) throw error;
    return result;
  }

  async #parsed<T>(argv: readonly string[], parse: (text: string) => T): Promise<T> {
    const { stdout } = await this.#call(argv);
    try {
      return parse(stdout);
    } catch (error) {
      if (!(error instanceof XlRubbish)) throw error;
      const { message: what, line } = error;
      const sentence = `"${argv.join(' ')}" printed something unexpected (${what}): "${line}"`;
      throw new XlError('rubbish', 'xl printed something unexpected', sentence, {
        argv,
        what,
        line,
      });
    }
  }

  info(): Promise<XenInfo> {
    return this.#parsed(['xl', 'info'], parseInfo);
  }

  list(): Promise<readonly Domain[]> {
    return this.#parsed(['xl', 'list', '-v'], parseList);
  }

  async create(config_path: string): Promise<void> {
    await this.#call(['xl', 'create', '-e', config_path], this.#timeouts.create_ms);
  }

  async shutdown(name: string): Promise<void> {
    await this.#call(['xl', 'shutdown', name]);
  }

  async destroy(name: string): Promise<void> {
    try {
      await this.#call(['xl', 'destroy', name], this.#timeouts.create_ms);
    } catch (error) {
      if (!(error instanceof XlError) || error.code !== 'failed') throw error;
      if (NO_SUCH_DOMAIN.test(error.stderr)) return;
      // It may have gone by itself while xl was at it: then the job is done.
      if ((await this.list()).some((domain) => domain.name === name)) throw error;
    }
  }

  async pause(name: string): Promise<void> {
    await this.#call(['xl', 'pause', name]);
  }

  async unpause(name: string): Promise<void> {
    await this.#call(['xl', 'unpause', name]);
  }

  async resume(domid: number, name: string): Promise<void> {
    // Resuming a domain that is not suspended does harm: look first.
    if (!(await this.#isSuspended(domid, name))) return;
    if (await this.#hasResume()) await this.#call(['xl', 'resume', String(domid)]);
    else await this.#resumeByPython(domid);
    // `xl resume` complains and still returns 0, so its exit code proves nothing.
    if (!(await this.#isSuspended(domid, name))) return;
    const sentence = `${name} is still suspended after a resume; look at "xl list" and "xl dmesg", and destroy it if it does not come back`;
    throw new XlError('failed', 'domain is still suspended', sentence, { domid, name });
  }

  async #isSuspended(domid: number, name: string): Promise<boolean> {
    const domain = (await this.list()).find((one) => one.domid === domid);
    if (domain?.name === name) return domain.suspended;
    const sentence = `${name} (domain ${domid}) is not there any more, so it cannot be resumed`;
    throw new XlError('failed', 'no such domain to resume', sentence, { domid, name });
  }

  async #hasResume(): Promise<boolean> {
    if (this.#knowsResume !== undefined) return this.#knowsResume;
    const { stdout } = await this.#call(['xl', 'help']);
    const knows = helpLists(stdout, 'resume');
    // Only a list is an answer for ever.
    if (helpLists(stdout, 'list')) this.#knowsResume = knows;
    return knows;
  }

  /** Before `xl resume`, Xen's own Python binding is what can do it. */
  async #resumeByPython(domid: number): Promise<void> {
    const { xen_major, xen_minor } = await this.info();
    const library = `/usr/lib/xen-${xen_major}.${xen_minor}/lib/python`;
    const script = 'import sys, xen.lowlevel.xc as x; x.xc().domain_resume(int(sys.argv[1]), True)';
    const argv = ['python3', '-c', script, String(domid)];
    const result = await this.#exec.run(argv, {
      timeout_ms: this.#timeouts.call_ms,
      env: { PYTHONPATH: library },
    });
    if (result.code === 0) return;
    // A traceback ends with its cause.
    const stderr =
      result.spawn_error ?? oneLine(result.stderr.trim().split('\n').slice(-1).join(), 400);
    const hint = reachable(library) ? '' : `; ${library} is missing: install the xen-utils package`;
    const sentence = `domain ${domid} stays suspended: this xl has no "resume", and Xen's Python binding failed (${stderr})${hint}`;
    throw new XlError('unsupported', 'domain cannot be resumed', sentence, { argv, stderr, domid });
  }

  async vifs(domid: number): Promise<readonly string[]> {
    const argv = ['xl', 'network-list', String(domid)];
    const vifs = await this.#parsed(argv, parseNetworkList);
    const foreign = vifs.find((vif) => vif.backend_domid !== 0);
    if (foreign) {
      const sentence = `interface ${foreign.devid} of domain ${domid} is served by domain ${foreign.backend_domid}: only backends in dom0 can be held; remove "backend=" from its vif`;
      throw new XlError('unsupported', 'vif is not served by dom0', sentence, { argv, ...foreign });
    }
    return vifs.map((vif) => `vif${domid}.${vif.devid}`);
  }
}

function reachable(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The real Xl port. */
export function createXl(exec: Exec, timeouts: XlTimeouts = xlTimeouts(process.env)): Xl {
  return new XlByProcess(exec, timeouts);
}
