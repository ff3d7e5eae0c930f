/** --watch on a terminal: repainted in place, and the cursor given back. */
import assert from 'node:assert/strict';
import { parse } from '../../../ctl/args.js';
import { status } from '../../../ctl/commands/status.js';
import type { World } from '../../../ctl/world.js';
import { LagHistory } from '../../../ctl/lag-history.js';
import { isUtf8 } from '../../../ctl/locale.js';
import { sparkline } from '../../../ctl/render/spark.js';
import { palette } from '../../../ctl/render/paint.js';
import { findMembers } from '../../../ctl/commands/ask.js';
import { statusTable, vmDetails } from '../../../ctl/render/status.js';
import { assertScreen, canned } from './golden.js';

/** A terminal that is interrupted after so many pictures. */
function terminalFor(pictures: number): { world: World; written: string[] } {
  const controller = new AbortController();
  const written: string[] = [];
  let slept = 0;
  const world: World = {
    out: (text) => written.push(text),
    err: (text) => written.push(text),
    terminal: true,
    color: true,
    utf8: true,
    interrupted: controller.signal,
    ask: () => Promise.resolve({ rc: 0, json: canned('all-well') }),
    historyFile: () => Promise.resolve([]),
    isFile: () => Promise.resolve(false),
    pieces: () => {
      throw new Error('no file was to be read');
    },
    user: 'root',
    now: () => new Date(2026, 10, 22, 3, 12, 44),
    sleep: () => {
      slept += 1;
      if (slept === pictures) controller.abort();
      return Promise.resolve();
    },
  };
  return { world, written };
}

describe('remusctl status --watch on a terminal', () => {
  it('repaints in place, and shows the cursor again at the end', async () => {
    const parsed = parse(['status', '--watch']);
    assert.ok(parsed.kind === 'run');
    const { world, written } = terminalFor(2);
    assert.equal(await status(parsed.invocation, world), 0);
    assert.equal(written.length, 4);
    assert.match(written[0] ?? '', /\[\?25l/);
    const marks = written.map((text) => /\[32m(▁+)/.exec(text)?.[1]);
    assert.deepEqual(marks.slice(1, 3), ['▁', '▁▁'], 'one more mark of the lag each time');
    assert.match(written[1] ?? '', /^.\[Hremusctl status, every second, at 03:12:44\./s);
    assert.ok(!/[^K]\n/.test(written[1] ?? ''), 'each line clears what was behind it');
    assert.match(written.at(-1) ?? '', /\[\?25h/);
  });
});

describe('the lag in status --watch', () => {
  const ages = [null, 0, 250, 251, 500, 501, 1_000, 2_000, 4_000, 8_000, 16_000, 16_001, 1e9];

  it('has one scale for all, in both character sets', () => {
    assert.equal(sparkline(ages, 60, true), 'x▁▁▂▂▃▃▄▅▆▇██');
    assert.equal(sparkline(ages, 60, false), 'x__..::-=+*##');
    assert.equal(sparkline(ages, 2, false), '##', 'the newest');
  });

  it('is one sample a refresh, of a VM that runs here, and no more than a minute', () => {
    const status = canned('peer-dead');
    const [first] = canned('all-well').vms;
    assert.ok(first);
    const lag = new LagHistory();
    for (let refresh = 0; refresh < 100; refresh += 1)
      lag.add({ ...status, vms: [{ ...first, acked_age_ms: refresh }] });
    const samples = lag.add({ ...status, vms: [first, ...status.vms.slice(1)] });
    assert.equal(samples.get('vm1')?.length, 60);
    assert.deepEqual([samples.get('vm1')?.[0], samples.get('vm1')?.at(-1)], [41, 184.4]);
    assert.deepEqual([samples.get('vm2'), samples.get('vm3')], [[14_021], [null]], 'x: no replica');
    assert.ok(!lag.add({ ...status, vms: [] }).has('vm1'), 'what is gone is forgotten');
  });

  it('looks like this', () => {
    const plain = palette(false);
    const screens = ['all-well', 'peer-dead'].map((name) => {
      const status = canned(name);
      const history = new LagHistory();
      for (const age of ages.slice(1))
        history.add({ ...status, vms: status.vms.map((vm) => ({ ...vm, acked_age_ms: age })) });
      const lag = history.add(status);
      const one = vmDetails(status, findMembers(status, 'vm1'), plain, { lag, utf8: true });
      return [statusTable(status, plain, { lag, utf8: false }), one].join('\n');
    });
    assertScreen('watch', screens.join('\n'));
  });

  it('ASCII unless the locale says UTF-8', () => {
    assert.ok(isUtf8({ LANG: 'de_DE.UTF-8' }));
    assert.ok(isUtf8({ LC_ALL: '', LC_CTYPE: 'C.utf8', LANG: 'C' }));
    assert.ok(!isUtf8({ LC_ALL: 'C', LANG: 'en_US.UTF-8' }));
    assert.ok(!isUtf8({}));
  });
});
