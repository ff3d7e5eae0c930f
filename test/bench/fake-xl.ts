/**
 * The bench's `xl remus`: a process that runs transports as xl does (a real pipe of 64 KiB, written to with blocking writes) and
 * writes streams into them. Orders come on standard input, see fake-xl-protocol.ts.
 */
import { writeSync, writevSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  type Transport,
  closeTransport,
  readExactly,
  startTransport,
} from '../simxen/transport.js';
import { BANNER } from '../simxen/stream/format.js';
import { now_ms } from './clock.js';
import type { Answer, Order, Written } from './fake-xl-protocol.js';
import { type Pattern, makePattern } from './patterns.js';
import {
  CHECKPOINT_END,
  RandomPages,
  pageRecords,
  pfnsOf,
  preamble,
  suspendedTail,
} from './stream.js';

const POOL_MIB = 64;
const pause = new Int32Array(new SharedArrayBuffer(4));

interface Line {
  readonly transport: Transport;
  bytes: number;
  next_ms: number;
}

type Pieces = readonly (readonly Buffer[])[];

class FakeXl {
  readonly #lines = new Map<number, Line>();
  readonly #patterns = new Map<string, Pattern>();
  readonly #pages = new RandomPages(POOL_MIB);
  /** Of what is being done now. */
  #count = 0;
  #begun_ms = 0;

  obey(order: Order): Written {
    this.#begun_ms = 0;
    this.#count = 0;
    const done = (line: Line | null, resumed_ms = now_ms(), of = 0): Written => ({
      begun_ms: this.#begun_ms,
      resumed_ms,
      ended_ms: now_ms(),
      total_bytes: line?.bytes ?? 0,
      count: this.#count,
      pid: line?.transport.child.pid ?? 0,
      of,
    });
    switch (order.op) {
      case 'start':
        return done(this.#start(order.line, order.command));
      case 'first': {
        const line = this.#line(order.line);
        const pages = pageRecords(pfnsOf(order.mib), this.#pages.data);
        return done(line, this.#write(line, [[preamble(order.mib)], ...pages]));
      }
      case 'checkpoint': {
        const line = this.#line(order.line);
        return done(line, this.#checkpoint(line, order.mib));
      }
      case 'burst':
        return done(this.#burst(order));
      case 'replay': {
        const line = this.#line(order.line);
        const pattern = this.#pattern(order.pattern);
        const resumed_ms = this.#replay(line, pattern, order.number);
        return done(line, resumed_ms, pattern.checkpoints.length);
      }
      case 'close':
        closeTransport(this.#line(order.line).transport);
        this.#lines.delete(order.line);
        return done(null);
    }
  }

  #start(number: number, command: string): Line {
    const transport = startTransport(command);
    const banner = readExactly(transport.receiveFd, BANNER.length).toString('latin1');
    if (banner !== BANNER) {
      closeTransport(transport);
      throw new Error(`no banner from: ${command}`);
    }
    const line = { transport, bytes: 0, next_ms: 0 };
    this.#lines.set(number, line);
    return line;
  }

  #line(number: number): Line {
    const line = this.#lines.get(number);
    if (line === undefined) throw new Error(`line ${number} is not open`);
    return line;
  }

  #checkpoint(line: Line, mib: number): number {
    return this.#write(line, pageRecords(pfnsOf(mib), this.#pages.data));
  }

  /** Pages, the tail, and when the guest runs again the end. Returns when that was. */
  #write(line: Line, pages: Pieces): number {
    for (const pieces of [...pages, ...suspendedTail()]) this.#put(line, pieces);
    const resumed_ms = now_ms();
    this.#put(line, [CHECKPOINT_END]);
    this.#count += 1;
    return resumed_ms;
  }

  #burst(order: Extract<Order, { op: 'burst' }>): Line | null {
    const lines = order.lines.map((number) => this.#line(number));
    const end_ms = now_ms() + order.for_ms;
    // Spread over the interval: the VMs of a host do not keep step.
    const start_ms = now_ms();
    lines.forEach((line, i) => (line.next_ms = start_ms + (order.interval_ms * i) / lines.length));
    let last: Line | null = null;
    for (let turn = 0; turn < order.count && now_ms() < end_ms; turn += 1) {
      for (const line of lines) {
        const early_ms = line.next_ms - now_ms();
        if (early_ms > 0) Atomics.wait(pause, 0, 0, early_ms);
        this.#checkpoint(line, order.mib);
        line.next_ms = Math.max(line.next_ms + order.interval_ms, now_ms() + order.gap_ms);
        last = line;
      }
    }
    return last;
  }

  #pattern(name: Pattern['name']): Pattern {
    let pattern = this.#patterns.get(name);
    if (pattern === undefined) {
      pattern = makePattern(name);
      // One at a time: they are big.
      this.#patterns.clear();
      this.#patterns.set(name, pattern);
    }
    return pattern;
  }

  #replay(line: Line, pattern: Pattern, number: number): number {
    const bytes = number === 0 ? pattern.first : pattern.checkpoints[number - 1];
    if (bytes === undefined) throw new Error(`${pattern.name} has no checkpoint ${number}`);
    const all_but_end = bytes.subarray(0, bytes.length - CHECKPOINT_END.length);
    this.#put(line, [all_but_end]);
    const resumed_ms = now_ms();
    this.#put(line, [CHECKPOINT_END]);
    this.#count += 1;
    return resumed_ms;
  }

  /** As libxc's writev_exact. */
  #put(line: Line, pieces: readonly Buffer[]): void {
    const fd = line.transport.sendFd;
    if (this.#begun_ms === 0) this.#begun_ms = now_ms();
    let left = pieces.reduce((sum, piece) => sum + piece.length, 0);
    line.bytes += left;
    let rest = [...pieces];
    while (left > 0) {
      const wrote = writevSync(fd, rest);
      left -= wrote;
      rest = after(rest, wrote);
    }
  }
}

/** What of the pieces comes after so many bytes. */
function after(pieces: readonly Buffer[], bytes: number): Buffer[] {
  let skip = bytes;
  const rest: Buffer[] = [];
  for (const piece of pieces) {
    const part = piece.subarray(Math.min(skip, piece.length));
    skip -= piece.length - part.length;
    if (part.length > 0) rest.push(part);
  }
  return rest;
}

const xl = new FakeXl();
const lines = createInterface({ input: process.stdin });
lines.on('line', (text) => {
  let answer: Answer;
  try {
    answer = { ok: true, ...xl.obey(JSON.parse(text) as Order) };
  } catch (error) {
    answer = { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
  writeSync(1, `${JSON.stringify(answer)}\n`);
});
// The bench is gone, and the transports with us: their input ends. A transport that hangs is not waited for.
lines.on('close', () => process.exit(0));
