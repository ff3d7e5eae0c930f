/**
 * The records of Xen's migration stream, as docs/specs/libxl-migration-stream and
 * docs/specs/libxc-migration-stream of Xen describe them: numbers, names, lengths, places.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Longest record body that libxc takes. */
export const RECORD_BYTES_MAX = 128 * MIB;
/** Longest optional data (the domain's configuration) in the header of xl's save format. */
export const CONFIG_BYTES_MAX = MIB;
export const PAGE_BYTES = 4096;
/** More virtual CPUs than Xen gives to any guest. */
export const VCPU_ID_MAX = 8191;

export const XL_MAGIC = Buffer.from('Xen saved domain, xl format\n \0 \r', 'latin1');
export const XL_BYTE_ORDER = 0x01020304;
/** The configuration is JSON, and the stream is libxl's version 2: all that xl writes since 4.6. */
export const XL_MANDATORY_FLAGS = 0x3;
export const XL_HEADER_BYTES = 48;

export const LIBXL_IDENT = Buffer.from('LibxlFmt', 'latin1');
export const LIBXL_VERSION = 2;
export const LIBXL_HEADER_BYTES = 16;

export const LIBXC_ID = 0x58454e46;
export const LIBXC_VERSIONS: readonly number[] = [2, 3];
/** Image header (24 bytes) and domain header (16 bytes). */
export const LIBXC_HEADERS_BYTES = 40;

export const RECORD_HEADER_BYTES = 8;

/** Set in the type of a record that a reader may skip when it does not know it. */
export const OPTIONAL_BIT = 0x80000000;

export type Layer = 'libxl' | 'libxc';
export type GuestType = 'pv' | 'hvm';

export interface RecordSpec {
  readonly name: string;
  /** Length of the body in bytes. */
  readonly min: number;
  readonly max: number;
  /** The body is `head` bytes and then a whole number of items of `item` bytes. */
  readonly items?: { readonly head: number; readonly item: number };
  /** Only in a guest of this type. */
  readonly guest?: GuestType;
  /** May (or, with 'only', must) come before STATIC_DATA_END in an image of version 3. */
  readonly static_data?: 'only';
  /** Defined, but never in this direction or in Remus: why it is refused. */
  readonly refused?: string;
}

export const LIBXL = {
  END: 0,
  LIBXC_CONTEXT: 1,
  EMULATOR_XENSTORE_DATA: 2,
  EMULATOR_CONTEXT: 3,
  CHECKPOINT_END: 4,
  CHECKPOINT_STATE: 5,
} as const;

export const LIBXC = {
  END: 0x0,
  PAGE_DATA: 0x1,
  X86_PV_INFO: 0x2,
  X86_PV_P2M_FRAMES: 0x3,
  X86_PV_VCPU_BASIC: 0x4,
  X86_PV_VCPU_EXTENDED: 0x5,
  X86_PV_VCPU_XSAVE: 0x6,
  SHARED_INFO: 0x7,
  X86_TSC_INFO: 0x8,
  HVM_CONTEXT: 0x9,
  HVM_PARAMS: 0xa,
  TOOLSTACK: 0xb,
  X86_PV_VCPU_MSRS: 0xc,
  VERIFY: 0xd,
  CHECKPOINT: 0xe,
  CHECKPOINT_DIRTY_PFN_LIST: 0xf,
  STATIC_DATA_END: 0x10,
  X86_CPUID_POLICY: 0x11,
  X86_MSR_POLICY: 0x12,
} as const;

const empty = (name: string): RecordSpec => ({ name, min: 0, max: 0 });
const pvVcpu = (name: string): RecordSpec => ({ name, min: 8, max: MIB, guest: 'pv' });

