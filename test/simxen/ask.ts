// ask ADDRESS CLIENT N [TIMEOUT_MS]: one request to a simulated guest; prints its answer, or "timeout". ask ADDRESS WORD: a control word.
import { createSocket } from 'node:dgram';
import { GUEST_PORT } from './domain/net.js';

const DEFAULT_TIMEOUT_MS = 500;
const [address = '', client = '', n, timeoutMs] = process.argv.slice(2);
const socket = createSocket('udp4');
const timer = setTimeout(() => end('timeout', 1), Number(timeoutMs ?? DEFAULT_TIMEOUT_MS));

function end(text: string, code: number): void {
  clearTimeout(timer);
  if (text !== '') console.log(text);
  process.exitCode = code;
  socket.close();
}

socket.on('message', (data) => end(data.toString('utf8'), 0));
socket.send(n === undefined ? client : `ask ${client} ${n}`, GUEST_PORT, address, () => {
  if (n === undefined) end('', 0);
});
