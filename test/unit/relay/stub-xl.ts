/**
 * A stand-in for `xl migrate-receive -r -e` and `xl destroy`: reads the stream as xl does and writes what
 * it saw into files of the directory STUB_XL: `complete` (checkpoints), `outcome` (eof, activated), `calls`.
 */
import { appendFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DecodeError } from '../../../daemon/stream/decode-error.js';
import { StreamDecoder } from '../../../daemon/stream/decoder.js';

const dir = process.env['STUB_XL'] ?? '/nonexistent';
const argv = process.argv.slice(2);
appendFileSync(join(dir, 'calls'), `${argv.join(' ')}\n`);

function receive(): number {
  writeSync(1, 'xl migration receiver ready, send binary domain data.\n');
  const decoder = new StreamDecoder();
  const buffer = Buffer.alloc(65536);
  for (;;) {
    const got = readSync(0, buffer);
    if (got === 0) return outcome('eof', 1);
    try {
      decoder.push(buffer.subarray(0, got));
    } catch (error) {
      return stopped(decoder, error);
    }
    writeFileSync(join(dir, 'complete'), String(decoder.completed));
  }
}

function stopped(decoder: StreamDecoder, error: unknown): number {
  if (!(error instanceof DecodeError)) throw error;
  if (error.code !== 'too-long' || !decoder.at_boundary) {
    // The decoder has begun the next "checkpoint" with the impossible header itself.
    const at_end = error.offset === decoder.offset - 8;
    if (!at_end) return outcome(`broken: ${error.message}`, 1);
  }
  writeSync(2, 'migration target: Remus Failover for domain 5\n');
  return outcome(`activated ${decoder.completed}`, 0);
}

function outcome(text: string, code: number): number {
  writeFileSync(join(dir, 'outcome'), text);
  return code;
}

if (argv[0] === 'migrate-receive') process.exitCode = receive();
