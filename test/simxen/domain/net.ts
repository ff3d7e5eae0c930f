import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { spawn } from 'node:child_process';
import type { Output } from './output.js';

/** The guest's UDP port. */
export const GUEST_PORT = 7000;
const DISCARD_PORT = 9;
/** Ethernet, IP and UDP headers, for the plug's count of bytes. */
const HEADER_BYTES = 42;
/** Packets that wait while the guest does not run, as in a vif's ring. */
const RING_PACKETS_MAX = 256;

/** Runs `ip -batch -` in this process's network namespace. */
function ipBatch(lines: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('ip', ['-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`ip: ${errors}`))));
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${lines.join('\n')}\n`);
  });
}

function broadcastOf(cidr: string): string | undefined {
  const [ip = '', bits = '24'] = cidr.split('/');
  const octets = ip.split('.').map(Number);
  if (octets.length !== 4) return undefined;
  const address = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const host = 2 ** (32 - Number(bits));
  const last = Math.floor(address / host) * host + host - 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) % 256).join('.');
}

/** The guest's network card: its eth0 in its own network namespace, with one UDP socket. */
export class GuestNet {
  private socket: Socket | undefined;
  private cidr: string | undefined;
  private readonly ring: { text: string; from: RemoteInfo }[] = [];
  private readonly output: Output;
  private readonly isRunning: () => boolean;
  private readonly onText: (text: string, reply: (answer: string) => void) => void;

  constructor(
    output: Output,
    isRunning: () => boolean,
    onText: (text: string, reply: (answer: string) => void) => void,
  ) {
    this.output = output;
    this.isRunning = isRunning;
    this.onText = onText;
  }

  /** Takes eth0 (the other end of the vif) into use. */
  async up(cidr: string | undefined): Promise<void> {
    const address = cidr === undefined ? [] : [`addr replace ${cidr} dev eth0`];
    await ipBatch([...address, 'link set lo up', 'link set eth0 up']);
    this.cidr = cidr;
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    socket.on('message', (data, from) => this.receive(data.toString('utf8'), from));
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => socket.bind(GUEST_PORT, '0.0.0.0', resolve));
    socket.setBroadcast(true);
    this.socket = socket;
  }

  /** A small broadcast, so that switches learn where this guest's address lives now. */
  announce(boot: string): void {
    const to = this.cidr === undefined ? undefined : broadcastOf(this.cidr);
    if (to !== undefined) this.send(`up ${boot}`, DISCARD_PORT, to);
  }

  /** The guest runs again: the packets that waited are taken in. */
  resumed(): void {
    while (this.isRunning()) {
      const waiting = this.ring.shift();
      if (waiting === undefined) return;
      this.handle(waiting.text, waiting.from);
    }
  }

  private receive(text: string, from: RemoteInfo): void {
    if (this.isRunning()) this.handle(text, from);
    else if (this.ring.length < RING_PACKETS_MAX) this.ring.push({ text, from });
  }

  private handle(text: string, from: RemoteInfo): void {
    this.onText(text, (answer) => this.send(answer, from.port, from.address));
  }

  private send(text: string, port: number, address: string): void {
    const data = Buffer.from(text);
    const { socket } = this;
    if (socket === undefined) return;
    this.output.send(data.length + HEADER_BYTES, () =>
      socket.send(data, port, address, () => undefined),
    );
  }
}
