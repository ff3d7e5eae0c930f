/**
 * Entries of our own in systemd's journal. Its protocol is over datagram sockets, which Node.js does not have, and what comes
 * over stdout has no fields: so an entry goes through util-linux's `logger --journald`. For a few lines an hour.
 */
import type { Exec } from '../ports.js';
import { oneLine, printable } from './errors.js';

const LOGGER_MS = 5_000;
const WAITING_MAX = 64;

export type JournalFields = Readonly<Record<string, string>>;

export interface JournalOptions {
  readonly exec: Exec;
  /** Whose entries they are: `journalctl -u` finds them by it. */
  readonly pid?: number;
}

export class Journal {
  readonly #exec: Exec;
  readonly #pid: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ exec, pid = process.pid }: JournalOptions) {
    this.#exec = exec;
    this.#pid = pid;
  }

  /** One after the other, in order. Rejects when it was not written, with the reason. */
  async put(fields: JournalFields): Promise<void> {
    if (this.#waiting >= WAITING_MAX) throw new Error('too many entries wait to be written');
    this.#waiting += 1;
    const written = this.#last.then(() => this.#write(fields));
    this.#last = written.catch(() => undefined);
    try {
      await written;
    } finally {
      this.#waiting -= 1;
    }
  }

  async #write(fields: JournalFields): Promise<void> {
    // OBJECT_PID has journald add that this is of our unit: logger has ended before it can be looked at.
    const all = { ...fields, SYSLOG_IDENTIFIER: 'remusd', OBJECT_PID: String(this.#pid) };
    const result = await this.#exec.run(['logger', '--journald'], {
      timeout_ms: LOGGER_MS,
      stdin: formatEntry(all),
    });
    if (result.code !== 0)
      throw new Error(result.spawn_error ?? (oneLine(result.stderr, 200) || 'logger failed'));
  }
}

/** NAME=VALUE, one a line. Exported for tests. */
export function formatEntry(fields: JournalFields): string {
  const lines = Object.entries(fields).filter(([, value]) => value !== '');
  return lines.map(([name, value]) => `${name}=${printable(value)}\n`).join('');
}
