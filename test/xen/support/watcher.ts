/**
 * The two-copies watcher on real Xen: at no moment may the VM run on both hosts (promise P1). It asks both hypervisors in
 * turn, as often as they answer, over connections that stay open.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Interface, createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { cloneDir } from '../../cluster/lab/command.js';
import { type XenLab, xenLabCommand } from './xen-lab.js';

/** A host that does not answer within this is taken for one that has lost its power, and called again. */
const ANSWER_MS = 20_000;
const BETWEEN_MS = 400;

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** What the watcher did and saw. */
export interface XenWatch {
  /** Moments at which domains ran on both hosts, in words. */
  readonly sightings: readonly string[];
  /** Rounds in which both hosts answered. */
  readonly looks: number;
  readonly longest_gap_ms: number;
}

/** The running ones in a line of look.py: `1: 2:p` has domain 1 running. */
function runningIn(line: string): string[] {
  return line
    .split(' ')
    .filter((word) => /^\d+:$/.test(word))
    .map((word) => word.slice(0, -1));
}

/** A connection to one hypervisor. */
class Eye {
  private child: Child | undefined;
  private lines: Interface | undefined;

  private readonly lab: XenLab;
  private readonly host: string;

  constructor(lab: XenLab, host: string) {
    this.lab = lab;
    this.host = host;
  }

  /** The domains that run there now; undefined when it cannot be asked. */
  async running(): Promise<string[] | undefined> {
    if (this.lab.power(this.host) === 'off') this.close();
    if (this.lab.power(this.host) !== 'on') return undefined;
    if (this.child === undefined && !(await this.open())) return undefined;
    this.child?.stdin.write('\n');
    const line = await this.line();
    if (line === undefined) this.close();
    return line === undefined ? undefined : runningIn(line);
  }

  close(): void {
    this.child?.stdin.end();
    this.child?.kill();
    this.lines?.close();
    this.child = undefined;
    this.lines = undefined;
  }

  private async open(): Promise<boolean> {
    const script = readFileSync(join(cloneDir(), 'test', 'xen', 'support', 'look.py'), 'utf8');
    const command = `exec python3 -u -c '${script.replaceAll("'", "'\\''")}'`;
    this.child = spawn(xenLabCommand(), ['exec', this.host, command], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.child.stdin.on('error', () => undefined);
    this.lines = createInterface({ input: this.child.stdout });
    if ((await this.line()) === 'looking') return true;
    this.close();
    return false;
  }

  private line(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const done = (line: string | undefined): void => {
        clearTimeout(timer);
        this.lines?.removeListener('line', done);
        this.lines?.removeListener('close', gone);
        resolve(line);
      };
      const gone = (): void => done(undefined);
      const timer = setTimeout(gone, ANSWER_MS);
      this.lines?.once('line', done);
      this.lines?.once('close', gone);
    });
  }
}

/** Looks until it is stopped. */
export class XenWatcher {
  private readonly sightings: string[] = [];
  private looks = 0;
  private longest_gap_ms = 0;
  private stopping = false;
  private readonly ended: Promise<void>;

  constructor(lab: XenLab) {
    this.ended = this.watch(new Eye(lab, 'xen1'), new Eye(lab, 'xen2'));
  }

  /** What has been seen so far. */
  report(): XenWatch {
    const { sightings, looks, longest_gap_ms } = this;
    return { sightings: [...sightings], looks, longest_gap_ms };
  }

  /** Ends it, and tells all. */
  async stop(): Promise<XenWatch> {
    this.stopping = true;
    await this.ended;
    return this.report();
  }

  private async watch(one: Eye, two: Eye): Promise<void> {
    let last_ms = performance.now();
    while (!this.stopping) {
      if (await this.look(one, two)) {
        this.longest_gap_ms = Math.max(
          this.longest_gap_ms,
          Math.round(performance.now() - last_ms),
        );
        last_ms = performance.now();
      }
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
    }
    one.close();
    two.close();
  }

  /**
   * The hosts are asked one after another: what ran on the first before and after the answer of the second, ran at the
   * moment of that answer. @returns whether both have answered.
   */
  private async look(one: Eye, two: Eye): Promise<boolean> {
    const before = await one.running();
    const there = await two.running();
    if (before === undefined || there === undefined) return false;
    this.looks++;
    if (before.length === 0 || there.length === 0) return true;
    const after = await one.running();
    const still = before.filter((domid) => after?.includes(domid) === true);
    if (still.length > 0) {
      const at = new Date().toISOString();
      this.sightings.push(`${at}: domain ${still.join()} on xen1, domain ${there.join()} on xen2`);
    }
    return true;
  }
}
