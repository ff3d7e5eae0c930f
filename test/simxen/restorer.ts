import { Ctl, DomainGone } from './ctl.js';
import type { ExactReader } from './reader.js';
import { log } from './stdio.js';
import * as f from './stream/format.js';

/** What ended the reading of the stream. */
export type RestoreEnd = 'failover' | 'failed' | 'complete' | 'domain-gone';

interface Record {
  readonly type: number;
  readonly body: Buffer;
}

class Broken extends Error {}

/** The types that may come at all in the stream of a PVH or HVM guest. */
const KNOWN = new Set<number>([0x0, 0x1, 0x8, 0x9, 0xa, 0xb, 0xd, 0xe, 0xf, 0x10, 0x11, 0x12]);
const OPTIONAL = 0x80000000;

function fail(message: string): never {
  log(`xc: error: ${message}: Internal error`);
  throw new Broken(message);
}

/**
 * libxl-save-helper's part on the backup: checks every record; the first copy goes to the domain at once, a later checkpoint when
 * all of it is here.
 */
export class Restorer {
  private readonly reader: ExactReader;
  private readonly ctl: Ctl;
  private buffering = false;
  private readonly buffered: Record[] = [];

  constructor(reader: ExactReader, ctl: Ctl) {
    this.reader = reader;
    this.ctl = ctl;
  }

  /** Reads libxc's headers and records until the end of the stream, or of its sense. */
  async run(): Promise<RestoreEnd> {
    try {
      await this.headers();
      log('xc: info: Restoring domain');
      return await this.records();
    } catch (error) {
      if (error instanceof DomainGone) return 'domain-gone';
      if (!(error instanceof Broken)) throw error;
      return this.buffering ? 'failover' : 'failed';
    }
  }

  private async headers(): Promise<void> {
    const image = await this.reader.read(24);
    if (image === undefined) fail('Failed to read Image Header from stream (0 = Success)');
    if (image.readBigUInt64BE(0) !== f.LIBXC_MARKER)
      fail(`Invalid marker: Got 0x${image.readBigUInt64BE(0).toString(16).padStart(16, '0')}`);
    if (image.readUInt32BE(8) !== f.LIBXC_IDENT)
      fail(
        `Invalid ident: Expected 0x58454e46, Got 0x${image.readUInt32BE(8).toString(16).padStart(8, '0')}`,
      );
    const version = image.readUInt32BE(12);
    if (version < 2 || version > f.LIBXC_VERSION)
      fail(`Invalid Version: Expected 2 <= ver <= 3, Got ${version}`);
    const domain = await this.reader.read(16);
    if (domain === undefined) fail('Failed to read Domain Header from stream (0 = Success)');
    if (domain.readUInt32LE(0) !== f.DOMAIN_TYPE_HVM)
      fail(`Unknown type ${domain.readUInt32LE(0)}`);
    if (domain.readUInt16LE(4) !== f.PAGE_SHIFT)
      fail(`Invalid page shift ${domain.readUInt16LE(4)}`);
    log(
      `xc: info: Found x86 HVM domain from Xen ${domain.readUInt32LE(8)}.${domain.readUInt32LE(12)}`,
    );
  }

  private async records(): Promise<RestoreEnd> {
    for (;;) {
      const record = await this.record();
      if (record.type === f.XC.END) return 'complete';
      if (record.type === f.XC.CHECKPOINT) await this.checkpoint();
      else if (this.buffering) this.buffered.push(record);
      else await this.apply(record);
    }
  }

