/**
 * Shows the metrics where the options say, or nowhere. Whatever goes wrong here is told in the log once and tried
 * again; nothing of the daemon's work waits for it.
 */
import { sentenceOf } from '../adapters/errors.js';
import type { Logger } from '../adapters/log.js';
import type { Where } from '../listen.js';
import type { Clock } from '../ports.js';
import type { Facts } from './facts.js';
import { listenHttp, type MetricsListener, type Page } from './listener.js';
import { removeTextfile, writeTextfile } from './textfile.js';

/** As often as node_exporter is scraped in most places. */
const WRITE_MS = 15_000;
const RETRY_MS = 10_000;

export interface MetricsOptions {
  /** Of the file for node_exporter; null: none. */
  readonly textfile: string | null;
  /** null: nobody listens. */
  readonly listen: Where | null;
}

export interface MetricsParts extends MetricsOptions {
  readonly facts: () => Promise<Facts>;
  readonly log: Logger;
  readonly clock: Clock;
}

export class Metrics {
  readonly #parts: MetricsParts;
  #listener: MetricsListener | null = null;
  #closed = false;
  #timers = new Map<string, { cancel(): void }>();
  #said = new Map<string, string>();

  constructor(parts: MetricsParts) {
    this.#parts = parts;
  }

  start(): void {
    const { textfile, listen } = this.#parts;
    if (textfile !== null) void this.#again('textfile', WRITE_MS, () => this.#write(textfile));
    if (listen !== null) void this.#again('listener', null, () => this.#listen(listen));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) timer.cancel();
    await this.#listener?.close();
    if (this.#parts.textfile !== null)
      await removeTextfile(this.#parts.textfile).catch(() => undefined);
  }

  /** @param every_ms null: once it has worked, it is done. */
  async #again(what: string, every_ms: number | null, work: () => Promise<void>): Promise<void> {
    const { log, clock } = this.#parts;
    let next_ms = every_ms;
    try {
      await work();
      this.#said.delete(what);
    } catch (error) {
      const why = sentenceOf(error);
      if (this.#said.get(what) !== why)
        log.warn('the metrics cannot be shown; trying again', { as: what, why });
      this.#said.set(what, why);
      next_ms = every_ms ?? RETRY_MS;
    }
    if (next_ms === null || this.#closed) return;
    this.#timers.set(
      what,
      clock.after(next_ms, () => void this.#again(what, every_ms, work)),
    );
  }

  async #write(path: string): Promise<void> {
    const { text } = await this.#page();
    if (!this.#closed) await writeTextfile(path, text);
  }

  async #listen(where: Where): Promise<void> {
    const listener = await listenHttp(where, () => this.#page());
    if (this.#closed) await listener.close();
    else this.#listener = listener;
    this.#parts.log.info('metrics', { at: `http://${where.address}:${listener.port}/metrics` });
  }

  /** prom-client takes a while to load: a daemon without metrics does without. */
  async #page(): Promise<Page> {
    const [{ CONTENT_TYPE, exposition }, facts] = await Promise.all([
      import('./exposition.js'),
      this.#parts.facts(),
    ]);
    return { type: CONTENT_TYPE, text: await exposition(facts) };
  }
}
