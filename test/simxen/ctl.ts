import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Frame, FrameReader, sendFrame } from './frames.js';
import { domainDir } from './paths.js';

/** The domain is gone: destroyed, or its process was killed. */
export class DomainGone extends Error {
  constructor() {
    super('simxen: the domain is gone');
  }
}

interface Waiter {
  resolve(frame: Frame): void;
  reject(error: Error): void;
}

/** A connection to a domain process. Calls are answered in order; events come in between. */
export class Ctl {
  onEvent: (head: Record<string, unknown>) => void = () => undefined;
  onClose: () => void = () => undefined;
  gone = false;
  private readonly socket: Socket;
  private readonly waiting: Waiter[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader((frame) => this.accept(frame));
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.lost());
  }

  static open(domid: number): Promise<Ctl> {
    return new Promise((resolve, reject) => {
      const socket = connect(join(domainDir(domid), 'ctl.sock'));
      socket.once('connect', () => resolve(new Ctl(socket)));
      socket.once('error', () => reject(new DomainGone()));
    });
  }

  call(head: Record<string, unknown>, bin?: Buffer): Promise<Frame> {
    if (this.gone) return Promise.reject(new DomainGone());
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      sendFrame(this.socket, head, bin);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private accept(frame: Frame): void {
    if (frame.head.event !== undefined) this.onEvent(frame.head);
    else this.waiting.shift()?.resolve(frame);
  }

  private lost(): void {
    this.gone = true;
    for (const waiter of this.waiting.splice(0)) waiter.reject(new DomainGone());
    this.onClose();
  }
}

/** One call on a connection of its own; undefined when the domain is gone. */
export async function callDomain(
  domid: number,
  head: Record<string, unknown>,
): Promise<Record<string, unknown> | undefined> {
  try {
    const ctl = await Ctl.open(domid);
    try {
      return (await ctl.call(head)).head;
    } finally {
      ctl.close();
    }
  } catch (error) {
    if (error instanceof DomainGone) return undefined;
    throw error;
  }
}
