import { LIBXC, LIBXL } from '../../../daemon/stream/records.js';

/** Makes migration streams for tests, right or wrong. */

export function record(type: number, body: Buffer = Buffer.alloc(0), length = body.length): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(type >>> 0, 0);
  header.writeUInt32LE(length >>> 0, 4);
  return Buffer.concat([header, body, Buffer.alloc((8 - (body.length % 8)) % 8)]);
}

export function xlHeader(config: unknown = defaultConfig('vm1', 8)): Buffer {
  const json = Buffer.from(typeof config === 'string' ? config : JSON.stringify(config));
  const head = Buffer.alloc(52);
  head.write('Xen saved domain, xl format\n \0 \r', 'latin1');
  head.writeUInt32LE(0x01020304, 32);
  head.writeUInt32LE(3, 36);
  head.writeUInt32LE(0, 40);
  head.writeUInt32LE(json.length + 4, 44);
  head.writeUInt32LE(json.length, 48);
  return Buffer.concat([head, json]);
}

export function defaultConfig(name: string, memory_mib: number): unknown {
  const kib = memory_mib * 1024;
  return { c_info: { type: 'pvh', name }, b_info: { max_memkb: kib, target_memkb: kib } };
}

export function libxlHeader(version = 2, options = 0): Buffer {
  const header = Buffer.alloc(16);
  header.write('LibxlFmt', 'latin1');
  header.writeUInt32BE(version, 8);
  header.writeUInt32BE(options, 12);
  return header;
}

export function imageHeaders(version = 3, guest = 2): Buffer {
  const header = Buffer.alloc(40);
  header.fill(0xff, 0, 8);
  header.writeUInt32BE(0x58454e46, 8);
  header.writeUInt32BE(version, 12);
  header.writeUInt32LE(guest, 24);
  header.writeUInt16LE(12, 28);
  header.writeUInt32LE(4, 32);
  header.writeUInt32LE(17, 36);
  return header;
}

/** PAGE_DATA with one entry a type; types that carry data get a page filled with `fill`. */
export function pageData(types: readonly number[], fill = 0x5a, first_pfn = 0): Buffer {
  const list = Buffer.alloc(8 + types.length * 8);
  list.writeUInt32LE(types.length, 0);
  types.forEach((type, i) => {
    list.writeUInt32LE(first_pfn + i, 8 + i * 8);
    list.writeUInt32LE((type << 28) >>> 0, 12 + i * 8);
  });
  const carrying = types.filter((type) => type < 5 || (type >= 9 && type <= 12)).length;
  return record(LIBXC.PAGE_DATA, Buffer.concat([list, Buffer.alloc(4096 * carrying, fill)]));
}

export function hvmParams(count = 8): Buffer {
  const body = Buffer.alloc(8 + count * 16);
  body.writeUInt32LE(count, 0);
  return record(LIBXC.HVM_PARAMS, body);
}

/** What comes before the pages of the first copy. */
export function preamble(config?: unknown): Buffer {
  return Buffer.concat([
    xlHeader(config),
    libxlHeader(),
    record(LIBXL.LIBXC_CONTEXT),
    imageHeaders(),
    record(LIBXC.X86_CPUID_POLICY, Buffer.alloc(48)),
    record(LIBXC.X86_MSR_POLICY, Buffer.alloc(32)),
    record(LIBXC.STATIC_DATA_END),
  ]);
}

/** One checkpoint of a PVH guest with so many pages. */
export function checkpoint(pages: number, fill = 0x5a): Buffer {
  return Buffer.concat([
    pageData(new Array<number>(pages).fill(0), fill),
    record(LIBXC.X86_TSC_INFO, Buffer.alloc(24)),
    record(LIBXC.HVM_CONTEXT, Buffer.alloc(2504, 1)),
    hvmParams(),
    record(LIBXC.CHECKPOINT),
    record(LIBXL.CHECKPOINT_END),
  ]);
}