  private async record(): Promise<Record> {
    const head = await this.reader.read(8);
    if (head === undefined) fail('Failed to read Record Header from stream (0 = Success)');
    const type = head.readUInt32LE(0);
    const length = head.readUInt32LE(4);
    if (length > f.RECORD_BYTES_MAX) {
      const max = `0x${f.RECORD_BYTES_MAX.toString(16)}`;
      fail(`Record (${f.recordName(type)}) length 0x${length.toString(16)} exceeds max (${max})`);
    }
    const padded = (length + 7) & ~7;
    const body = await this.reader.read(padded);
    if (body === undefined)
      fail(
        `Failed to read ${padded} bytes of data for record (${f.recordName(type)}) (0 = Success)`,
      );
    return { type, body: body.subarray(0, length) };
  }

  private async checkpoint(): Promise<void> {
    await this.checkpointEnd();
    if (!this.buffering) {
      this.buffering = true;
      return;
    }
    log('xc: info: All records buffered');
    for (const record of this.buffered.splice(0)) await this.apply(record);
    log('xc: info: All records processed');
  }

  /** libxl's record after libxc's CHECKPOINT. */
  private async checkpointEnd(): Promise<void> {
    const head = await this.reader.read(8);
    if (head === undefined) {
      log(
        'libxl: error: libxl_aoutils.c:499:datacopier_readable: unexpected eof on reading checkpoint record',
      );
      throw new Broken('no CHECKPOINT_END');
    }
    const type = head.readUInt32LE(0);
    if (type === f.LX.CHECKPOINT_END && head.readUInt32LE(4) === 0) return;
    log(
      `libxl: error: libxl_stream_read.c:706:process_record: Unrecognised record 0x${type.toString(16).padStart(8, '0')}`,
    );
    throw new Broken('not CHECKPOINT_END');
  }

  private async apply({ type, body }: Record): Promise<void> {
    if (type === f.XC.PAGE_DATA) {
      await this.pages(body);
      return;
    }
    if (type === f.XC.X86_TSC_INFO && body.length !== 24)
      fail(`X86_TSC_INFO record wrong size: length ${body.length}, expected 24`);
    if (type === f.XC.HVM_CONTEXT && body.length === 0)
      fail(`Unexpected record length 0 for HVM_CONTEXT`);
    if (type === f.XC.HVM_PARAMS && body.length !== 8 + body.readUInt32LE(0) * 16)
      fail(`HVM_PARAMS record wrong size: length ${body.length}`);
    if (type >= OPTIONAL || KNOWN.has(type)) return;
    fail(`Unrecognised record (${f.recordName(type)})`);
  }

  private async pages(body: Buffer): Promise<void> {
    if (body.length < 8) fail(`PAGE_DATA record truncated: length ${body.length}, min 8`);
    const count = body.readUInt32LE(0);
    if (count < 1) fail('Expected at least 1 pfn in PAGE_DATA record');
    const data = 8 + count * 8;
    if (body.length < data)
      fail(
        `PAGE_DATA record (length ${body.length}) too short to contain ${count} pfns worth of information`,
      );
    const pfns: number[] = [];
    for (let i = 0; i < count; i++) {
      const entry = body.readBigUInt64LE(8 + i * 8);
      if (Number(entry >> 60n) !== f.PFN_TYPE_NONE) pfns.push(Number(entry & 0xfffffffffffffn));
    }
    const want = data + pfns.length * f.PAGE_BYTES;
    if (body.length !== want)
      fail(
        `PAGE_DATA record wrong size: length ${body.length}, expected 8 + ${count * 8} + ${pfns.length * f.PAGE_BYTES}`,
      );
    if (pfns.length > 0) await this.store(pfns, body.subarray(data));
  }

  private async store(pfns: readonly number[], pages: Buffer): Promise<void> {
    const head = Buffer.from(Uint32Array.from([pfns.length, ...pfns]).buffer);
    try {
      await this.ctl.call({ op: 'write' }, Buffer.concat([head, pages]));
    } catch (error) {
      const pfn = `0x${(pfns[0] ?? 0).toString(16)}`;
      log(`xc: error: Mapping pfn ${pfn} (mfn ${pfn}, type 0) failed with -3: Internal error`);
      throw error;
    }
  }
}
