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
  /** Wait until what was logged is written, at most so long. */
  flush(timeout_ms: number): Promise<void>;
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

/** A logger that writes to a descriptor. */
export function createLog(options: LogOptions = {}): LogDestination {
  const { level = 'info', fd = 1, journal = false, max_bytes = 1 << 20 } = options;
  const sink = pino.destination({ dest: fd, sync: false, maxLength: max_bytes });
  let dropped = 0;
  let reported = 0;
  sink.on('drop', () => (dropped += 1));
  // The reader has gone (EPIPE): there is nobody to tell.
  sink.on('error', () => (dropped += 1));
  const stream = {
    // pino tells a stream with this mark the level of each line.
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 30,
    write(line: string): void {
      sink.write(journal ? `<${SYSLOG.get(this.lastLevel) ?? 6}>${line}` : line);
    },
  };
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: describeError },
      formatters: { level: (label) => ({ level: label }), log: cutAll },
    },
    stream,
  );
  sink.on('drain', () => {
    if (dropped === reported) return;
    reported = dropped;
    logger.warn({ dropped }, 'log lines were lost: nobody read them in time');
  });
  const plain = new PinoLogger(logger);
  return Object.assign(plain, {
    get dropped() {
      return dropped;
    },
    flush: (timeout_ms: number) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeout_ms);
        sink.flush(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  });
}

/** A logger that says nothing, for tests and tools. */
export const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLog,
};
