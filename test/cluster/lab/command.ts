/**
 * The lab's command line, called with deadlines.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What became of a command in a node. */
export interface LabResult {
  readonly argv: readonly string[];
  /** Exit code; null when it was killed (a power cut kills what runs in the node). */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timed_out: boolean;
  readonly duration_ms: number;
}

const MAX_OUTPUT = 8 * 1024 * 1024;

/** The clone's root directory: the nearest one upwards with the lab's script in it. */
export function cloneDir(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) {
    if (dir === dirname(dir)) throw new Error('no package.json above the lab');
    dir = dirname(dir);
  }
  return dir;
}

/** The path of the lab's script. */
export function labCommand(): string {
  return join(cloneDir(), 'test', 'cluster', 'lab', 'lab');
}

interface Collected {
  text: string;
}

function collect(stream: NodeJS.ReadableStream): Collected {
  const collected = { text: '' };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    if (collected.text.length < MAX_OUTPUT) collected.text += chunk;
  });
  return collected;
}

/** What runs in a node is a grandchild: the whole group has to go. */
function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // it has just ended
  }
}

/** How a lab's script is called. */
export interface RunOptions {
  readonly timeout_ms: number;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Hears what it says on stderr while it runs: progress. */
  readonly tell?: (text: string) => void;
}

/** Runs the lab's script; at the deadline it is killed. */
export function runLab(argv: readonly string[], options: RunOptions): Promise<LabResult> {
  return runScript(labCommand(), argv, options);
}

/** Runs a script; at the deadline it is killed with all that it has started. */
export function runScript(
  script: string,
  argv: readonly string[],
  options: RunOptions,
): Promise<LabResult> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(script, argv, {
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    if (options.tell !== undefined) child.stderr.on('data', options.tell);
    let timed_out = false;
    const timer = setTimeout(() => {
      timed_out = true;
      killGroup(child.pid);
      child.stdout.destroy(); // what is left in the node may hold these for ever
      child.stderr.destroy();
    }, options.timeout_ms);
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin ?? '');
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      const duration_ms = Math.round(performance.now() - began);
      resolve({ argv, code, stdout: stdout.text, stderr: stderr.text, timed_out, duration_ms });
    });
  });
}