export const LIBXL_RECORDS: ReadonlyMap<number, RecordSpec> = new Map([
  [LIBXL.END, empty('END')],
  [LIBXL.LIBXC_CONTEXT, empty('LIBXC_CONTEXT')],
  [LIBXL.EMULATOR_XENSTORE_DATA, { name: 'EMULATOR_XENSTORE_DATA', min: 8, max: MIB }],
  [LIBXL.EMULATOR_CONTEXT, { name: 'EMULATOR_CONTEXT', min: 8, max: RECORD_BYTES_MAX }],
  [LIBXL.CHECKPOINT_END, empty('CHECKPOINT_END')],
  [
    LIBXL.CHECKPOINT_STATE,
    { name: 'CHECKPOINT_STATE', min: 4, max: 4, refused: 'it belongs to COLO, not to Remus' },
  ],
]);

export const LIBXC_RECORDS: ReadonlyMap<number, RecordSpec> = new Map<number, RecordSpec>([
  [LIBXC.END, empty('END')],
  [LIBXC.PAGE_DATA, { name: 'PAGE_DATA', min: 16, max: RECORD_BYTES_MAX }],
  [LIBXC.X86_PV_INFO, { name: 'X86_PV_INFO', min: 8, max: 8, guest: 'pv', static_data: 'only' }],
  [
    LIBXC.X86_PV_P2M_FRAMES,
    {
      name: 'X86_PV_P2M_FRAMES',
      min: 16,
      max: RECORD_BYTES_MAX,
      items: { head: 8, item: 8 },
      guest: 'pv',
    },
  ],
  [LIBXC.X86_PV_VCPU_BASIC, pvVcpu('X86_PV_VCPU_BASIC')],
  [LIBXC.X86_PV_VCPU_EXTENDED, pvVcpu('X86_PV_VCPU_EXTENDED')],
  [LIBXC.X86_PV_VCPU_XSAVE, pvVcpu('X86_PV_VCPU_XSAVE')],
  [LIBXC.SHARED_INFO, { name: 'SHARED_INFO', min: PAGE_BYTES, max: PAGE_BYTES, guest: 'pv' }],
  [LIBXC.X86_TSC_INFO, { name: 'X86_TSC_INFO', min: 24, max: 24 }],
  [LIBXC.HVM_CONTEXT, { name: 'HVM_CONTEXT', min: 1, max: 32 * MIB, guest: 'hvm' }],
  [
    LIBXC.HVM_PARAMS,
    { name: 'HVM_PARAMS', min: 8, max: 64 * KIB, items: { head: 8, item: 16 }, guest: 'hvm' },
  ],
  [LIBXC.TOOLSTACK, { name: 'TOOLSTACK', min: 0, max: 16 * MIB }],
  [LIBXC.X86_PV_VCPU_MSRS, pvVcpu('X86_PV_VCPU_MSRS')],
  [LIBXC.VERIFY, empty('VERIFY')],
  [LIBXC.CHECKPOINT, empty('CHECKPOINT')],
  [
    LIBXC.CHECKPOINT_DIRTY_PFN_LIST,
    {
      name: 'CHECKPOINT_DIRTY_PFN_LIST',
      min: 0,
      max: RECORD_BYTES_MAX,
      items: { head: 0, item: 8 },
      refused: 'only a COLO backup sends it, and back to the primary',
    },
  ],
  [LIBXC.STATIC_DATA_END, empty('STATIC_DATA_END')],
  [
    LIBXC.X86_CPUID_POLICY,
    {
      name: 'X86_CPUID_POLICY',
      min: 24,
      max: MIB,
      items: { head: 0, item: 24 },
      static_data: 'only',
    },
  ],
  [
    LIBXC.X86_MSR_POLICY,
    {
      name: 'X86_MSR_POLICY',
      min: 16,
      max: MIB,
      items: { head: 0, item: 16 },
      static_data: 'only',
    },
  ],
]);

/** What a page's type (the top four bits of its PFN entry) means for the stream. */
export type PageClass = 'data' | 'no-data' | 'invalid';

/** Normal pages and page tables (pinned or not) carry data; broken, allocate-only and invalid pages do not. */
export function pageClass(type: number): PageClass {
  if (type <= 0x4 || (type >= 0x9 && type <= 0xc)) return 'data';
  return type >= 0xd ? 'no-data' : 'invalid';
}

/** Bodies are padded to a multiple of 8. */
export function padded(length: number): number {
  return Math.ceil(length / 8) * 8;
}
