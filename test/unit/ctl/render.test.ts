import assert from 'node:assert/strict';
import { explanation } from '../../../ctl/commands/failover.js';
import { findVm } from '../../../ctl/commands/ask.js';
import { commands } from '../../../ctl/commands.js';
import { commandHelp, generalHelp } from '../../../ctl/help.js';
import { palette } from '../../../ctl/render/paint.js';
import { historyTable, missingNotes } from '../../../ctl/render/history.js';
import { statusTable, vmDetails } from '../../../ctl/render/status.js';
import { bytes, duration, rate } from '../../../ctl/render/units.js';
import { assertScreen, canned } from './golden.js';

const plain = palette(false);

describe('remusctl screens', () => {
  for (const name of ['all-well', 'peer-dead', 'no-vms', 'paused']) {
    it(`status: ${name}`, () => assertScreen(name, statusTable(canned(name), plain)));
  }

  it('status of one VM, as primary and as backup', () => {
    const status = canned('all-well');
    const screens = status.vms.map((vm) => vmDetails(status, vm, plain));
    assertScreen('one-vm', screens.join('\n'));
  });

  it('colours change no width', () => {
    const status = canned('peer-dead');
    const colored = statusTable(status, palette(true));
    assert.notEqual(colored, statusTable(status, plain));
    // eslint-disable-next-line no-control-regex
    const stripped = colored.replaceAll(/\u001b\[[0-9]+m/g, '');
    assert.equal(stripped, statusTable(status, plain));
  });

  it('failover without --force says what would happen, in each situation', () => {
    const texts = ['all-well', 'peer-dead'].flatMap((name) => {
      const status = canned(name);
      return status.vms.map((vm) => explanation(status, vm));
    });
    assertScreen('failover-explained', texts.join('\n'));
  });

  it('history', () => {
    const at = (second: number): string => new Date(2026, 10, 23, 4, 36, second).toISOString();
    const entries = [
      {
        at: at(1),
        node: 'pm1',
        text: 'switched over',
        data: { from: 'pm1', interruption_ms: 812 },
      },
      { at: at(7), node: 'pm10', text: 'granted', data: { peer: 'pm1', because: 'it is\nheld' } },
      { at: 'some day', node: 'pm1', text: 'stop failed', data: { error: 'no', from: null } },
      { at: at(9), node: 'pm1', text: 'started', data: {} },
      { at: at(9), node: 'pm1', text: 'taken over', data: { granted: false, x: [1] } },
    ];
    const missing = [{ node: 'pm2', why: 'it is offline' }];
    const found = { resource: 'vm1', node: 'pm1', entries, missing };
    assertScreen('history', historyTable(found, plain) + missingNotes(missing));
  });

  it('help', () => {
    const texts = [generalHelp(), ...commands.map(commandHelp)];
    assertScreen('help', texts.join('\n----\n'));
  });

  it('help fits a terminal', () => {
    const lines = [generalHelp(), ...commands.map(commandHelp)].join('\n').split('\n');
    assert.deepEqual(
      lines.filter((line) => line.length > 88),
      [],
    );
  });

  it('an unknown VM is answered with the known ones', () => {
    assert.throws(() => findVm(canned('all-well'), 'vm9'), /manages vm1, mail-server/);
  });
});

describe('units', () => {
  it('durations', () => {
    const shown = [null, 0, 999.4, 1000, 59_900, 61_000, 3_600_000, 90_000_000, 864e6];
    assert.deepEqual(shown.map(duration), [
      '-',
      '0 ms',
      '999 ms',
      '1.0 s',
      '59.9 s',
      '1 min 1 s',
      '1 h 0 min',
      '25 h 0 min',
      '10 days',
    ]);
  });

  it('rates and sizes', () => {
    assert.deepEqual([null, 0, 4.96].map(rate), ['-', '0.0/s', '5.0/s']);
    assert.deepEqual([null, 0, 1023, 1536, 5 * 2 ** 40].map(bytes), [
      '-',
      '0 B',
      '1023 B',
      '1.5 KiB',
      '5.0 TiB',
    ]);
  });
});
