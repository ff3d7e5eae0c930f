/** The stream as `xl remus` writes it, in the pieces in which it does: headers, lists, pages, the tail of a checkpoint. */
import { randomFillSync } from 'node:crypto';
import { LX, PAGE_BYTES, XC, imageHeaders, record, xlHeader } from '../simxen/stream/format.js';
import { cpuidPolicy, hvmContext, hvmParams, msrPolicy, tscInfo } from '../simxen/stream/vcpu.js';

/** libxc's batch: one PAGE_DATA record. */
const BATCH_PAGES = 1024;
const XEN_MINOR = 20;
const VCPUS = 2;

/** All that comes before the first page. */
export function preamble(memory_mib: number): Buffer {
  const kib = memory_mib * 1024;
  const config = {
    c_info: { type: 'pvh', name: 'guest' },
    b_info: { max_memkb: kib, target_memkb: kib },
  };
  return Buffer.concat([
    xlHeader(JSON.stringify(config)),
    imageHeaders(XEN_MINOR),
    record(XC.X86_CPUID_POLICY, cpuidPolicy()),
    record(XC.X86_MSR_POLICY, msrPolicy()),
    record(XC.STATIC_DATA_END),
  ]);
}

/** The header and the list of a PAGE_DATA record; the pages come next. */
export function pageDataHead(pfns: readonly number[]): Buffer {
  const head = Buffer.alloc(16 + pfns.length * 8);
  head.writeUInt32LE(XC.PAGE_DATA, 0);
  head.writeUInt32LE(8 + pfns.length * (8 + PAGE_BYTES), 4);
  head.writeUInt32LE(pfns.length, 8);
  pfns.forEach((pfn, i) => head.writeBigUInt64LE(BigInt(pfn), 16 + i * 8));
  return head;
}

/** PAGE_DATA records of these pages, each a list and its data. */
export function pageRecords(pfns: readonly number[], data: (batch: readonly number[]) => Buffer) {
  const pieces: Buffer[][] = [];
  for (let at = 0; at < pfns.length; at += BATCH_PAGES) {
    const batch = pfns.slice(at, at + BATCH_PAGES);
    pieces.push([pageDataHead(batch), data(batch)]);
  }
  return pieces;
}

/** What a checkpoint ends with while the guest is still suspended. */
export function suspendedTail(): Buffer[][] {
  return [
    [record(XC.X86_TSC_INFO, tscInfo())],
    [record(XC.HVM_CONTEXT, hvmContext(VCPUS, '4.20'))],
    [record(XC.HVM_PARAMS, hvmParams())],
    [record(XC.CHECKPOINT)],
  ];
}

/** Written when the guest runs again. */
export const CHECKPOINT_END = record(LX.CHECKPOINT_END);

/** The page numbers from 0 on that `mib` of memory have. */
export function pfnsOf(mib: number): number[] {
  return Array.from({ length: Math.round((mib * 1024 * 1024) / PAGE_BYTES) }, (_, pfn) => pfn);
}

/**
 * Pages of random bytes, other ones each time: nobody gains by compressing them, or by having seen the same page before.
 * What compression gains is measured apart.
 */
export class RandomPages {
  readonly #pool: Buffer;
  #turn = 0;

  constructor(pool_mib: number) {
    this.#pool = randomFillSync(Buffer.allocUnsafe(pool_mib * 1024 * 1024));
  }

  readonly data = (batch: readonly number[]): Buffer => {
    const bytes = batch.length * PAGE_BYTES;
    this.#turn += 1;
    const at = (this.#turn * 1_000_003) % (this.#pool.length - bytes);
    return this.#pool.subarray(at, at + bytes);
  };
}
