/**
 * The log: one JSON object a line on stdout, a constant message and the variables beside it. Writing is
 * asynchronous and bounded: a reader that stalls costs log lines (which are counted), never the daemon's time.
 */
import { pino } from 'pino';
import type { Logger as Pino } from 'pino';
import { isAdapterError } from './errors.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** A constant message, the variables beside it. An error goes under the key `error`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each line. */
  with(fields: LogFields): Logger;
}

export interface LogDestination extends Logger {
  /** Lines lost because nobody read them. */
  readonly dropped: number;
  /**
   * Wait until what was logged is written, at most so long. False: the reader stalls, and process.exit would
   * wait for it, too; then only a signal (SIGKILL to ourselves) ends the process.
   */
  flush(timeout_ms: number): Promise<boolean>;
}

export interface LogOptions {
  readonly level?: LogLevel;
  /** Descriptor to write to; default stdout. */
  readonly fd?: number;
  /** Put syslog's `<N>` before each line, as the journal understands it. */
  readonly journal?: boolean;
  /** Bound on what waits to be written; default 1 MiB. */
  readonly max_bytes?: number;
}

const MAX_STRING = 4096;
/** pino's levels to syslog's. */
const SYSLOG: ReadonlyMap<number, number> = new Map([
  [20, 7],
  [30, 6],
  [40, 4],
  [50, 3],
  [60, 2],
]);

function cut(value: unknown): unknown {
  return typeof value === 'string' && value.length > MAX_STRING
    ? `${value.slice(0, MAX_STRING)}...`
    : value;
}

function cutAll(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, cut(value)]));
}

function describeError(error: unknown): unknown {
  if (isAdapterError(error)) {
    const { name, code, message, sentence, detail } = error;
    return { name, code, message, sentence, ...cutAll(detail) };
  }
  if (!(error instanceof Error)) return cut(error);
  const { name, message, stack } = error;
  return { name, message, stack: cut(stack) };
}

class PinoLogger implements Logger {
  readonly #pino: Pino;
  constructor(logger: Pino) {
    this.#pino = logger;
  }
  debug(message: string, fields: LogFields = {}): void {
    this.#pino.debug(fields, message);
  }
  info(message: string, fields: LogFields = {}): void {
    this.#pino.info(fields, message);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.#pino.warn(fields, message);
  }
  error(message: string, fields: LogFields = {}): void {
    this.#pino.error(fields, message);
  }
  with(fields: LogFields): Logger {
    return new PinoLogger(this.#pino.child(fields));
  }
}

/** Whether our stdout is the journal. */
export function underJournal(env: Readonly<Record<string, string | undefined>>): boolean {
  return env['JOURNAL_STREAM'] !== undefined;
}

/** pino tells a stream with this mark the level of each line. */
const METADATA = Symbol.for('pino.metadata');

/** The bounded queue before the descriptor, and what was lost in front of it. */
class Sink {
  readonly [METADATA] = true;
  lastLevel = 30;
  dropped = 0;
  readonly #journal: boolean;
  readonly #boom: ReturnType<typeof pino.destination>;
  #waiting = 0;

  constructor(fd: number, journal: boolean, max_bytes: number) {
    this.#journal = journal;
    this.#boom = pino.destination({ dest: fd, sync: false, maxLength: max_bytes });
    this.#boom.on('drop', (line: string) => {
      this.dropped += 1;
      this.#waiting -= Buffer.byteLength(line);
    });
    this.#boom.on('write', (bytes: number) => (this.#waiting -= bytes));
    // The reader has gone (EPIPE): there is nobody to tell.
    this.#boom.on('error', () => (this.dropped += 1));
  }

  write(line: string): void {
    const text = this.#journal ? `<${SYSLOG.get(this.lastLevel) ?? 6}>${line}` : line;
    this.#waiting += Buffer.byteLength(text);
    this.#boom.write(text);
  }

  onDrain(fn: () => void): void {
    this.#boom.on('drain', fn);
  }

  async flush(timeout_ms: number): Promise<boolean> {
    const end = performance.now() + timeout_ms;
    while (this.#waiting > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.#waiting <= 0;
  }
}

class SinkLogger extends PinoLogger implements LogDestination {
  readonly #sink: Sink;
  constructor(logger: Pino, sink: Sink) {
    super(logger);
    this.#sink = sink;
  }
  get dropped(): number {
    return this.#sink.dropped;
  }
  flush(timeout_ms: number): Promise<boolean> {
    return this.#sink.flush(timeout_ms);
  }
}

/** A logger that writes to a descriptor. */
export function createLog(options: LogOptions = {}): LogDestination {
  const { level = 'info', fd = 1, journal = false, max_bytes = 1 << 20 } = options;
  const sink = new Sink(fd, journal, max_bytes);
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: describeError },
      formatters: { level: (label) => ({ level: label }), log: cutAll },
    },
    sink,
  );
  let reported = 0;
  sink.onDrain(() => {
    if (sink.dropped === reported) return;
    reported = sink.dropped;
    logger.warn({ dropped: reported }, 'log lines were lost: nobody read them in time');
  });
  return new SinkLogger(logger, sink);
}

/** A logger that says nothing, for tests and tools. */
export const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLog,
};
