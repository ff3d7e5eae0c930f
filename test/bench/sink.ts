/**
 * sink.js REPORT: stands for `xl migrate-receive` at the far end. Says the banner, reads standard input and drops it, and for each
 * CHECKPOINT_END that a read ends with writes a line `BYTES MILLISECONDS` to REPORT: bytes so far, and the machine's monotonic clock.
 */
import { appendFileSync, readSync, writeSync } from 'node:fs';
import { BANNER } from '../simxen/stream/format.js';
import { now_ms } from './clock.js';
import { CHECKPOINT_END } from './stream.js';

const END = CHECKPOINT_END.length;
const CHUNK_BYTES = 256 * 1024;

const report = process.argv[2] ?? '/dev/null';
writeSync(1, BANNER);
// The last bytes of the read before stand in front of each read: an end may come in two pieces.
const buffer = Buffer.alloc(END + CHUNK_BYTES);
let total = 0;
for (;;) {
  const got = readSync(0, buffer, END, CHUNK_BYTES, null);
  if (got === 0) break;
  total += got;
  const last = buffer.subarray(got, got + END);
  if (last.equals(CHECKPOINT_END)) appendFileSync(report, `${total} ${now_ms()}\n`);
  last.copy(buffer);
}
