import { type Ctl, DomainGone } from './ctl.js';
import { FRAMES, HOLE, SPECIAL_FIRST } from './domain/memory.js';
import { release } from './paths.js';
import { writeAll, log } from './stdio.js';
import { imageHeaders, LX, pageData, record, XC } from './stream/format.js';
import { cpuidPolicy, hvmContext, hvmParams, msrPolicy, tscInfo } from './stream/vcpu.js';

const BATCH_PAGES = 1024;
/** The live rounds after the first copy end when few pages are left, or at this one. */
const LIVE_ROUNDS_MAX = 3;
const FEW_PAGES = 50;

/** The reader of the stream is gone. */
export class StreamBroken extends Error {}

/** `485/485  100%` as libxc prints it. */
function progress(label: string, done: number, total: number): void {
  const percent = total === 0 ? 0 : Math.floor((done * 100) / total);
  log(`xc: progress: ${label}: ${done}/${total}  ${String(percent).padStart(3)}%`);
}

/** libxl-save-helper's part: reads the guest's memory and writes libxc's records, blocking on the pipe. */
export class Saver {
  private readonly ctl: Ctl;
  private readonly fd: number;
  private readonly ramPages: number;
  private readonly vcpus: number;

  constructor(ctl: Ctl, fd: number, memoryMiB: number, vcpus: number) {
    this.ctl = ctl;
    this.fd = fd;
    this.ramPages = memoryMiB * 256;
    this.vcpus = vcpus;
  }

  write(data: Buffer): void {
    try {
      writeAll(this.fd, data);
    } catch {
      throw new StreamBroken();
    }
  }

  /** Headers and static data: what comes before the first page. */
  writeHeaders(): void {
    this.write(imageHeaders(release() === '4.17' ? 17 : 20));
    this.write(record(XC.X86_CPUID_POLICY, cpuidPolicy()));
    this.write(record(XC.X86_MSR_POLICY, msrPolicy()));
    this.write(record(XC.STATIC_DATA_END));
  }

  /** All of memory, and then what became dirty meanwhile, while the guest runs. Gives the number of the next round. */
  async copyLive(): Promise<number> {
    await this.ctl.call({ op: 'log-start' });
    let shown = 0;
    for (let first = 0; first < FRAMES; first += BATCH_PAGES) {
      await this.writeBatch(Array.from({ length: BATCH_PAGES }, (_, i) => first + i));
      const percent = Math.floor(((first + BATCH_PAGES) * 100) / FRAMES);
      if (percent < shown + 5) continue;
      shown = percent - (percent % 5);
      progress('Frames iteration 0', first + BATCH_PAGES, FRAMES);
    }
    for (let round = 1; round <= LIVE_ROUNDS_MAX; round++) {
      const pfns = await this.dirty();
      progress(`Frames iteration ${round}`, 0, pfns.length);
      await this.writePages(pfns);
      if (pfns.length > 0) progress(`Frames iteration ${round}`, pfns.length, pfns.length);
      if (pfns.length < FEW_PAGES) return round + 1;
    }
    return LIVE_ROUNDS_MAX + 1;
  }

  /** What is dirty and the rest of a checkpoint's libxc records, of a guest that is suspended. */
  async copySuspended(label: string): Promise<void> {
    const pfns = await this.dirty();
    await this.writePages(pfns);
    progress(label, pfns.length, pfns.length);
    this.write(record(XC.X86_TSC_INFO, tscInfo()));
    this.write(record(XC.HVM_CONTEXT, hvmContext(this.vcpus, release())));
    this.write(record(XC.HVM_PARAMS, hvmParams()));
    this.write(record(XC.CHECKPOINT));
  }

  writeCheckpointEnd(): void {
    this.write(record(LX.CHECKPOINT_END));
  }

  private async dirty(): Promise<number[]> {
    const { bin } = await this.ctl.call({ op: 'dirty' });
    return Array.from({ length: bin.length / 4 }, (_, i) => bin.readUInt32LE(i * 4));
  }

  private async writePages(pfns: readonly number[]): Promise<void> {
    for (let at = 0; at < pfns.length; at += BATCH_PAGES)
      await this.writeBatch(pfns.slice(at, at + BATCH_PAGES));
  }

  private async writeBatch(pfns: readonly number[]): Promise<void> {
    const present = pfns.filter((pfn) => this.hasMemory(pfn));
    let pages: Buffer = Buffer.alloc(0);
    if (present.length > 0) {
      const wanted = Buffer.from(Uint32Array.from(present).buffer);
      const { head, bin } = await this.ctl.call({ op: 'read' }, wanted);
      if (head.ok !== true) throw new DomainGone();
      pages = bin;
    }
    this.write(pageData(pfns, (pfn) => this.hasMemory(pfn), pages));
  }

  private hasMemory(pfn: number): boolean {
    return pfn !== HOLE && (pfn < this.ramPages || pfn >= SPECIAL_FIRST);
  }
}

/** The line that libxc prints when the guest is suspended. */
export function logSuspended(): void {
  progress('Domain now suspended', 0, 0);
}
