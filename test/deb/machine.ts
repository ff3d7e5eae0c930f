/** A booted Debian of its own, by the script `machine` beside this file. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const script = resolve('test/deb/machine');

export interface Result {
  readonly code: number | null;
  /** stdout and stderr. */
  readonly said: string;
}

async function run(argv: readonly string[]): Promise<Result> {
  const child = spawn(script, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}

export class Machine {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
    // The last resort, when a test run is interrupted.
    process.once('exit', this.#fell);
  }

  static async boot(suite: string): Promise<Machine> {
    // A tree of half a gigabyte: not in a /tmp that may be memory.
    const machine = new Machine(mkdtempSync('/var/tmp/remus-deb-'));
    const { code, said } = await run(['up', suite, machine.#dir]);
    if (code !== 0) throw new Error(said);
    return machine;
  }

  readonly #fell = (): void => {
    if (existsSync(join(this.#dir, 'pid'))) spawnSync(script, ['down', this.#dir]);
    rmSync(this.#dir, { recursive: true, force: true });
  };

  off(): void {
    process.off('exit', this.#fell);
    this.#fell();
  }

  exec(...argv: readonly string[]): Promise<Result> {
    return run(['exec', this.#dir, ...argv]);
  }

  /** A line of shell that must succeed. @returns what it said, without the last newline */
  async sh(line: string): Promise<string> {
    const { code, said } = await this.exec('sh', '-c', line);
    if (code !== 0) throw new Error(`${line}: exit code ${String(code)}: ${said}`);
    return said.trimEnd();
  }

  async until(what: string, good: () => Promise<boolean>, timeout_ms = 90_000): Promise<void> {
    const end = performance.now() + timeout_ms;
    while (!(await good())) {
      if (performance.now() > end) throw new Error(`not within ${timeout_ms} ms: ${what}`);
      await new Promise((done) => setTimeout(done, 500));
    }
  }

  /** Into /root. @returns its path there */
  bring(file: string, name: string): string {
    cpSync(file, join(this.#dir, 'root/root', name));
    return `/root/${name}`;
  }

  exists(path: string): boolean {
    return existsSync(join(this.#dir, 'root', path));
  }

  read(path: string): string {
    return readFileSync(join(this.#dir, 'root', path), 'utf8');
  }
}
