/** What can be wrong with a migration stream. */
export type DecodeErrorCode =
  | 'bad-magic'
  | 'bad-version'
  | 'bad-flags'
  | 'bad-config'
  | 'bad-length'
  | 'too-long'
  | 'bad-value'
  | 'unknown-record'
  | 'out-of-order'
  | 'after-end';

/** The one error of the decoder. `offset` is the position in the stream, in bytes, of what is wrong. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly code: DecodeErrorCode;
  readonly offset: number;
  /** A sentence for people. */
  readonly detail: string;

  constructor(code: DecodeErrorCode, offset: number, detail: string) {
    super(`migration stream, byte ${offset}: ${detail}`);
    this.code = code;
    this.offset = offset;
    this.detail = detail;
  }
}
