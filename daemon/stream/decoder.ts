import { checkBodyHead, checkLength, headBytes } from './bodies.js';
import { DecodeError } from './decode-error.js';
import {
  checkLibxlHeader,
  parseConfig,
  parseLibxcHeaders,
  parseXlHeader,
  type DomainConfig,
  type ImageInfo,
} from './headers.js';
import { RecordOrder } from './order.js';
import {
  LIBXC,
  LIBXC_HEADERS_BYTES,
  LIBXC_RECORDS,
  LIBXL,
  LIBXL_HEADER_BYTES,
  LIBXL_RECORDS,
  OPTIONAL_BIT,
  PAGE_BYTES,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  XL_HEADER_BYTES,
  padded,
  pageClass,
  type Layer,
} from './records.js';

/** One record, reported when its last byte (padding included) has been seen. */
export interface RecordEvent {
  readonly type: 'record';
  readonly layer: Layer;
  readonly code: number;
  readonly name: string;
  /** Where its header begins in the stream, in bytes. */
  readonly offset: number;
  /** Where the next record begins. */
  readonly end: number;
  /** Length of the body without padding. */
  readonly length: number;
  /** PAGE_DATA: entries in its list, and how many of them carry a page. */
  readonly pages: number;
  readonly data_pages: number;
}

export interface CheckpointEnd {
  readonly type: 'checkpoint-end';
  /** 1 is the first copy. */
  readonly number: number;
  /** Where the next checkpoint begins in the stream. */
  readonly end: number;
  /** From its first byte to its last. */
  readonly bytes: number;
  readonly pages: number;
  readonly data_pages: number;
}

export type DecodeEvent =
  | { readonly type: 'header'; readonly config: DomainConfig; readonly end: number }
  | { readonly type: 'image'; readonly image: ImageInfo; readonly end: number }
  | { readonly type: 'checkpoint-begin'; readonly number: number; readonly offset: number }
  | RecordEvent
  | CheckpointEnd
  | { readonly type: 'end'; readonly end: number };

/** Where the contents of a PAGE_DATA record's pages lie, one after another from `at` on, and which pages they are. */
export interface PageRun {
  readonly at: number;
  readonly pfns: readonly number[];
}

export interface DecoderOptions {
  /** Told when the list of a PAGE_DATA record has been seen, before its pages. Longer lists than any xl's are left out. */
  readonly onPages?: (run: PageRun) => void;
}

/** xl writes 1024; what is kept of a list is 8 bytes an entry. */
const LISTED_PAGES_MAX = 32_768;

interface CurrentRecord {
  readonly layer: Layer;
  readonly code: number;
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  readonly end: number;
  pages: number;
  data_pages: number;
}

/**
 * Push-based decoder of the stream that `xl remus` writes. Give it bytes in pieces of any size; it says what
 * they are, and keeps nothing of them but headers (at most 1 MiB, the domain's configuration): page data is
 * only counted past. Anything that the specification does not allow is a DecodeError, and the decoder stays
 * in that error.
 */
export class StreamDecoder {
  readonly #order = new RecordOrder();
  readonly #events: DecodeEvent[] = [];
  #offset = 0;
  #failed: DecodeError | null = null;

  // What the next bytes are: `#left` more bytes to collect, to scan (a list of PFNs) or to skip.
  #mode: 'collect' | 'pfns' | 'skip' = 'collect';
  #left = XL_HEADER_BYTES;
  #parts: Buffer[] = [];
  #next: (collected: Buffer) => void = (header) => this.#xlHeader(header);

  #record: CurrentRecord | null = null;
  #pv_width = 8;

  readonly #onPages: ((run: PageRun) => void) | null;
  /** The list of the PAGE_DATA record that is being read, when somebody wants it. */
  #list: Buffer | null = null;

  #checkpoint = 1;
  #checkpoint_offset = 0;
  #checkpoint_begun = false;
  #pages = 0;
  #data_pages = 0;

  constructor({ onPages }: DecoderOptions = {}) {
    this.#onPages = onPages ?? null;
  }

  /** Bytes seen. */
  get offset(): number {
    return this.#offset;
  }

  /** Number of the last complete checkpoint, 0 before the first. */
  get completed(): number {
    return this.#checkpoint - 1;
  }

  /** No byte of a next checkpoint has been seen: the last byte, if any, ended one. */
  get at_boundary(): boolean {
    return !this.#checkpoint_begun;
  }

