/**
 * Holding a guest's output with stock iproute2. What the guest sends comes in at its vif; an ingress
 * filter redirects it to an ifb of our own, whose `plug` qdisc lets it pass, or keeps it:
 *
 *   block               what comes from now on is kept, and counted as the next epoch
 *   release             lets go what came before the last block, no more
 *   release_indefinite  lets everything pass until the next block
 *
 * What the qdisc does lives in the kernel: it outlives us, and so does held output.
 */
import type { Exec, ExecResult } from '../ports.js';
import { AdapterError, oneLine } from './errors.js';
import { spawnPiped, type PipedChild } from './exec.js';
import { patient } from './patience.js';

export type HoldErrorCode = 'vif-name' | 'command' | 'tc-ended' | 'timeout' | 'left-over';
export class HoldError extends AdapterError<HoldErrorCode> {}

/** Most bytes of a vif's output that are held; what is over is dropped, as a full network queue does. */
const PLUG_LIMIT_BYTES = 64 * 1024 * 1024;
const COMMAND_TIMEOUT_MS = patient(10_000);
/** A block stands in the guest's way: it takes a millisecond, or something is wrong. */
const FENCE_TIMEOUT_MS = patient(5000);
/** How long what was released may take through the ifb before the ifb goes. */
const DRAIN_MS = 50;

const VIF = /^vif(\d{1,6}\.\d{1,3})$/;

/** The ifb of a vif: rem7.0 for vif7.0. */
export function ifbOf(vif: string): string {
  const match = VIF.exec(vif);
  if (match?.[1] === undefined) {
    throw new HoldError('vif-name', 'not a vif', `${vif} is not the name of a vif, like vif7.0`);
  }
  return `rem${match[1]}`;
}

/** The output of one guest, all its vifs together. Methods may be called one after another without waiting. */
export interface OutputHold {
  /** Resolves when what the guest sends from now on is being kept. */
  block(): Promise<void>;
  /** Resolves when what came before the last block has been let go. */
  release(): Promise<void>;
  /** Ends the long-lived tc. What is held stays held. */
  close(): void;
  /** Settles when tc has ended, with what it said. */
  readonly lost: Promise<string>;
}

export interface HoldDeps {
  readonly exec: Exec;
  readonly spawn?: typeof spawnPiped;
}

/** Sets the output path up anew, passing. Left-overs of an earlier hold are removed with what they held. */
export async function openHold(vifs: readonly string[], deps: HoldDeps): Promise<OutputHold> {
  await dropHold(vifs, deps);
  for (const ifb of vifs.map(ifbOf)) {
    await must(deps.exec, ['ip', 'link', 'add', ifb, 'type', 'ifb']);
    await must(deps.exec, ['ip', 'link', 'set', ifb, 'up']);
  }
  const batch = await TcBatch.start(deps.spawn ?? spawnPiped);
  try {
    // Passing before it is reached: no packet is kept or lost by the set-up.
    await batch.run(vifs.flatMap(setupLines), vifs.map(ifbOf));
  } catch (error) {
    batch.close();
    throw error;
  }
  return {
    block: () => batch.run(plugLines(vifs, 'block'), vifs.map(ifbOf)),
    release: () => batch.run(plugLines(vifs, 'release'), vifs.map(ifbOf)),
    close: () => batch.close(),
    lost: batch.lost,
  };
}

function setupLines(vif: string): string[] {
  const ifb = ifbOf(vif);
  return [
    `qdisc add dev ${ifb} root plug limit ${PLUG_LIMIT_BYTES}`,
    `qdisc change dev ${ifb} root plug release_indefinite`,
    `qdisc add dev ${vif} ingress`,
    // `protocol all` covers ARP and IPv6, too.
    `filter add dev ${vif} parent ffff: protocol all matchall action mirred egress redirect dev ${ifb}`,
  ];
}

function plugLines(vifs: readonly string[], action: string): string[] {
  return vifs.map((vif) => `qdisc change dev ${ifbOf(vif)} root plug ${action}`);
}

interface Fence {
  readonly settle: (error: HoldError | null) => void;
  readonly timer: NodeJS.Timeout;
  /** Answers still to come. */
  left: number;
}

/**
 * One `tc -batch -`. tc says nothing about a command that went well, and ends at the first that did not
 * (no -force). So each batch of commands is followed by a `qdisc show`: its answer proves that tc, which
 * waits for the kernel's word on each command, has carried out all that came before.
 */
class TcBatch {
  readonly #fences: Fence[] = [];
  #child: PipedChild | null = null;
  #ended: string | null = null;
  readonly lost: Promise<string>;
  #reportLost: (reason: string) => void = () => undefined;

