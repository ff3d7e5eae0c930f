import { z } from 'zod';
import { DecodeError } from './decode-error.js';
import {
  CONFIG_BYTES_MAX,
  LIBXC_ID,
  LIBXC_VERSIONS,
  LIBXL_IDENT,
  LIBXL_VERSION,
  XL_BYTE_ORDER,
  XL_MAGIC,
  XL_MANDATORY_FLAGS,
  type GuestType,
} from './records.js';

/** What the relay needs of the domain's configuration, which libxl writes as JSON. */
export interface DomainConfig {
  readonly name: string;
  /** 0 when the configuration does not say. */
  readonly memory_bytes: number;
}

export interface ImageInfo {
  readonly version: number;
  readonly guest: GuestType;
  /** As in '4.17'. */
  readonly xen_version: string;
}

const kib = z
  .number()
  .int()
  .nonnegative()
  .max(Number.MAX_SAFE_INTEGER / 1024);
const configSchema = z.object({
  c_info: z.object({ name: z.string().min(1).max(1024) }),
  b_info: z.object({ max_memkb: kib.optional(), target_memkb: kib.optional() }).optional(),
});

/** Checks xl's save header. Returns the length of the optional data that follows it, in bytes. */
export function parseXlHeader(header: Buffer): number {
  if (!header.subarray(0, XL_MAGIC.length).equals(XL_MAGIC)) {
    throw new DecodeError(
      'bad-magic',
      0,
      "this is not a stream of xl: its first 32 bytes are not xl's",
    );
  }
  if (header.readUInt32LE(32) !== XL_BYTE_ORDER) {
    throw new DecodeError('bad-flags', 32, 'the byte order is not that of this machine');
  }
  const flags = header.readUInt32LE(36);
  if (flags !== XL_MANDATORY_FLAGS) {
    throw new DecodeError(
      'bad-flags',
      36,
      `mandatory flags 0x${flags.toString(16)}, known are 0x3`,
    );
  }
  const length = header.readUInt32LE(44);
  if (length < 4) throw new DecodeError('bad-length', 44, 'the domain configuration is missing');
  if (length > CONFIG_BYTES_MAX) {
    throw new DecodeError(
      'too-long',
      44,
      `${length} bytes of configuration, at most 1 MiB are taken`,
    );
  }
  return length;
}

/** `data` is the optional data: the length of the JSON, then the JSON. */
export function parseConfig(data: Buffer, offset: number): DomainConfig {
  const length = data.readUInt32LE(0);
  if (length !== data.length - 4) {
    throw new DecodeError(
      'bad-length',
      offset,
      `configuration of ${length} bytes in ${data.length}`,
    );
  }
  const text = data.toString('utf8', 4).replace(/\0+$/, '');
  const parsed = configSchema.safeParse(parseJson(text, offset));
  if (!parsed.success) {
    throw new DecodeError(
      'bad-config',
      offset,
      'the domain configuration has no usable name or memory',
    );
  }
  const memory = parsed.data.b_info;
  const memory_kib = memory?.max_memkb ?? memory?.target_memkb ?? 0;
  return { name: parsed.data.c_info.name, memory_bytes: memory_kib * 1024 };
}

function parseJson(text: string, offset: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new DecodeError('bad-config', offset, 'the domain configuration is not JSON');
  }
}

/** The big-endian header of libxl's own stream. */
export function checkLibxlHeader(header: Buffer, offset: number): void {
  if (!header.subarray(0, 8).equals(LIBXL_IDENT)) {
    throw new DecodeError('bad-magic', offset, 'no libxl stream follows the domain configuration');
  }
  const version = header.readUInt32BE(8);
  if (version !== LIBXL_VERSION) {
    throw new DecodeError('bad-version', offset + 8, `libxl stream version ${version}, known is 2`);
  }
  const options = header.readUInt32BE(12);
  if (options !== 0) {
    const hex = options.toString(16);
    throw new DecodeError(
      'bad-flags',
      offset + 12,
      `libxl stream options 0x${hex}, known are none`,
    );
  }
}

/** libxc's image header (big-endian) and domain header (little-endian, as its options must say). */
export function parseLibxcHeaders(header: Buffer, offset: number): ImageInfo {
  if (header.readUInt32BE(0) !== 0xffffffff || header.readUInt32BE(4) !== 0xffffffff) {
    throw new DecodeError('bad-magic', offset, 'the libxc image has no marker: an old format?');
  }
  if (header.readUInt32BE(8) !== LIBXC_ID) {
    throw new DecodeError('bad-magic', offset + 8, 'the libxc image is not marked XENF');
  }
  const version = header.readUInt32BE(12);
  if (!LIBXC_VERSIONS.includes(version)) {
    throw new DecodeError(
      'bad-version',
      offset + 12,
      `libxc image version ${version}, known are 2, 3`,
    );
  }
  if (header.readUInt16BE(16) !== 0) {
    throw new DecodeError(
      'bad-flags',
      offset + 16,
      'libxc image options: only little-endian is known',
    );
  }
  if (header.readUInt16LE(28) !== 12) {
    throw new DecodeError('bad-value', offset + 28, 'the page size is not 4096 bytes');
  }
  const xen_version = `${header.readUInt32LE(32)}.${header.readUInt32LE(36)}`;
  return { version, guest: guestType(header.readUInt32LE(24), offset + 24), xen_version };
}

function guestType(type: number, offset: number): GuestType {
  if (type === 1) return 'pv';
  // libxc writes HVM for PVH guests, too; 3 is PVH in the specification.
  if (type === 2 || type === 3) return 'hvm';
  throw new DecodeError('bad-value', offset, `domain type ${type} is not known`);
}
