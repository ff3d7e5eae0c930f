/** A few inputs of each fuzzer, always the same; hours of them by hand: npm run fuzz. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt, fuzz } from '../../fuzz/run.js';
import { Finding, mustBeSentence, split, type Target } from '../../fuzz/target.js';
import { makeTarget, TARGETS } from '../../fuzz/targets/all.js';
import { Random } from '../../simulator/random.js';

const SEED = 1;
const INPUTS: Readonly<Record<string, number>> = {
  stream: 600,
  frames: 600,
  packed: 600,
  dump: 300,
  hello: 25,
  receiver: 3,
  control: 20,
  'tls-before': 15,
  'tls-after': 15,
  'agent-socket': 20,
};

describe('fuzzers', function () {
  this.timeout(120_000);
  let out = '';
  beforeEach(() => (out = mkdtempSync(join(tmpdir(), 'remus-fuzz-test-'))));
  afterEach(() => rmSync(out, { recursive: true, force: true }));

  for (const name of TARGETS)
    it(`${name}: nothing is found`, async () => {
      const found: string[] = [];
      const options = { name, seed: SEED, minutes: 1, out, findings_max: 1 };
      const inputs = INPUTS[name] ?? 10;
      const say = (text: string): unknown => found.push(text);
      const fuzzed = await fuzz(makeTarget(name), { ...options, inputs, say });
      assert.deepEqual(found, []);
      assert.ok(fuzzed.inputs > 0 && fuzzed.outcomes.size > 1);
    });

  it('the same seed makes the same inputs', async () => {
    for (const name of ['stream', 'frames', 'dump']) {
      const target = makeTarget(name);
      await target.open();
      for (let seed = 0; seed < 20; seed += 1)
        assert.deepEqual(target.make(new Random(seed)), target.make(new Random(seed)));
      await target.close();
    }
  });

  it('what breaks a rule is kept, with the command that shows it again', async () => {
    let fed = 0;
    const target: Target = {
      open: () => Promise.resolve(),
      close: () => Promise.resolve(),
      make: (random) => Buffer.from(random.hex(8)),
      feed: () => {
        fed += 1;
        return fed === 3 ? Promise.reject(new Finding('it fell over')) : Promise.resolve('right');
      },
    };
    let said = '';
    const options = { name: 'x', seed: 7, inputs: 5, minutes: 1, out, findings_max: 9 };
    const { inputs, findings, outcomes } = await fuzz(target, {
      ...options,
      say: (text) => (said += text),
    });
    assert.deepEqual([inputs, findings.length, outcomes.get('right')], [5, 1, 4]);
    assert.match(said, /^FOUND: it fell over\n {2}again: npm run fuzz -- --target x --replay /);
    assert.deepEqual(readdirSync(out).sort(), ['x-7-1.bin', 'x-7-2.bin', 'x-7-3.bin']);
    assert.equal(await attempt(target, Buffer.alloc(0)), 'right');
  });

  it('know what may be told to people', () => {
    mustBeSentence('the backup refused: "x" is not a number');
    const wrong = ['', 'a\nb', 'a\u009bb', 'x'.repeat(2000), 'TypeError: x', 'at f (a.js:1:2)'];
    for (const text of wrong) assert.throws(() => mustBeSentence(text), Finding, text);
  });

  it('cut an input into the same pieces each time', () => {
    const input = Buffer.from(new Random(1).hex(5000));
    assert.deepEqual(split(input), split(input));
    assert.deepEqual(Buffer.concat(split(input)), input);
    assert.deepEqual(split(Buffer.alloc(0)), []);
  });
});
