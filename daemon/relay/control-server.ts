import { rename, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { LineSplitter } from '../adapters/lines.js';
import type { DataProcessState } from './control.js';

const CONNECTIONS_MAX = 8;
const LINE_BYTES_MAX = 64 * 1024;
/** A daemon that leaves this much unread is dropped; it may connect again. */
const UNREAD_BYTES_MAX = 256 * 1024;
/** For a last line to be read. */
const LINGER_MS = 5_000;

/** One connection, for what only it is told. */
export interface ControlConnection {
  /** From now on it is told nothing but what is sent to it here. */
  mute(): void;
  /** False: it is not to be sent more before it has read what there is. */
  send(message: object): boolean;
  onDrain(go: () => void): void;
  onClose(gone: () => void): void;
  /** The last line. */
  end(message: object): void;
  drop(): void;
}

/** Carries a command out; false when the line is not one: that connection is dropped. */
export type OnLine = (line: string, connection: ControlConnection) => boolean;

/** The unix socket on which a data process answers to remusd. See control.ts for what is said. */
export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Of these, those that are told what changes. */
  readonly #told = new Set<Socket>();
  readonly #state: () => DataProcessState;
  readonly #onLine: OnLine;

  private constructor(state: () => DataProcessState, onLine: OnLine) {
    this.#state = state;
    this.#onLine = onLine;
    this.#server = createServer((socket) => this.#accept(socket));
    // Out of descriptors, for example: whoever connects sees it and tries again.
    this.#server.on('error', () => undefined);
  }

  /** The caller has set the umask: whoever may connect may command. */
  static async listen(
    path: string,
    state: () => DataProcessState,
    onLine: OnLine,
  ): Promise<ControlServer> {
    const control = new ControlServer(state, onLine);
    // Bound, then listened to, then found: who finds the socket can connect.
    const made_as = `${path}.new`;
    await rm(made_as, { force: true });
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', reject);
      control.#server.listen(made_as, () => {
        control.#server.off('error', reject);
        resolve();
      });
    });
    await rename(made_as, path);
    return control;
  }

  /** Tells every connection the state as it is now. */
  broadcast(): void {
    this.tell(this.#state);
  }

  /** Tells every connection something else, which nobody need understand. */
  tell(make: () => object): void {
    if (this.#told.size === 0) return;
    const line = lineOf(make());
    for (const socket of this.#told) this.#write(socket, line);
  }

  /** Ends every connection after what has been written to it, within 200 ms. */
  async close(): Promise<void> {
    this.#server.close();
    const sockets = [...this.#sockets];
    const ended = sockets.map((s) => new Promise<void>((done) => s.end(() => done())));
    const late = new Promise<void>((done) => setTimeout(done, 200));
    await Promise.race([Promise.all(ended), late]);
    for (const socket of sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    // The newest connection is the daemon of now; the oldest may be a dead one's.
    for (const oldest of this.#sockets) {
      if (this.#sockets.size < CONNECTIONS_MAX) break;
      oldest.destroy();
      this.#forget(oldest);
    }
    this.#sockets.add(socket);
    this.#told.add(socket);
    const connection = this.#connection(socket);
    const splitter = new LineSplitter(LINE_BYTES_MAX, 'throw');
    socket.on('data', (chunk: Buffer) => this.#read(socket, connection, splitter, chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#forget(socket));
    this.#write(socket, lineOf(this.#state()));
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket);
    this.#told.delete(socket);
  }

  #connection(socket: Socket): ControlConnection {
    return {
      mute: () => void this.#told.delete(socket),
      send: (message) => {
        this.#write(socket, lineOf(message));
        return !socket.writableNeedDrain;
      },
      onDrain: (go) => void socket.on('drain', go),
      onClose: (gone) => void socket.once('close', gone),
      end: (message) => {
        this.#told.delete(socket);
        socket.end(lineOf(message));
        setTimeout(() => socket.destroy(), LINGER_MS).unref();
      },
      drop: () => void socket.destroy(),
    };
  }

  #read(
    socket: Socket,
    connection: ControlConnection,
    splitter: LineSplitter,
    chunk: Buffer,
  ): void {
    try {
      for (const line of splitter.push(chunk)) {
        if (!this.#onLine(line, connection)) {
          socket.destroy();
          return;
        }
      }
    } catch {
      socket.destroy();
    }
  }

  #write(socket: Socket, line: string): void {
    if (socket.writableLength > UNREAD_BYTES_MAX) socket.destroy();
    else socket.write(line);
  }
}

function lineOf(message: object): string {
  return `${JSON.stringify(message)}\n`;
}
