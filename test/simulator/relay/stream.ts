/**
 * A migration stream of a small guest, byte by byte as xl writes it, and what memory each checkpoint of it has.
 * The bytes go through the real sessions; only who has them all can resume the guest.
 */
import { LIBXC, LIBXL } from '../../../daemon/stream/records.js';
import {
  hvmParams,
  imageHeaders,
  libxlHeader,
  pageData,
  record,
  xlHeader,
} from '../../unit/stream/stream-builder.js';
import type { Memory } from '../memory.js';

export interface Checkpoint {
  readonly number: number;
  /** Where the next one begins. */
  readonly end: number;
  readonly memory: Memory;
}

/** Of every stream alike: only their length and their kind matter to those who read them. */
const PREAMBLE = Buffer.concat([
  xlHeader({ c_info: { name: 'vm1' }, b_info: { max_memkb: 1024, target_memkb: 1024 } }),
  libxlHeader(),
  record(LIBXL.LIBXC_CONTEXT),
  imageHeaders(),
  record(LIBXC.STATIC_DATA_END),
]);
/** Pages without data: 8 bytes each. */
const PAGES = pageData([0xf, 0xf, 0xf, 0xf]);
const CONTEXT = Buffer.concat([
  record(LIBXC.X86_TSC_INFO, Buffer.alloc(24)),
  record(LIBXC.HVM_CONTEXT, Buffer.alloc(64, 1)),
  hvmParams(1),
  record(LIBXC.CHECKPOINT),
]);
const END = record(LIBXL.CHECKPOINT_END);

export class Stream {
  readonly checkpoints: Checkpoint[] = [];
  #written = 0;

  get preamble(): Buffer {
    return PREAMBLE;
  }

  get pages(): Buffer {
    return PAGES;
  }

  /** What is written while the guest is suspended. */
  get suspended(): readonly Buffer[] {
    return [PAGES, CONTEXT];
  }

  get end(): Buffer {
    return END;
  }

  wrote(bytes: number): void {
    this.#written += bytes;
  }

  completed(memory: Memory): void {
    const number = this.checkpoints.length + 1;
    this.checkpoints.push({ number, end: this.#written, memory });
  }

  /** The last checkpoint that lies whole before this place. */
  whole(position: number): Checkpoint | null {
    for (let n = this.checkpoints.length - 1; n >= 0; n -= 1) {
      const one = this.checkpoints[n];
      if (one !== undefined && one.end <= position) return one;
    }
    return null;
  }
}
