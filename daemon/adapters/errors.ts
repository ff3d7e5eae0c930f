import { getSystemErrorMap } from 'node:util';

/** What every adapter's error carries: a code for programs, a constant message for logs, a sentence for people. */
export class AdapterError<Code extends string = string> extends Error {
  readonly code: Code;
  /** The variables that belong to the constant message. */
  readonly detail: Readonly<Record<string, unknown>>;
  /** One line for people: what is wrong, and what to type or look at next. */
  readonly sentence: string;

  constructor(
    code: Code,
    message: string,
    sentence: string,
    detail: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.sentence = oneLine(sentence);
    this.detail = detail;
  }
}

/** A text without control characters, which could forge a second line in a reply or drive a terminal: blanks in their place. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}

/** A text as one printable line of at most `max` characters, for reasons and log lines. */
export function oneLine(text: string, max = 600): string {
  const flat = printable(text).trim();
  return flat.length <= max ? flat : `${flat.slice(0, max - 3)}...`;
}

/** `instanceof` with a usable type for the code. */
export function isAdapterError(error: unknown): error is AdapterError {
  return error instanceof AdapterError;
}

/** The sentence of any thrown thing; of a system call that failed: what the system says, and of which file. */
export function sentenceOf(error: unknown): string {
  const words = systemWords(error);
  return words === null ? reasonOf(error) : oneLine(`${words}${placeOf(error)}`);
}

/** As `sentenceOf`, for who names the file or the address himself. */
export function reasonOf(error: unknown): string {
  if (error instanceof AdapterError) return error.sentence;
  return systemWords(error) ?? oneLine(error instanceof Error ? error.message : String(error));
}

/** `permission denied`, where Node.js says `EACCES: permission denied, open '/etc/xen/vm1.cfg'`; null: no system call failed. */
function systemWords(error: unknown): string | null {
  if (!(error instanceof Error) || !('errno' in error) || !('syscall' in error)) return null;
  // What OpenSSL says stands behind this one, and only in the message.
  if (errnoOf(error) === 'EPROTO') return null;
  const { errno } = error;
  const words = typeof errno === 'number' ? getSystemErrorMap().get(errno)?.[1] : undefined;
  return words ?? null;
}

/** ` (open /etc/xen/vm1.cfg)`, ` (connect 10.0.0.2:7900)`, or nothing. */
function placeOf(error: unknown): string {
  const fields: Readonly<Record<string, unknown>> =
    error instanceof Error ? Object.fromEntries(Object.entries(error)) : {};
  const { path, address, port, syscall } = fields;
  const host = typeof port === 'number' ? `${String(address)}:${port}` : address;
  const where = path ?? host;
  return typeof where === 'string' ? ` (${String(syscall)} ${where})` : '';
}

/** What an errno name (ENOENT, ...) means, in words. */
export function errnoWords(name: string): string {
  const found = [...getSystemErrorMap().values()].find(([code]) => code === name);
  return found?.[1] ?? name;
}

/** The errno name (ENOENT, ...) of a thrown thing, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
