import { type Server, type Socket, connect, createServer } from 'node:net';

/** Passes TCP connections on, and counts what goes through: the bytes that are on the wire, without TCP's own headers. */
export class CountingProxy {
  /** Both directions. */
  bytes = 0;
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, port: number, sockets: Set<Socket>) {
    this.#server = server;
    this.port = port;
    this.#sockets = sockets;
  }

  static start(to_port: number): Promise<CountingProxy> {
    return new Promise((resolve, reject) => {
      const sockets = new Set<Socket>();
      const server = createServer((near) => {
        const far = connect(to_port, '127.0.0.1');
        for (const [from, to] of [
          [near, far],
          [far, near],
        ] as const) {
          sockets.add(from.setNoDelay(true));
          from.on('data', (chunk: Buffer) => (proxy.bytes += chunk.length));
          from.on('error', () => to.destroy());
          from.on('close', () => sockets.delete(from));
          from.pipe(to);
        }
      });
      let proxy: CountingProxy;
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        const port = typeof address === 'object' && address !== null ? address.port : 0;
        proxy = new CountingProxy(server, port, sockets);
        resolve(proxy);
      });
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
