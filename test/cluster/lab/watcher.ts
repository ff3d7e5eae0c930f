/**
 * The two-copies watcher: at no moment may the same VM run on two nodes (promise P1). A process of its own, so that a
 * busy test cannot make it blind; it looks at all nodes 40 times a second from outside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type SimDomain, domainsOf, labDir, labNodes } from './hosts.js';

const LOOK_EVERY_MS = 25;
/** The watcher was not looking for so long: worth telling. */
const BLIND_MS = 250;
const STOP_MS = 3000;

const sightingSchema = z.object({
  at: z.string(),
  vm: z.string(),
  copies: z.array(z.object({ node: z.string(), domid: z.number(), name: z.string() })),
});

/** A moment at which a VM ran on two nodes. */
export type Sighting = z.infer<typeof sightingSchema>;

const summarySchema = z.object({
  looks: z.number(),
  longest_gap_ms: z.number(),
  blind_gaps: z.number(),
});

/** What the watcher did and saw. */
export interface WatchReport {
  readonly sightings: readonly Sighting[];
  readonly looks: number;
  /** The longest time between two looks. */
  readonly longest_gap_ms: number;
  readonly blind_gaps: number;
}

/** The VM that a domain is a copy of. */
function vmOf(domain: SimDomain): string {
  return domain.name.replace(/--incoming$/, '');
}

function same(a: SimDomain, b: SimDomain): boolean {
  return a.node === b.node && a.domid === b.domid && a.pid === b.pid;
}

/** Running domains by VM, where more than one node runs it. */
function doubles(running: readonly SimDomain[]): Map<string, SimDomain[]> {
  const byVm = new Map<string, SimDomain[]>();
  for (const domain of running) {
    byVm.set(vmOf(domain), [...(byVm.get(vmOf(domain)) ?? []), domain]);
  }
  return new Map([...byVm].filter(([, copies]) => new Set(copies.map((c) => c.node)).size > 1));
}

/**
 * One look. The nodes are read one after another, so a copy that ended just before the other began would look like two:
 * what is reported ran when all had been read once, and when they were read again.
 */
export function look(lab: string): Sighting[] {
  const read = (): SimDomain[] =>
    labNodes(lab).flatMap((node) => domainsOf(node, lab).filter((domain) => domain.running));
  const first = doubles(read());
  if (first.size === 0) return [];
  const again = read();
  const still = [...first.values()].flat().filter((one) => again.some((two) => same(one, two)));
  return [...doubles(still)].map(([vm, copies]) => ({
    at: new Date().toISOString(),
    vm,
    copies: copies.map(({ node, domid, name }) => ({ node, domid, name })),
  }));
}

/** The watcher's own process: sightings as JSON lines to `out`, its counts to `out`.summary, until SIGTERM. */
export function watchLoop(out: string): void {
  const lab = labDir();
  const parent = process.ppid;
  const summary = { looks: 0, longest_gap_ms: 0, blind_gaps: 0 };
  let last_ms = performance.now();
  const timer = setInterval(() => {
    const gap_ms = performance.now() - last_ms;
    last_ms = performance.now();
    summary.looks++;
    summary.longest_gap_ms = Math.max(summary.longest_gap_ms, Math.round(gap_ms));
    if (gap_ms > BLIND_MS) summary.blind_gaps++;
    for (const sighting of look(lab)) appendFileSync(out, `${JSON.stringify(sighting)}\n`);
    if (process.ppid !== parent) clearInterval(timer);
  }, LOOK_EVERY_MS);
  process.on('SIGTERM', () => {
    clearInterval(timer);
    writeFileSync(`${out}.summary`, JSON.stringify(summary));
  });
  writeFileSync(out, '');
  process.stdout.write('watching\n');
}

/** Starts and reads a watcher. */
export class Watcher {
  private readonly child: ChildProcess;
  private readonly dir: string;
  private readonly out: string;

  private constructor(child: ChildProcess, dir: string) {
    this.child = child;
    this.dir = dir;
    this.out = join(dir, 'sightings');
  }

  /** Resolves when it is looking. */
  static async start(lab = labDir()): Promise<Watcher> {
    const dir = mkdtempSync(join(tmpdir(), 'remus-watch-'));
    const main = fileURLToPath(new URL('watcher-main.js', import.meta.url));
    const child = spawn(process.execPath, [main, join(dir, 'sightings')], {
      env: { ...process.env, REMUS_LAB: lab },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', () => reject(new Error('the two-copies watcher did not start')));
    });
    return new Watcher(child, dir);
  }

  /** What has been seen so far. */
  sightings(): Sighting[] {
    const lines = readFileSync(this.out, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => sightingSchema.parse(JSON.parse(line)));
  }

  /** Ends it, and tells all. */
  async stop(): Promise<WatchReport> {
    const ended = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    if (this.child.exitCode === null && this.child.signalCode === null) await ended;
    clearTimeout(timer);
    const summary = summarySchema.parse(JSON.parse(readFileSync(`${this.out}.summary`, 'utf8')));
    const report = { sightings: this.sightings(), ...summary };
    rmSync(this.dir, { recursive: true, force: true });
    return report;
  }
}
