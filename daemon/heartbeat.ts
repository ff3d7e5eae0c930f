/**
 * Feeds the watchdog, for as long as this daemon can do its work. Every now and then all parts are looked at
 * the way their users would find them: the control socket is asked over the socket, each VM's machine has to
 * complete a turn, no work may be stuck past its deadline, and no line to a data process may be lost. Only when
 * nothing is wrong there is a beat. A daemon without beats is killed and started anew by systemd, which disturbs
 * no VM and cures what a daemon can be cured of: the new one starts from what is really there.
 */
import { sentenceOf } from './adapters/errors.js';
import type { Logger } from './adapters/log.js';
import type { Clock } from './ports.js';

/** Looks at one part. @returns what is wrong, as sentences. A rejection is one, too. */
export type Look = () => readonly string[] | Promise<readonly string[]>;

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** What systemd waits for; null without a watchdog: then only the log tells. */
  readonly watchdog_ms: number | null;
  readonly beat: () => void;
}

/** Without a watchdog. */
const DEFAULT_WATCHDOG_MS = 30_000;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #looks = new Map<string, Look>();
  /** Between two rounds, and for the looks of one round: two thirds of the watchdog's time are never exceeded. */
  readonly #pause_ms: number;
  #said = '';
  #timer: { cancel(): void } | null = null;
  #closed = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#pause_ms = (options.watchdog_ms ?? DEFAULT_WATCHDOG_MS) / 6;
  }

  /** Parts come one after another while the daemon starts. */
  add(part: string, look: Look): void {
    this.#looks.set(part, look);
  }

  start(): void {
    void this.#round().finally(() => {
      if (!this.#closed)
        this.#timer = this.#options.clock.after(this.#pause_ms, () => this.start());
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    const found = await Promise.all([...this.#looks].map(([part, look]) => this.#look(part, look)));
    if (this.#closed) return;
    const wrong = found.flat();
    if (wrong.length === 0) this.#options.beat();
    this.#tell(wrong);
  }

  /** Never rejects, and takes a bounded time. */
  #look(part: string, look: Look): Promise<readonly string[]> {
    return new Promise((resolve) => {
      const late = this.#options.clock.after(this.#pause_ms, () =>
        resolve([`${part}: no answer within ${Math.round(this.#pause_ms)} ms`]),
      );
      const settle = (wrong: readonly string[]): void => {
        late.cancel();
        resolve(wrong.map((sentence) => `${part}: ${sentence}`));
      };
      Promise.resolve()
        .then(look)
        .then(settle, (error: unknown) => settle([sentenceOf(error)]));
    });
  }

  /** Once for each trouble, not for each round. */
  #tell(wrong: readonly string[]): void {
    const { log, watchdog_ms } = this.#options;
    const text = wrong.join('; ');
    if (text === this.#said) return;
    if (text === '') log.info('the daemon is well again');
    else
      log.error('the daemon is not well; without a change systemd starts it anew', {
        wrong: text,
        watchdog_ms,
      });
    this.#said = text;
  }
}