  /**
   * How many bytes there are, at least, before the end of the checkpoint: the rest of the record or header it is in, and the
   * next record's header where one must follow. A reader that takes no more at a time never reads across the end.
   */
  get wants(): number {
    const record = this.#record;
    if (record === null) return Math.max(1, this.#left);
    const rest = record.end - this.#offset;
    // A list of pages is never a checkpoint's last record.
    const pages = record.layer === 'libxc' && record.code === LIBXC.PAGE_DATA;
    return pages ? rest + RECORD_HEADER_BYTES : rest;
  }

  /** Takes the next bytes; throws DecodeError. */
  push(chunk: Buffer): DecodeEvent[] {
    if (this.#failed !== null) throw this.#failed;
    try {
      this.#scan(chunk);
    } catch (error) {
      if (error instanceof DecodeError) this.#failed = error;
      throw error;
    }
    return this.#events.splice(0);
  }

  #scan(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#order.place === 'done') throw this.#error('after-end', 'bytes after the end');
      if (!this.#checkpoint_begun) this.#beginCheckpoint();
      const take = Math.min(this.#left, chunk.length - at);
      this.#take(chunk, at, take);
      at += take;
    }
  }

  #take(chunk: Buffer, at: number, take: number): void {
    if (this.#mode === 'collect') this.#parts.push(chunk.subarray(at, at + take));
    else if (this.#mode === 'pfns') this.#scanPfns(chunk, at, take);
    this.#left -= take;
    this.#offset += take;
    if (this.#left > 0) {
      // Never keep a caller's buffer, which it may use again, from one push to the next.
      if (this.#mode === 'collect') this.#parts.push(Buffer.from(this.#parts.pop() ?? []));
      return;
    }
    const only = this.#parts.length === 1 ? this.#parts[0] : undefined;
    const collected = only ?? Buffer.concat(this.#parts);
    this.#parts = [];
    this.#next(collected);
  }

  #collect(bytes: number, next: (collected: Buffer) => void): void {
    this.#expect('collect', bytes, next);
  }

  #expect(mode: 'collect' | 'pfns' | 'skip', bytes: number, next: (got: Buffer) => void): void {
    this.#mode = mode;
    this.#left = bytes;
    this.#next = next;
    // Nothing to wait for: go on at once, so that a record without a body is reported with its header.
    if (bytes === 0) next(Buffer.alloc(0));
  }

  #error(code: DecodeError['code'], detail: string, offset = this.#offset): DecodeError {
    return new DecodeError(code, offset, detail);
  }

  #xlHeader(header: Buffer): void {
    const length = parseXlHeader(header);
    this.#collect(length, (data) => {
      const config = parseConfig(data, XL_HEADER_BYTES);
      this.#events.push({ type: 'header', config, end: this.#offset });
      this.#collect(LIBXL_HEADER_BYTES, (libxl) => {
        checkLibxlHeader(libxl, this.#offset - LIBXL_HEADER_BYTES);
        this.#nextRecord('libxl');
      });
    });
  }

  #libxcHeaders(): void {
    this.#collect(LIBXC_HEADERS_BYTES, (header) => {
      const image = parseLibxcHeaders(header, this.#offset - LIBXC_HEADERS_BYTES);
      this.#order.image(image.version, image.guest);
      this.#events.push({ type: 'image', image, end: this.#offset });
      this.#nextRecord('libxc');
    });
  }

  #nextRecord(layer: Layer): void {
    this.#record = null;
    this.#collect(RECORD_HEADER_BYTES, (header) => this.#recordHeader(layer, header));
  }

  #recordHeader(layer: Layer, header: Buffer): void {
    const code = header.readUInt32LE(0);
    const length = header.readUInt32LE(4);
    const offset = this.#offset - RECORD_HEADER_BYTES;
    const name = this.#admit(layer, code, length, offset);
    const end = this.#offset + padded(length);
    const record = { layer, code, name, offset, length, end, pages: 0, data_pages: 0 };
    this.#record = record;
    const head = headBytes(layer, code);
    this.#collect(head, (body_head) => this.#bodyHead(record, body_head));
  }

  /** Checks type, length and order. Returns the record's name. */
  #admit(layer: Layer, code: number, length: number, offset: number): string {
    const spec = (layer === 'libxl' ? LIBXL_RECORDS : LIBXC_RECORDS).get(code);
    const name = spec?.name ?? `0x${code.toString(16)}`;
    if (length > RECORD_BYTES_MAX) {
      throw this.#error('too-long', `${layer} record ${name} of ${length} bytes`, offset);
    }
    if (spec === undefined) {
      if (code >= OPTIONAL_BIT) return name;
      throw this.#error('unknown-record', `${layer} record ${name} is not known`, offset);
    }
    if (spec.refused !== undefined) {
      throw this.#error('out-of-order', `${layer} record ${name}: ${spec.refused}`, offset);
    }
    const bad_length = checkLength(spec, length);
    if (bad_length !== null) throw this.#error('bad-length', `${layer} ${bad_length}`, offset);
    const bad_order = layer === 'libxl' ? this.#order.libxl(code) : this.#order.libxc(code, spec);
    if (bad_order !== null) {
      throw this.#error('out-of-order', `${layer} record ${name}: ${bad_order}`, offset);
    }
    return name;
  }

  #bodyHead(record: CurrentRecord, head: Buffer): void {
    const problem = checkBodyHead(record, head, this.#pv_width);
    if (problem !== null) throw this.#error('bad-value', problem, record.offset);
    if (record.layer === 'libxc' && record.code === LIBXC.PAGE_DATA) {
      record.pages = head.readUInt32LE(0);
      const wanted = this.#onPages !== null && record.pages <= LISTED_PAGES_MAX;
      this.#list = wanted ? Buffer.allocUnsafe(record.pages * 8) : null;
      this.#expect('pfns', record.pages * 8, () => this.#pageData(record));
      return;
    }
    if (record.layer === 'libxc' && record.code === LIBXC.X86_PV_INFO) {
      this.#pv_width = head.readUInt8(0);
    }
    this.#skipRest(record);
  }

  /** Only the top four bits of each little-endian entry matter here: the page's type. */
  #scanPfns(chunk: Buffer, at: number, take: number): void {
    const record = this.#record;
    if (record === null) return;
    const list_offset = record.offset + RECORD_HEADER_BYTES + 8;
    if (this.#list !== null) chunk.copy(this.#list, this.#offset - list_offset, at, at + take);
    const position = (this.#offset - list_offset) % 8;
    for (let i = at + 7 - position; i < at + take; i += 8) {
      const type = (chunk[i] ?? 0) >> 4;
      const kind = pageClass(type);
      if (kind === 'data') record.data_pages += 1;
      else if (kind === 'invalid') {
        const where = this.#offset + i - at - 7;
        throw this.#error('bad-value', `page type 0x${type.toString(16)} is not known`, where);
      }
    }
  }

  #pageData(record: CurrentRecord): void {
    const want = 8 + record.pages * 8 + record.data_pages * PAGE_BYTES;
    if (record.length !== want) {
      const detail = `PAGE_DATA of ${record.length} bytes, its list makes ${want}`;
      throw this.#error('bad-length', detail, record.offset);
    }
    if (this.#list !== null) this.#onPages?.({ at: this.#offset, pfns: dataPages(this.#list) });
    this.#list = null;
    this.#skipRest(record);
  }

  #skipRest(record: CurrentRecord): void {
    this.#expect('skip', record.end - this.#offset, () => this.#recordEnd(record));
  }

  #recordEnd(record: CurrentRecord): void {
    this.#record = null;
    this.#pages += record.pages;
    this.#data_pages += record.data_pages;
    this.#events.push({ type: 'record', ...record });
    if (record.layer === 'libxl') this.#afterLibxl(record.code);
    else this.#nextRecord(this.#order.place === 'image' ? 'libxc' : 'libxl');
  }

  #afterLibxl(code: number): void {
    switch (code) {
      case LIBXL.LIBXC_CONTEXT: {
        this.#libxcHeaders();
        return;
      }
      case LIBXL.CHECKPOINT_END:
        this.#endCheckpoint();
        {
          this.#nextRecord('libxc');
          return;
        }
      case LIBXL.END:
        this.#events.push({ type: 'end', end: this.#offset });
        return;
      default: {
        this.#nextRecord('libxl');
        return;
      }
    }
  }

  #beginCheckpoint(): void {
    this.#checkpoint_begun = true;
    this.#checkpoint_offset = this.#offset;
    const number = this.#checkpoint;
    this.#events.push({ type: 'checkpoint-begin', number, offset: this.#offset });
  }

  #endCheckpoint(): void {
    this.#events.push({
      type: 'checkpoint-end',
      number: this.#checkpoint,
      end: this.#offset,
      bytes: this.#offset - this.#checkpoint_offset,
      pages: this.#pages,
      data_pages: this.#data_pages,
    });
    this.#checkpoint += 1;
    this.#checkpoint_begun = false;
    this.#pages = 0;
    this.#data_pages = 0;
  }
}

/** The numbers (52 bits) of the entries that carry a page. */
function dataPages(list: Buffer): number[] {
  const pfns: number[] = [];
  for (let at = 0; at < list.length; at += 8) {
    const high = list.readUInt32LE(at + 4);
    if (pageClass(high >>> 28) !== 'data') continue;
    pfns.push((high & 0xf_ffff) * 2 ** 32 + list.readUInt32LE(at));
  }
  return pfns;
}
