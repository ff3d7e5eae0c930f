/**
 * What the daemon keeps in files: a registration per VM (survives a restart of the daemon, not a reboot of the
 * node), and a bounded history per VM (survives both).
 */
import { appendFile, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { AdapterError, errnoOf, reasonOf, sentenceOf } from './errors.js';
import { privateDirectory, syncDirectory, writeFileAtomic } from './files.js';

export type StoreErrorCode = 'name' | 'io' | 'too-large';
export class StoreError extends AdapterError<StoreErrorCode> {}

const MAX_REGISTRATION_BYTES = 64 * 1024;
const MAX_ENTRY_BYTES = 8 * 1024;
const DEFAULT_HISTORY_BYTES = 512 * 1024;
const SUFFIX = '.json';

/** Resource ids become file names. */
function checkedName(resource: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_.-]{0,199}$/.test(resource)) return resource;
  const sentence = `"${resource}" cannot be a resource's name`;
  throw new StoreError('name', 'impossible resource name', sentence, { resource });
}

function ioError(what: string, path: string, error: unknown): StoreError {
  const sentence = `${path} ${what}: ${reasonOf(error)}; check the space and the mode of its directory`;
  return new StoreError('io', 'file operation failed', sentence, { path, errno: errnoOf(error) });
}

/** A file that could not be understood; it has been set aside. */
export interface DamagedFile {
  readonly path: string;
  readonly why: string;
}

/** The registrations: one JSON file a VM in `$REMUS_RUNDIR/vms`. */
export class Registrations<T> {
  readonly #dir: string;
  readonly #schema: z.ZodType<T>;

  constructor(run_dir: string, schema: z.ZodType<T>) {
    this.#dir = join(run_dir, 'vms');
    this.#schema = schema;
  }

  #path(resource: string): string {
    return join(this.#dir, checkedName(resource) + SUFFIX);
  }

  /** Atomically and durably. Rejects with `StoreError`. */
  async put(resource: string, registration: T): Promise<void> {
    const path = this.#path(resource);
    const text = `${JSON.stringify(registration)}\n`;
    if (Buffer.byteLength(text) > MAX_REGISTRATION_BYTES) {
      const sentence = `the registration of ${resource} is too large`;
      throw new StoreError('too-large', 'registration is too large', sentence, { resource });
    }
    try {
      await privateDirectory(this.#dir);
      await writeFileAtomic(path, text);
    } catch (error) {
      throw ioError('cannot be written', path, error);
    }
  }

  /** Whether it is there, by a look at the disk: somebody else may have removed it. */
  has(resource: string): boolean {
    return existsSync(this.#path(resource));
  }

  /** Not an error when there is none. */
  async remove(resource: string): Promise<void> {
    const path = this.#path(resource);
    try {
      await rm(path, { force: true });
      await syncDirectory(this.#dir);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw ioError('cannot be removed', path, error);
    }
  }

  /** All of them. A damaged one is set aside as NAME.json.damaged and reported; it does not hide the others. */
  async all(): Promise<{
    readonly found: ReadonlyMap<string, T>;
    readonly damaged: readonly DamagedFile[];
  }> {
    const found = new Map<string, T>();
    const damaged: DamagedFile[] = [];
    for (const file of await this.#files()) {
      const resource = file.slice(0, -SUFFIX.length);
      const path = join(this.#dir, file);
      try {
        found.set(resource, await this.#read(path));
      } catch (error) {
        damaged.push({ path, why: sentenceOf(error) });
        await rename(path, `${path}.damaged`).catch(() => undefined);
      }
    }
    return { found, damaged };
  }

  async #files(): Promise<string[]> {
    try {
      return (await readdir(this.#dir)).filter((file) => /^[^.].*\.json$/.test(file)).sort();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw ioError('cannot be listed', this.#dir, error);
    }
  }

  async #read(path: string): Promise<T> {
    const { size } = await stat(path);
    if (size > MAX_REGISTRATION_BYTES) throw new Error('too large');
    const parsed = this.#schema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new Error(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
}

/** What happened to a VM: JSON lines in `$REMUS_STATEDIR/history/NAME.jsonl`, at most twice `max_bytes` on disk. */
export class History {
  readonly #dir: string;
  readonly #max_bytes: number;
  /** Appends run one after another, so that a rotation cannot meet one. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(state_dir: string, max_bytes = DEFAULT_HISTORY_BYTES) {
    this.#dir = join(state_dir, 'history');
    this.#max_bytes = max_bytes;
  }

  #path(resource: string): string {
    return join(this.#dir, `${checkedName(resource)}.jsonl`);
  }

  /** Add an entry. Rejects with `StoreError`; then nothing else is affected. */
  append(resource: string, entry: Readonly<Record<string, unknown>>): Promise<void> {
    const done = this.#last.then(() => this.#append(resource, entry));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #append(resource: string, entry: Readonly<Record<string, unknown>>): Promise<void> {
    const path = this.#path(resource);
    const line = `${JSON.stringify(entry)}\n`;
    if (Buffer.byteLength(line) > MAX_ENTRY_BYTES) {
      const sentence = `an entry of the history of ${resource} is too large`;
      throw new StoreError('too-large', 'history entry is too large', sentence, { resource });
    }
    try {
      await privateDirectory(this.#dir);
      await this.#rotate(path);
      await appendFile(path, line, { mode: 0o600, flush: true });
    } catch (error) {
      throw ioError('cannot be written', path, error);
    }
  }

  async #rotate(path: string): Promise<void> {
    try {
      if ((await stat(path)).size >= this.#max_bytes) await rename(path, `${path}.1`);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  /** The newest `count` entries, oldest first. Lines that are no JSON objects (a power cut's) are left out. */
  async newest(resource: string, count: number): Promise<Record<string, unknown>[]> {
    const path = this.#path(resource);
    const texts = [await this.#tail(`${path}.1`), await this.#tail(path)];
    return texts.join('').split('\n').flatMap(asObject).slice(-count);
  }

  async #tail(path: string): Promise<string> {
    try {
      const file = await open(path, 'r');
      try {
        return await file.readFile('utf8');
      } finally {
        await file.close();
      }
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return '';
      throw ioError('cannot be read', path, error);
    }
  }
}

function asObject(line: string): Record<string, unknown>[] {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? [value as Record<string, unknown>] : [];
  } catch {
    return [];
  }
}
