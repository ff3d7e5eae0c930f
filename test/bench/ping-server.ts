/**
 * ping-server.js STATEDIR FINGERPRINT: the far end of a TLS connection like the product's. Answers each message (a u32 with its length,
 * and so many bytes) with 13 bytes when all of it has come. Says its port; ends with its standard input.
 */
import type { TLSSocket } from 'node:tls';
import { readIdentity } from '../../daemon/adapters/identity.js';
import { listenTls } from '../../daemon/adapters/peer-tls.js';

/** As long as an acknowledgement's frame. */
const ANSWER = Buffer.alloc(13);
const HEAD_BYTES = 4;

function answer(socket: TLSSocket): void {
  let head = Buffer.alloc(0);
  let left = 0;
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk;
    while (rest.length > 0) {
      if (left === 0) {
        const missing = HEAD_BYTES - head.length;
        head = Buffer.concat([head, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (head.length < HEAD_BYTES) return;
        left = head.readUInt32BE();
        head = Buffer.alloc(0);
      }
      const taken = Math.min(left, rest.length);
      left -= taken;
      rest = rest.subarray(taken);
      if (left === 0) socket.write(ANSWER);
    }
  });
}

const [state_dir = '', fingerprint = ''] = process.argv.slice(2);
const listener = await listenTls({
  identity: await readIdentity(state_dir),
  host: '127.0.0.1',
  port: 0,
  allowed: () => new Set([fingerprint]),
  onConnection: (socket) => answer(socket),
});
process.stdout.write(`${listener.port}\n`);
process.stdin.on('end', () => process.exit(0)).resume();
