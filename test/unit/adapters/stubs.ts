/** Stub programs: small sh scripts in a directory that the program under test finds first in its PATH. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createExec } from '../../../daemon/adapters/exec.js';
import type { Exec } from '../../../daemon/ports.js';

export class Stubs {
  /** For files of the test. */
  readonly dir = mkdtempSync(join(tmpdir(), 'remus-stubs-'));
  readonly bin = join(this.dir, 'bin');
  /** Runs programs with the stubs first in PATH; or, with `alone`, nothing but the stubs. */
  readonly exec: Exec;

  constructor(options: { readonly alone?: boolean } = {}) {
    mkdirSync(this.bin);
    const rest = options.alone === true ? '' : `:${process.env['PATH'] ?? ''}`;
    const real = createExec();
    this.exec = {
      ...real,
      run: (argv, o) => real.run(argv, { ...o, env: { ...o.env, PATH: this.bin + rest } }),
    };
  }

  /** A program; `script` is sh, `$*` its arguments. Every call is noted. */
  program(name: string, script: string): void {
    const note = `printf '%s\\n' "${name} $*" >> ${join(this.dir, 'calls')}`;
    writeFileSync(join(this.bin, name), `#!/bin/sh\n${note}\n${script}\n`);
    chmodSync(join(this.bin, name), 0o755);
  }

  /** A program that prints a text and ends with a code. */
  prints(name: string, text: string, code = 0, stderr = ''): void {
    const out = join(this.dir, `${name}.out`);
    const err = join(this.dir, `${name}.err`);
    writeFileSync(out, text);
    writeFileSync(err, stderr);
    this.program(name, `cat ${out}; cat ${err} >&2; exit ${code}`);
  }

  /** The command lines so far, and forget them. */
  calls(): string[] {
    const path = join(this.dir, 'calls');
    try {
      return readFileSync(path, 'utf8').trimEnd().split('\n');
    } catch {
      return [];
    } finally {
      rmSync(path, { force: true });
    }
  }

  /** Write a file beside the stubs; gives its path. */
  file(name: string, text: string): string {
    const path = join(this.dir, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
