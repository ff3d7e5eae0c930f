// The bytes of a Remus stream, from Xen's docs/specs/libxl-migration-stream and libxc-migration-stream, and the capture.

/** What the receiver says first: 54 bytes. */
export const BANNER = 'xl migration receiver ready, send binary domain data.\n';
/** The first 32 bytes of xl's own header. */
export const XL_MAGIC = Buffer.from('Xen saved domain, xl format\n \0 \r', 'latin1');
export const BYTE_ORDER = 0x01020304;
export const XL_MANDATORY_FLAGS = 3;
/** `LibxlFmt`, and the version after it, both big-endian. */
export const LIBXL_IDENT = 0x4c6962786c466d74n;
export const LIBXL_VERSION = 2;
export const LIBXC_MARKER = 0xffffffffffffffffn;
/** `XENF`, and the version after it, both big-endian. */
export const LIBXC_IDENT = 0x58454e46;
export const LIBXC_VERSION = 3;
export const DOMAIN_TYPE_HVM = 2;
export const PAGE_SHIFT = 12;
export const PAGE_BYTES = 4096;
/** The longest record libxc takes. */
export const RECORD_BYTES_MAX = 0x8000000;
/** A page without data, in the top bits of its pfn. */
export const PFN_TYPE_NONE = 0xf;

/** libxl's record types. */
export const LX = { END: 0, LIBXC_CONTEXT: 1, CHECKPOINT_END: 4 } as const;

/** libxc's record types. */
export const XC = {
  END: 0x0,
  PAGE_DATA: 0x1,
  X86_TSC_INFO: 0x8,
  HVM_CONTEXT: 0x9,
  HVM_PARAMS: 0xa,
  CHECKPOINT: 0xe,
  STATIC_DATA_END: 0x10,
  X86_CPUID_POLICY: 0x11,
  X86_MSR_POLICY: 0x12,
} as const;

/** libxc's names for its record types, as its messages show them. */
export const XC_NAMES: Readonly<Record<number, string>> = {
  0x0: 'End',
  0x1: 'Page data',
  0x2: 'x86 PV info',
  0x3: 'x86 PV P2M frames',
  0x4: 'x86 PV vcpu basic',
  0x5: 'x86 PV vcpu extended',
  0x6: 'x86 PV vcpu xsave',
  0x7: 'Shared info',
  0x8: 'x86 TSC info',
  0x9: 'HVM context',
  0xa: 'HVM params',
  0xb: 'Toolstack',
  0xc: 'x86 PV vcpu msrs',
  0xd: 'Verify',
  0xe: 'Checkpoint',
  0xf: 'Checkpoint dirty pfn list',
  0x10: 'Static data end',
  0x11: 'x86 CPUID policy',
  0x12: 'x86 MSR policy',
};

/** `0x00000001, Page data`. */
export function recordName(type: number): string {
  return `0x${type.toString(16).padStart(8, '0')}, ${XC_NAMES[type] ?? 'Reserved'}`;
}

/** One record: type, length, body, zeros up to a multiple of eight. */
export function record(type: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(8 + ((body.length + 7) & ~7));
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(body.length, 4);
  body.copy(bytes, 8);
  return bytes;
}

/** xl's header, with the domain's configuration: JSON, a newline and a zero byte. */
export function xlHeader(json: string): Buffer {
  const config = Buffer.from(`${json}\n\0`);
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32LE(BYTE_ORDER, 0);
  numbers.writeUInt32LE(XL_MANDATORY_FLAGS, 4);
  numbers.writeUInt32LE(0, 8);
  numbers.writeUInt32LE(config.length + 4, 12);
  numbers.writeUInt32LE(config.length, 16);
  return Buffer.concat([XL_MAGIC, numbers, config]);
}

/** libxl's stream header and the LIBXC_CONTEXT record, then libxc's image and domain headers. */
export function imageHeaders(xenMinor: number): Buffer {
  const bytes = Buffer.alloc(16 + 8 + 24 + 16);
  bytes.writeBigUInt64BE(LIBXL_IDENT, 0);
  bytes.writeUInt32BE(LIBXL_VERSION, 8);
  bytes.writeUInt32BE(0, 12);
  bytes.writeUInt32LE(LX.LIBXC_CONTEXT, 16);
  bytes.writeUInt32LE(0, 20);
  bytes.writeBigUInt64BE(LIBXC_MARKER, 24);
  bytes.writeUInt32BE(LIBXC_IDENT, 32);
  bytes.writeUInt32BE(LIBXC_VERSION, 36);
  bytes.writeUInt32LE(DOMAIN_TYPE_HVM, 48);
  bytes.writeUInt16LE(PAGE_SHIFT, 52);
  bytes.writeUInt32LE(4, 56);
  bytes.writeUInt32LE(xenMinor, 60);
  return bytes;
}

/** PAGE_DATA: the count, four zero bytes, a u64 for each page with its type in the top four bits, then the pages that have data. */
export function pageData(
  pfns: readonly number[],
  hasData: (pfn: number) => boolean,
  pages: Buffer,
): Buffer {
  const head = Buffer.alloc(8 + pfns.length * 8);
  head.writeUInt32LE(pfns.length, 0);
  pfns.forEach((pfn, i) => {
    const type = hasData(pfn) ? 0n : BigInt(PFN_TYPE_NONE) << 60n;
    head.writeBigUInt64LE(BigInt(pfn) | type, 8 + i * 8);
  });
  const length = head.length + pages.length;
  const record = Buffer.alloc(8);
  record.writeUInt32LE(XC.PAGE_DATA, 0);
  record.writeUInt32LE(length, 4);
  return Buffer.concat([record, head, pages]);
}