  private constructor() {
    this.lost = new Promise((resolve) => (this.#reportLost = resolve));
  }

  static async start(spawn: typeof spawnPiped): Promise<TcBatch> {
    const batch = new TcBatch();
    const child = await spawn(['tc', '-batch', '-'], { onLine: (line) => batch.#line(line) });
    batch.#child = child;
    void child.exited.then(({ code, signal }) => {
      const said = oneLine(child.stderrTail());
      batch.#end(`tc ended (${signal ?? code ?? '?'})${said === '' ? '' : `: ${said}`}`);
    });
    return batch;
  }

  run(lines: readonly string[], ifbs: readonly string[]): Promise<void> {
    if (this.#ended !== null) return Promise.reject(this.#endedError(this.#ended));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#timeout(), FENCE_TIMEOUT_MS);
      const settle = (error: HoldError | null): void => {
        clearTimeout(timer);
        if (error === null) resolve();
        else reject(error);
      };
      this.#fences.push({ settle, timer, left: ifbs.length });
      const shows = ifbs.map((ifb) => `qdisc show dev ${ifb}`);
      this.#child?.stdin?.write([...lines, ...shows, ''].join('\n'));
    });
  }

  close(): void {
    this.#child?.stdin?.end();
    this.#end('tc was closed');
  }

  #line(line: string): void {
    const fence = this.#fences[0];
    if (fence === undefined || !line.startsWith('qdisc ')) return;
    fence.left -= 1;
    if (fence.left > 0) return;
    this.#fences.shift();
    fence.settle(null);
  }

  #timeout(): void {
    this.#child?.signal('SIGKILL');
    this.#end(`tc did not answer within ${FENCE_TIMEOUT_MS} ms`);
  }

  #end(reason: string): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    for (const fence of this.#fences.splice(0)) fence.settle(this.#endedError(reason));
    this.#reportLost(this.#endedError(reason).sentence);
  }

  #endedError(reason: string): HoldError {
    const sentence = `the guest's output cannot be controlled: ${reason}`;
    return new HoldError('tc-ended', 'tc ended', sentence);
  }
}

/**
 * Lets the guest's output go for good, and removes the path. Works without the sender that made it; a
 * second call, or one for vifs that are gone, does nothing.
 */
export async function liftHold(vifs: readonly string[], deps: HoldDeps): Promise<void> {
  for (const vif of vifs) {
    const ifb = ifbOf(vif);
    if (await linkExists(deps.exec, ifb)) {
      const qdisc = ['tc', 'qdisc', 'change', 'dev', ifb, 'root', 'plug', 'release_indefinite'];
      await may(deps.exec, qdisc);
    }
    await removeIngress(deps.exec, vif);
    await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
    await removeIfb(deps.exec, ifb);
  }
}

/** Removes the path with all that it holds: nothing of it leaves the host. Idempotent as liftHold. */
export async function dropHold(vifs: readonly string[], deps: HoldDeps): Promise<void> {
  for (const vif of vifs) {
    // The ifb first: until the redirection is gone, too, it throws away what the guest sends.
    await removeIfb(deps.exec, ifbOf(vif));
    await removeIngress(deps.exec, vif);
  }
}

async function removeIngress(exec: Exec, vif: string): Promise<void> {
  if (!(await linkExists(exec, vif)) || !(await hasIngress(exec, vif))) return;
  await may(exec, ['tc', 'qdisc', 'del', 'dev', vif, 'ingress']);
  if ((await linkExists(exec, vif)) && (await hasIngress(exec, vif))) {
    throw leftOver(`tc qdisc del dev ${vif} ingress`);
  }
}

async function removeIfb(exec: Exec, ifb: string): Promise<void> {
  if (!(await linkExists(exec, ifb))) return;
  await may(exec, ['ip', 'link', 'del', ifb]);
  if (await linkExists(exec, ifb)) throw leftOver(`ip link del ${ifb}`);
}

function leftOver(command: string): HoldError {
  return new HoldError('left-over', 'still there', `"${command}" had no effect; type it by hand`);
}

async function linkExists(exec: Exec, link: string): Promise<boolean> {
  const result = await may(exec, ['ip', '-o', 'link', 'show', 'dev', link]);
  if (result.code === 0) return true;
  if (/does not exist|Cannot find device/i.test(result.stderr)) return false;
  throw failed(result);
}

async function hasIngress(exec: Exec, vif: string): Promise<boolean> {
  const result = await may(exec, ['tc', 'qdisc', 'show', 'dev', vif]);
  return /^qdisc ingress /m.test(result.stdout);
}

async function must(exec: Exec, argv: readonly string[]): Promise<void> {
  const result = await may(exec, argv);
  if (result.code !== 0) throw failed(result);
}

/** Runs it; its exit code is the caller's business, that it ran is ours. */
async function may(exec: Exec, argv: readonly string[]): Promise<ExecResult> {
  const result = await exec.run(argv, { timeout_ms: COMMAND_TIMEOUT_MS });
  if (result.timed_out || result.spawn_error !== undefined) throw failed(result);
  return result;
}

function failed(result: ExecResult): HoldError {
  const command = result.argv.join(' ');
  const why = result.timed_out
    ? 'took too long'
    : oneLine(result.stderr) || `it gave no reason, exit code ${result.code ?? '?'}`;
  const sentence = `"${command}" failed: ${why}; type it by hand`;
  return new HoldError('command', 'command failed', sentence, { argv: result.argv });
}
