/** One record of a stream, as the tests' own reading of Xen's specification sees it. */
export interface Walked {
  readonly layer: 'libxl' | 'libxc';
  readonly type: number;
  readonly length: number;
  /** Offset of its header. */
  readonly at: number;
}

/** Where the parts of a captured stream are. */
export interface Walk {
  readonly json: string;
  readonly libxlAt: number;
  readonly records: readonly Walked[];
  /** Offset after the last whole record. */
  readonly end: number;
}

const CHECKPOINT = 0xe;
const LIBXC_CONTEXT = 1;
const CHECKPOINT_END = 4;

/** Walks through a captured stream record by record. */
export function walk(data: Buffer): Walk {
  const optional = data.readUInt32LE(44);
  const json = data.toString('utf8', 52, 48 + optional).replace(/\n\0$/, '');
  const libxlAt = 48 + optional;
  const records: Walked[] = [];
  let at = libxlAt + 16;
  let layer: Walked['layer'] = 'libxl';
  while (at + 8 <= data.length) {
    const type = data.readUInt32LE(at);
    const length = data.readUInt32LE(at + 4);
    const next = at + 8 + Math.ceil(length / 8) * 8;
    if (next > data.length) break;
    records.push({ layer, type, length, at });
    at = next;
    if (layer === 'libxl' && type === LIBXC_CONTEXT) at += 24 + 16;
    if (layer === 'libxc') layer = type === CHECKPOINT ? 'libxl' : 'libxc';
    else if (type === LIBXC_CONTEXT || type === CHECKPOINT_END) layer = 'libxc';
  }
  return { json, libxlAt, records, end: at };
}

/** The offsets after each checkpoint's CHECKPOINT_END. */
export function checkpointEnds(walked: Walk): number[] {
  return walked.records
    .filter((record) => record.layer === 'libxl' && record.type === CHECKPOINT_END)
    .map((record) => record.at + 8);
}
