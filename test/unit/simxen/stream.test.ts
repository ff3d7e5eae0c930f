import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fromJson, printJson } from '../../simxen/cfg.js';
import { imageHeaders, record, XC, xlHeader } from '../../simxen/stream/format.js';
import { hvmContext, hvmParams, tscInfo } from '../../simxen/stream/vcpu.js';
import { checkpoints, fixture, Host, ROOT, until } from './harness.js';
import { walk, type Walk } from './stream-walk.js';

/** Records with runs of PAGE_DATA as one, and fixed lengths. */
function shape(walked: Walk): string[] {
  const lines = walked.records.map(({ layer, type, length }) =>
    layer === 'libxc' && type === XC.PAGE_DATA ? 'PAGE_DATA' : `${layer} ${type} ${length}`,
  );
  return lines.filter((line, i) => line !== 'PAGE_DATA' || lines[i - 1] !== line);
}

describe('simulated xen: the stream', () => {
  let real: Buffer;
  let host: Host;
  let data: Buffer;

  before(async function () {
    this.timeout(60_000);
    real = gunzipSync(readFileSync(join(ROOT, 'test/fixtures/xen/pvhc.tx.bin.gz')));
    host = new Host('4.17');
    await host.create('pvhc');
    const file = join(host.dir, 'capture');
    const banner = "printf 'xl migration receiver ready, send binary domain data.\\n'";
    const run = host.start([
      'remus',
      '-F',
      '-n',
      '-d',
      '-i',
      '20',
      '-s',
      '',
      'pvhc',
      `${banner}; exec cat >${file}`,
    ]);
    await until('checkpoints', () => checkpoints(run.stderr) >= 5);
    run.child.kill('SIGKILL');
    await run.ended;
    data = readFileSync(file);
  });

  after(() => host.close());

  it('begins with the same bytes as the real one', () => {
    assert.deepEqual(data.subarray(0, 44), real.subarray(0, 44));
    const json = walk(real).json;
    assert.equal(printJson(fromJson(JSON.parse(json) as Record<string, unknown>).json), json);
    assert.deepEqual(xlHeader(json), real.subarray(0, walk(real).libxlAt));
    const at = walk(real).libxlAt;
    assert.deepEqual(imageHeaders(17), real.subarray(at, at + 64));
    assert.deepEqual(
      data.subarray(walk(data).libxlAt, walk(data).libxlAt + 64),
      real.subarray(at, at + 64),
    );
  });

  it('has the same records in the same order and of the same lengths', () => {
    const expected = shape(walk(real)).slice(0, 30);
    assert.deepEqual(shape(walk(data)).slice(0, 30), expected);
  });

  it('is read by the walker as the recording lists it', () => {
    const lines = fixture('51-stream-pvhc-records.txt').split('\n');
    const listed = lines.filter((line) => /^@\d+ +lib(xl|xc) rec/.test(line));
    const walked = walk(real).records;
    assert.equal(walked.length, listed.length);
    walked.forEach((found, i) => {
      const match = /^@(\d+) +(libx[lc]) rec type (\S+) \S+ len (\d+)/.exec(listed[i] ?? '');
      assert.deepEqual(
        [found.at, found.layer, found.type, found.length],
        [Number(match?.[1]), match?.[2], Number(match?.[3]), Number(match?.[4])],
      );
    });
  });

  it('copies every frame once, first, in records of 1024', () => {
    const first = walk(data)
      .records.filter(({ layer, type }) => layer === 'libxc' && type === XC.PAGE_DATA)
      .slice(0, 1020);
    first.forEach(({ at, length }, i) => {
      assert.equal(data.readUInt32LE(at + 8), 1024);
      assert.equal(data.readBigUInt64LE(at + 16) & 0xfffffffffffffn, BigInt(i * 1024));
      if (i > 2 && i < 1019) assert.equal(length, 8200);
    });
    const real0 = walk(real).records.find(
      ({ layer, type }) => layer === 'libxc' && type === XC.PAGE_DATA,
    );
    assert.equal(first[0]?.length, real0?.length);
  });

  it('has the same TSC and HVM parameter records, and the same parts in the HVM context', () => {
    const bodyOf = (type: number): Buffer => {
      const found = walk(real).records.find((r) => r.layer === 'libxc' && r.type === type);
      assert.ok(found);
      return real.subarray(found.at, found.at + 8 + found.length);
    };
    assert.deepEqual(record(XC.X86_TSC_INFO, tscInfo()), bodyOf(XC.X86_TSC_INFO));
    assert.deepEqual(record(XC.HVM_PARAMS, hvmParams()), bodyOf(XC.HVM_PARAMS));
    const parts = (body: Buffer): string[] => {
      const found: string[] = [];
      for (let at = 0; at < body.length; at += 8 + body.readUInt32LE(at + 4))
        found.push(
          `${body.readUInt16LE(at)} ${body.readUInt16LE(at + 2)} ${body.readUInt32LE(at + 4)}`,
        );
      return found;
    };
    assert.deepEqual(parts(hvmContext(1, '4.17')), parts(bodyOf(XC.HVM_CONTEXT).subarray(8)));
    assert.equal(hvmContext(1, '4.17').length, 2504);
    assert.equal(hvmContext(2, '4.20').length, 4928);
  });

  it('is never shorter than a page in a checkpoint', () => {
    let bytes = 0;
    for (const { type, layer, length } of walk(data).records) {
      bytes += length + 8;
      if (layer === 'libxl') {
        if (type === 4) assert.ok(bytes > 4096);
        bytes = 0;
      }
    }
  });
});
