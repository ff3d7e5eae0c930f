/** A control socket that answers with canned lines: bytes, not our own protocol code. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class FakeDaemon {
  readonly run_dir = mkdtempSync(join(tmpdir(), 'remusctl-test-'));
  /** The requests' texts, whole. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #answer: (socket: Socket) => void = (socket) => socket.destroy();

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<void> {
    const path = join(this.run_dir, 'remusd.sock');
    await new Promise<void>((resolve) => this.#server.listen(path, resolve));
  }

  /** What it does from now on when a whole request has come. */
  answers(act: string | ((socket: Socket) => void)): void {
    this.#answer = typeof act === 'string' ? (socket) => socket.end(act) : act;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.run_dir, { recursive: true, force: true });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (!text.endsWith('\n\n')) return;
      this.requests.push(text);
      this.#answer(socket);
    });
  }
}
