// A simulated domain: one process with its own memory, that answers on a control socket and, if it has a vif, on the guest LAN.
// Started by spawn.ts with the domain's directory as its argument and file descriptor 3 to say "ready" on.
import { closeSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { FrameReader, type Frame, sendFrame } from '../frames.js';
import type { DomainInfo, DomainState } from '../registry.js';
import { Guest } from './guest.js';
import { GuestMemory, HOLE, PAGE, SPECIAL_FIRST } from './memory.js';
import { GuestNet } from './net.js';
import { Output } from './output.js';
import type { PlugAction } from './plug.js';

/** Shutdown reasons as Xen numbers them. */
const REASON = { poweroff: 0, reboot: 1, suspend: 2, crash: 3 } as const;
/** From the request in xenstore to the guest's taking it up, in milliseconds: in between a suspend overwrites it. */
const CONTROL_LATENCY_MS = 20;
/** How long the guest's own shutdown takes, in milliseconds. */
const SHUTDOWN_MS = 150;
const BATCH_PAGES_MAX = 1024;

type Reply = { head: Record<string, unknown>; bin?: Buffer };

class Domain {
  private readonly dir: string;
  private readonly info: DomainInfo;
  private readonly state: DomainState;
  private readonly memory: GuestMemory;
  private readonly guest: Guest;
  private readonly output = new Output(process.ppid);
  private readonly net: GuestNet;
  private readonly clients = new Set<Socket>();
  /** What a guest that is suspended or paused goes on with when it runs again. */
  private readonly waitingToRun = new Set<() => void>();
  private request: keyof typeof REASON | undefined;

  constructor(dir: string) {
    this.dir = dir;
    this.info = JSON.parse(readFileSync(join(dir, 'info.json'), 'utf8')) as DomainInfo;
    this.state = JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as DomainState;
    this.memory = new GuestMemory(this.info.memoryMiB);
    const { dirtyPages, tickMs } = this.info.load;
    this.guest = new Guest(this.memory, { dirtyPages, tickMs });
    this.net = new GuestNet(
      this.output,
      () => this.isRunning(),
      (text, reply) => this.hear(text, reply),
    );
    if (this.info.fresh) this.guest.boot();
    setInterval(() => {
      if (this.isRunning()) this.guest.tick();
    }, tickMs);
  }

  listen(ready: () => void): void {
    const server = createServer((socket) => this.serve(socket));
    server.listen(join(this.dir, 'ctl.sock'), () => {
      this.save();
      ready();
    });
  }

  private serve(socket: Socket): void {
    this.clients.add(socket);
    let turn: Promise<void> = Promise.resolve();
    const reader = new FrameReader((frame) => {
      turn = turn.then(() => this.answer(socket, frame));
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.clients.delete(socket));
  }

  private async answer(socket: Socket, frame: Frame): Promise<void> {
    try {
      const { head, bin } = await this.handle(frame);
      if (!socket.destroyed) sendFrame(socket, head, bin);
    } catch (error) {
      sendFrame(socket, { ok: false, error: String(error) });
    }
  }

  private async handle({ head, bin }: Frame): Promise<Reply> {
    switch (head.op) {
      case 'status':
        return { head: this.status() };
      case 'pause':
        return this.pause(true);
      case 'unpause':
        return this.pause(false);
      case 'suspend':
        return this.suspend();
      case 'resume':
        return this.resume();
      case 'request':
        return this.take(head.kind as keyof typeof REASON);
      case 'crash':
        return this.end(REASON.crash);
      case 'rename':
        return this.change({ name: String(head.name) });
      case 'built':
        return this.change({ memMb: this.info.memoryMiB, vcpus: Number(head.vcpus) });
      case 'net-up':
        await this.net.up(this.info.gip);
        return { head: { ok: true } };
      case 'destroy':
        return this.destroy();
      default:
        return this.handleMemory(String(head.op), bin) ?? this.handleTc(head);
    }
  }

  private handleMemory(op: string, bin: Buffer): Reply | undefined {
    switch (op) {
      case 'log-start':
        this.memory.startLog();
        return { head: { ok: true } };
      case 'log-stop':
        this.memory.stopLog();
        return { head: { ok: true } };
      case 'dirty': {
        const pfns = this.memory.takeDirty();
        return { head: { ok: true }, bin: Buffer.from(Uint32Array.from(pfns).buffer) };
      }
      case 'read':
        return { head: { ok: true }, bin: this.read(bin) };
      case 'write':
        return this.write(bin);
      default:
        return undefined;
    }
  }

  private handleTc(head: Record<string, unknown>): Reply {
    const ifb = String(head.ifb);
    const limit = Number(head.limit ?? 0);
    switch (head.op) {
      case 'tc-redirect':
        this.output.setRedirect(head.ifb === null ? undefined : ifb);
        return { head: { ok: true } };
      case 'tc-plug-add':
        this.output.addPlug(ifb, limit);
        return { head: { ok: true } };
      case 'tc-plug-del':
        this.output.deletePlug(ifb);
        return { head: { ok: true } };
      case 'tc-plug':
        return { head: { ok: this.output.change(ifb, head.action as PlugAction, limit) } };
      case 'tc-stats':
        return { head: { ok: true, stats: this.output.stats(ifb) ?? null } };
      default:
        return { head: { ok: false, error: 'unknown operation' } };
    }
  }

  private status(): Record<string, unknown> {
    const counters = this.guest.counters();
    return { ok: true, state: this.state, counters, request: this.request ?? null };
  }

  private isRunning(): boolean {
    return !this.state.paused && this.state.shutdown === null;
  }

  private pause(paused: boolean): Reply {
    const before = this.state.paused;
    const reply = this.change({ paused });
    if (before && !paused) {
      this.started();
      this.net.announce(this.guest.counters().boot);
    }
    return reply;
  }

  /** Suspends the guest for a checkpoint, if it can: a guest that is paused or down does not answer. */
  private suspend(): Reply {
    if (this.state.shutdown === REASON.suspend) return { head: { ok: true } };
    if (!this.isRunning()) {
      return { head: { ok: false, shutdown: this.state.shutdown, paused: this.state.paused } };
    }
    this.request = undefined;
    this.guest.touchOnSuspend();
    return this.change({ shutdown: REASON.suspend });
  }

  private resume(): Reply {
    const reason = this.state.shutdown;
    if (reason !== REASON.suspend) return { head: { ok: false, shutdown: reason } };
    const reply = this.change({ shutdown: null });
    this.started();
    return reply;
  }

  private started(): void {
    if (!this.isRunning()) return;
    this.net.resumed();
    const waiting = [...this.waitingToRun];
    this.waitingToRun.clear();
    for (const goOn of waiting) goOn();
  }

  /** xl shutdown and xl reboot: a word in xenstore, that the guest takes up a little later, or never. */
  private take(kind: keyof typeof REASON): Reply {
    this.request = kind;
    const latency_ms = this.info.controlLatencyMs ?? CONTROL_LATENCY_MS;
    const look = (): void => {
      // A suspend has overwritten it.
      if (this.request !== kind) return;
      if (!this.isRunning()) {
        this.waitingToRun.add(look);
        return;
      }
      this.request = undefined;
      this.shutDown(REASON[kind]);
    };
    if (latency_ms === 0) look();
    else setTimeout(look, latency_ms);
    return { head: { ok: true } };
  }

  /** The guest's own way down takes a while, in which it may be checkpointed. */
  private shutDown(reason: number): void {
    const down = (): void => {
      if (this.state.shutdown !== null && this.state.shutdown !== REASON.suspend) return;
      if (this.isRunning()) this.end(reason);
      else this.waitingToRun.add(down);
    };
    setTimeout(down, SHUTDOWN_MS);
  }

  private end(reason: number): Reply {
    return this.change({ shutdown: reason, ...(reason === REASON.poweroff ? { vcpus: 0 } : {}) });
  }

  private hear(text: string, reply: (answer: string) => void): void {
    const [word = '', client = '', n = ''] = text.trim().split(' ');
    if (word === 'ask') {
      const answer = /^\d+$/.test(n) ? this.guest.ask(client, Number(n)) : undefined;
      if (answer !== undefined) reply(answer);
    } else if (word === 'crash') {
      this.end(REASON.crash);
    } else if (word === 'poweroff' || word === 'reboot') {
      this.shutDown(REASON[word]);
    }
  }

  private read(pfns: Buffer): Buffer {
    const count = pfns.length / 4;
    if (count > BATCH_PAGES_MAX) throw new Error('too many pages');
    const pages: Buffer[] = [];
    for (let i = 0; i < count; i++) pages.push(this.memory.page(pfns.readUInt32LE(i * 4)));
    return Buffer.concat(pages);
  }

  /** `bin`: the count, the pfns, the pages. */
  private write(bin: Buffer): Reply {
    const count = bin.readUInt32LE(0);
    const data = 4 + count * 4;
    for (let i = 0; i < count; i++) {
      const pfn = bin.readUInt32LE(4 + i * 4);
      if (pfn === HOLE || (pfn >= this.memory.ramPages && pfn < SPECIAL_FIRST)) continue;
      bin.copy(this.memory.writable(pfn), 0, data + i * PAGE, data + (i + 1) * PAGE);
    }
    return { head: { ok: true } };
  }

  private change(change: Partial<DomainState>): Reply {
    Object.assign(this.state, change);
    this.save();
    for (const client of this.clients) sendFrame(client, { event: 'state', state: this.state });
    return { head: { ok: true } };
  }

  private save(): void {
    const path = join(this.dir, 'state.json');
    writeFileSync(`${path}.new`, JSON.stringify(this.state));
    renameSync(`${path}.new`, path);
  }

  private destroy(): Reply {
    setImmediate(() => {
      rmSync(this.dir, { recursive: true, force: true });
      process.exit(0);
    });
    return { head: { ok: true } };
  }
}

new Domain(process.argv[2] ?? '.').listen(() => {
  writeSync(3, 'ready\n');
  closeSync(3);
});
