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

/** The sentence of any thrown thing. */
export function sentenceOf(error: unknown): string {
  if (error instanceof AdapterError) return error.sentence;
  return oneLine(error instanceof Error ? error.message : String(error));
}

/** The errno name (ENOENT, ...) of a thrown thing, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
