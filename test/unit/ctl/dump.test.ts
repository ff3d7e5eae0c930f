/** remusctl dump, as a process, on a real capture. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { checkpoint, defaultConfig, preamble } from '../stream/stream-builder.js';
import { assertScreen } from './golden.js';

const main = resolve(import.meta.dirname, '../../../ctl/main.js');
const capture = 'test/fixtures/xen/pvhc.tx.bin.gz';

function dump(args: readonly string[], input?: Buffer) {
  const options = { maxBuffer: 1 << 28, ...(input === undefined ? {} : { input }) };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'dump', ...args], options);
  return { code: status, out: stdout.toString(), err: stderr.toString() };
}

describe('remusctl dump', function () {
  this.timeout(60_000);
  let dir = '';
  before(() => (dir = mkdtempSync(join(tmpdir(), 'remusctl-dump-'))));
  after(() => rmSync(dir, { recursive: true }));

  it('a gzipped capture of Xen 4.17: the stream in its parts, and each checkpoint', () => {
    const { code, out, err } = dump([capture, '--summary']);
    assert.deepEqual([code, err], [0, '']);
    assertScreen('dump-summary', out);
  });

  it('each record, as another program has listed them', () => {
    const { out } = dump([capture]);
    const found = out.split('\n').filter((line) => line.startsWith('0x'));
    const listing = readFileSync('test/fixtures/xen/51-stream-pvhc-records.txt', 'utf8');
    const wanted = listing.split('\n').filter((line) => /^@\d+ +lib\w+ rec type/.test(line));
    assert.equal(found.length, wanted.length);
    assert.match(found[0] ?? '', /^0x[0-9a-f]+ +libxl +LIBXC_CONTEXT +0$/);
  });

  it('--json: an object a line, from stdin', () => {
    const { code, out } = dump(['-', '--json', '--summary'], gunzipSync(readFileSync(capture)));
    const events = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    assert.equal(code, 0);
    assert.equal(events.filter(({ type }) => type === 'checkpoint-end').length, 25);
    assert.ok(events.every(({ type }) => type !== 'record'));
  });

  it('a stream that is cut off: what is whole, and exit code 1', () => {
    const path = join(dir, 'cut');
    writeFileSync(path, gunzipSync(readFileSync(capture)).subarray(0, 60_000_000));
    const { code, err } = dump([path, '--summary']);
    assert.equal(code, 1);
    assert.match(err, /cut off after 60000000 bytes, in the middle of a checkpoint; /);
  });

  it('a garbled byte: where, what, and what is whole before it', () => {
    const whole = gunzipSync(readFileSync(capture));
    const at = whole.indexOf('LibxlFmt');
    whole[at] = 0;
    const { code, err } = dump(['-'], whole);
    assert.equal(code, 1);
    assert.match(err, new RegExp(`byte ${at} \\(0x[0-9a-f]+\\) is wrong \\(bad-magic\\): `));
    assert.match(err, /no checkpoint is complete/);
  });

  it('a domain with a name that would drive the terminal', () => {
    const name = '\u001b[2J\u009b31mvm\u007f';
    const stream = Buffer.concat([preamble(defaultConfig(name, 8)), checkpoint(1)]);
    assert.match(dump(['-'], stream).out, /\ndomain \[2J 31mvm, memory/);
    const { out } = dump(['-', '--json'], stream);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    const line = out.split('\n').find((one) => one.includes('"type":"header"')) ?? '';
    assert.equal((JSON.parse(line) as { config: { name: string } }).config.name, name);
  });

  it('a file that is not there, and half a gzip file', () => {
    const path = join(dir, 'half.gz');
    writeFileSync(path, readFileSync(capture).subarray(0, 100_000));
    for (const [file, why] of [
      [join(dir, 'none'), 'no such file or directory'],
      [dir, 'it is a directory'],
      [path, 'unexpected end of file'],
    ] as const) {
      const { code, err } = dump([file, '--summary']);
      assert.equal(code, 1);
      assert.equal(err, `remusctl: ${file} cannot be read: ${why}\n`);
    }
  });
});
