import {
  LIBXC,
  LIBXL,
  PAGE_BYTES,
  RECORD_BYTES_MAX,
  VCPU_ID_MAX,
  type Layer,
  type RecordSpec,
} from './records.js';

/** Why a body of this length cannot be that record's, or null. */
export function checkLength(spec: RecordSpec, length: number): string | null {
  if (length < spec.min || length > spec.max) {
    const range = spec.min === spec.max ? `${spec.min}` : `${spec.min} to ${spec.max}`;
    return `record ${spec.name} of ${length} bytes, allowed are ${range}`;
  }
  if (spec.items !== undefined && (length - spec.items.head) % spec.items.item !== 0) {
    return `record ${spec.name} of ${length} bytes, not a whole number of ${spec.items.item}-byte items`;
  }
  return null;
}

const VCPU_RECORDS: ReadonlySet<number> = new Set([
  LIBXC.X86_PV_VCPU_BASIC,
  LIBXC.X86_PV_VCPU_EXTENDED,
  LIBXC.X86_PV_VCPU_XSAVE,
  LIBXC.X86_PV_VCPU_MSRS,
]);

const LIBXC_WITH_HEAD: ReadonlySet<number> = new Set([
  LIBXC.PAGE_DATA,
  LIBXC.X86_PV_INFO,
  LIBXC.X86_PV_P2M_FRAMES,
  LIBXC.HVM_PARAMS,
  ...VCPU_RECORDS,
]);

/** How many bytes at the start of the body are looked into. */
export function headBytes(layer: Layer, code: number): number {
  if (layer === 'libxc') return LIBXC_WITH_HEAD.has(code) ? 8 : 0;
  return code === LIBXL.EMULATOR_CONTEXT || code === LIBXL.EMULATOR_XENSTORE_DATA ? 8 : 0;
}

interface Body {
  readonly layer: Layer;
  readonly code: number;
  readonly name: string;
  readonly length: number;
}

/** Why the first bytes of the body cannot be right, or null. `pv_width` is the PV guest's word, in bytes. */
export function checkBodyHead(body: Body, head: Buffer, pv_width: number): string | null {
  if (head.length === 0) return null;
  if (body.layer === 'libxl') return checkEmulator(body, head);
  if (VCPU_RECORDS.has(body.code)) return checkVcpu(body, head);
  switch (body.code) {
    case LIBXC.PAGE_DATA:
      return checkPageCount(body, head);
    case LIBXC.X86_PV_INFO:
      return checkPvInfo(head);
    case LIBXC.X86_PV_P2M_FRAMES:
      return checkP2mFrames(body, head, pv_width);
    case LIBXC.HVM_PARAMS:
      return checkHvmParams(body, head);
    default:
      return null;
  }
}

function checkEmulator(body: Body, head: Buffer): string | null {
  const id = head.readUInt32LE(0);
  return id > 2 ? `${body.name} of emulator ${id}, known are 0 to 2` : null;
}

function checkVcpu(body: Body, head: Buffer): string | null {
  const id = head.readUInt32LE(0);
  return id > VCPU_ID_MAX ? `${body.name} of virtual CPU ${id}` : null;
}

function checkPageCount(body: Body, head: Buffer): string | null {
  const count = head.readUInt32LE(0);
  if (count === 0) return 'PAGE_DATA without pages';
  if (count > RECORD_BYTES_MAX / 8 || 8 + count * 8 > body.length) {
    return `PAGE_DATA of ${body.length} bytes cannot list ${count} pages`;
  }
  return null;
}

function checkPvInfo(head: Buffer): string | null {
  const width = head.readUInt8(0);
  const levels = head.readUInt8(1);
  const known = (width === 4 && levels === 3) || (width === 8 && levels === 4);
  return known ? null : `X86_PV_INFO with words of ${width} bytes and ${levels} page table levels`;
}

function checkP2mFrames(body: Body, head: Buffer, pv_width: number): string | null {
  const start = head.readUInt32LE(0);
  const end = head.readUInt32LE(4);
  if (end < start) return `X86_PV_P2M_FRAMES from page ${start} to ${end}`;
  const per_frame = PAGE_BYTES / pv_width;
  const frames = Math.floor(end / per_frame) - Math.floor(start / per_frame) + 1;
  return body.length === 8 + frames * 8
    ? null
    : `X86_PV_P2M_FRAMES of ${body.length} bytes for ${frames} frames`;
}

function checkHvmParams(body: Body, head: Buffer): string | null {
  const count = head.readUInt32LE(0);
  return body.length === 8 + count * 16
    ? null
    : `HVM_PARAMS of ${body.length} bytes for ${count} parameters`;
}
