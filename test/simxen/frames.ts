import type { Socket } from 'node:net';

/** One message on a domain's control socket: a JSON line, then `bin` bytes. */
export interface Frame {
  readonly head: Record<string, unknown>;
  readonly bin: Buffer;
}

const LINE_BYTES_MAX = 1 << 16;
const BIN_BYTES_MAX = 16 << 20;
const EMPTY = Buffer.alloc(0);

/** Cuts a byte stream into frames. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private have = 0;
  private head: Record<string, unknown> | undefined;
  private want = 0;
  private readonly onFrame: (frame: Frame) => void;

  constructor(onFrame: (frame: Frame) => void) {
    this.onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.have += chunk.length;
    while (this.step());
  }

  private step(): boolean {
    if (this.head === undefined && !this.readHead()) return false;
    if (this.have < this.want) return false;
    const all = this.join();
    const bin = this.want === 0 ? EMPTY : all.subarray(0, this.want);
    this.keep(all.subarray(this.want));
    const head = this.head ?? {};
    this.head = undefined;
    this.want = 0;
    this.onFrame({ head, bin });
    return this.have > 0;
  }

  private readHead(): boolean {
    if (this.have === 0) return false;
    const all = this.join();
    const end = all.indexOf(10);
    if (end < 0) {
      if (all.length > LINE_BYTES_MAX) throw new Error('simxen: control line too long');
      this.keep(all);
      return false;
    }
    this.head = JSON.parse(all.toString('utf8', 0, end)) as Record<string, unknown>;
    this.want = typeof this.head.bin === 'number' ? this.head.bin : 0;
    if (this.want < 0 || this.want > BIN_BYTES_MAX)
      throw new Error('simxen: control data too long');
    this.keep(all.subarray(end + 1));
    return true;
  }

  private join(): Buffer {
    const [first] = this.chunks;
    if (this.chunks.length === 1 && first !== undefined) return first;
    const all = Buffer.concat(this.chunks);
    this.chunks = [all];
    return all;
  }

  private keep(rest: Buffer): void {
    this.chunks = rest.length > 0 ? [rest] : [];
    this.have = rest.length;
  }
}

/** Writes one frame. */
export function sendFrame(
  socket: Socket,
  head: Record<string, unknown>,
  bin: Buffer = EMPTY,
): void {
  socket.write(`${JSON.stringify({ ...head, bin: bin.length })}\n`);
  if (bin.length > 0) socket.write(bin);
}
