import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { createExec } from '../../daemon/adapters/exec.js';
import { ensureIdentity } from '../../daemon/adapters/identity.js';
import { connectTls } from '../../daemon/adapters/peer-tls.js';
import { Child } from './child.js';
import { within } from './cleanup.js';
import type { Place } from './place.js';

const program = fileURLToPath(new URL('ping-server.js', import.meta.url));
const WAIT_MS = 20_000;

/** The round trip of the link: TLS between two processes, set up as the product's, with nothing in them. */
export class Ping {
  readonly #socket: TLSSocket;
  readonly #server: Child;

  private constructor(socket: TLSSocket, server: Child) {
    this.#socket = socket;
    this.#server = server;
  }

  static async start(place: Place): Promise<Ping> {
    const exec = createExec();
    const [near, far] = [place.fresh('ping'), place.fresh('ping')];
    for (const dir of [near, far]) mkdirSync(dir);
    const identity = await ensureIdentity({ state_dir: near, exec });
    const { fingerprint } = await ensureIdentity({ state_dir: far, exec });
    const argv = [process.execPath, program, far, identity.fingerprint];
    const server = new Child(argv, ['pipe', 'pipe', 'inherit']);
    place.cleanup.add(() => server.stop());
    const { stdout } = server.process;
    if (stdout === null) throw new Error('the ping server has no output');
    const said = once(createInterface({ input: stdout }), 'line') as Promise<[string]>;
    const [port] = await within(WAIT_MS, "the ping server's start", said);
    const where = { host: '127.0.0.1', port: Number(port), expect: fingerprint };
    return new Ping(await connectTls({ identity, ...where, timeout_ms: WAIT_MS }), server);
  }

  /** Milliseconds until a message of so many bytes has come over, and 13 bytes have come back. */
  async roundTrip(bytes: number): Promise<number> {
    const message = Buffer.concat([Buffer.alloc(4), randomBytes(bytes)]);
    message.writeUInt32BE(bytes);
    const answered = once(this.#socket, 'data');
    const begun = performance.now();
    this.#socket.write(message);
    await within(WAIT_MS, 'a ping', answered);
    return performance.now() - begun;
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.#server.stop();
  }
}
