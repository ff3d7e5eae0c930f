import assert from 'node:assert/strict';
import { explanation } from '../../../ctl/commands/failover.js';
import { findMembers, findVm } from '../../../ctl/commands/ask.js';
import { commands } from '../../../ctl/commands.js';
import { commandHelp, generalHelp } from '../../../ctl/help.js';
import type { Drill, DrillStep } from '../../../ctl/drill.js';
import type { Foresight } from '../../../ctl/foresight.js';
import { drillScreen } from '../../../ctl/render/drill.js';
import { foresightScreen } from '../../../ctl/render/foresight.js';
import { palette } from '../../../ctl/render/paint.js';
import { historyTable, missingNotes } from '../../../ctl/render/history.js';
import { statusTable, vmDetails } from '../../../ctl/render/status.js';
import { bytes, duration, rate } from '../../../ctl/render/units.js';
import { judge } from '../../../daemon/drill/judge.js';
import { evidence, mute, withDevices, withReplica, withWatched } from '../drill/evidence.js';
import { assertScreen, canned } from './golden.js';

const plain = palette(false);

const move: Foresight = {
  ...{ action: 'switchover', resource: 'vm1', node: 'pm1', from: 'pm1', to: 'pm2' },
  ...{ verdict: 'done', memory: 'kept', generation: 5, checkpoint: 1240, checkpoint_age_ms: 120 },
  ...{ promoted_on: 'pm2', obstacles: [], fencing: null, interruptions_ms: [], unknown: [] },
};
const left_over = {
  what: 'the constraint cli-prefer-vm1-ha is left over from a move or a ban by hand',
  fix: 'crm_resource --clear --resource vm1-ha',
};
const maintenance = {
  what: 'the cluster is in maintenance mode',
  fix: 'crm_attribute --name maintenance-mode --update false',
};
const FORESEEN: readonly Foresight[] = [
  { ...move, interruptions_ms: [312.4, 441, 390] },
  { ...move, interruptions_ms: [312.4], obstacles: [left_over] },
  {
    ...{ ...move, verdict: 'fails', promoted_on: 'pm1', obstacles: [maintenance, left_over] },
    reason: 'Pacemaker would have vm1 on pm1, not on pm2: the cluster is in maintenance mode',
  },
  {
    ...{ ...move, verdict: 'refused', memory: null, to: null, promoted_on: null },
    ...{ checkpoint: null, checkpoint_age_ms: null },
    reason:
      'vm1 is not protected (unprotected: peer pm2 is offline): a switchover now would be a restart; wait until "remusctl status" says protected',
  },
  {
    ...{ ...move, verdict: 'unknown', promoted_on: null },
    reason:
      'Pacemaker\'s scheduler could not be asked: Pacemaker is not running on this node (crm_simulate says so); start it with "systemctl start pacemaker"',
    unknown: ['constraints that are left over: no answer'],
  },
];
const fencing = {
  node: 'pm1',
  devices: ['fence-pm1', 'fence-pdu'],
  last: { status: 'success', completed: '2026-11-22 19:41:15Z' },
  also_runs: ['vm2 (Promoted)', 'ip1'],
};
const over: Foresight = {
  ...{ ...move, action: 'failover', node: 'pm2', memory: 'checkpoint', fencing },
};
const FAILOVERS: readonly Foresight[] = [
  over,
  {
    ...{ ...over, memory: 'lost', lost_because: 'the replica here is not granted' },
    ...{ checkpoint_age_ms: null, fencing: { ...fencing, last: null, also_runs: [] } },
    unknown: ['how old that checkpoint is: pm1: no answer within 2 s'],
  },
  {
    ...{ ...over, verdict: 'fails', fencing: { ...fencing, devices: [] } },
    reason: 'no fence device on pm2 can fence pm1; type: remusctl doctor',
  },
];

const hangs = withReplica({
  receiver: mute('it does not answer on /run/pacemaker-remus/vm1/receiver.sock within 3000 ms'),
});
const alone: DrillStep = {
  ...{ id: 'grant', verdict: 'fails', took_ms: 12, fix: 'remusctl status vm1' },
  what: 'the CIB grants no replica, and Pacemaker has vm1 on no other node that is online',
};
const DRILLS: readonly Drill[] = [
  judge(evidence),
  judge({ ...hangs, ...withDevices() }),
  judge({ ...withWatched({ complete: 88, watched_ms: 6_700 }), scheduler: mute() }),
  judge({
    ...evidence,
    replica: mute(
      'remusd on pm2 is of a former release, which knows no drill; install the same release on both nodes',
    ),
  }),
  { ...judge(evidence), to: null, verdict: 'fails', steps: [alone], unproven: [] },
];

describe('remusctl screens', () => {
  for (const name of ['all-well', 'peer-dead', 'no-vms', 'paused', 'netbuf-off']) {
    it(`status: ${name}`, () => assertScreen(name, statusTable(canned(name), plain)));
  }

  it('status of one VM, that runs here and elsewhere', () => {
    const status = canned('all-well');
    const screens = ['vm1', 'mail-server'].map((name) =>
      vmDetails(status, findMembers(status, name), plain),
    );
    assertScreen('one-vm', screens.join('\n'));
  });

  it('status of one VM that is paused: since when, and where that was typed', () => {
    const status = canned('paused');
    assertScreen('paused-vm', vmDetails(status, findMembers(status, 'vm1'), plain));
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

  it('--dry-run: each verdict', () => {
    const screens = [...FORESEEN, ...FAILOVERS].map((found) => foresightScreen(found, plain));
    assertScreen('dry-run', screens.join('\n'));
    for (const found of FORESEEN) {
      const colored = foresightScreen(found, palette(true));
      // eslint-disable-next-line no-control-regex
      assert.equal(colored.replaceAll(/\u001b\[[0-9]+m/g, ''), foresightScreen(found, plain));
    }
  });

  it('drill: each verdict', () => {
    const screens = DRILLS.map((found) => drillScreen(found, plain));
    assertScreen('drill', screens.join('\n'));
    for (const [index, found] of DRILLS.entries()) {
      const colored = drillScreen(found, palette(true));
      // eslint-disable-next-line no-control-regex
      assert.equal(colored.replaceAll(/\u001b\[[0-9]+m/g, ''), screens[index]);
    }
    const lines = screens.join('\n').split('\n');
    assert.deepEqual(
      lines.filter((line) => line.length > 88 && !/^ +do/.test(line)),
      [],
    );
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
    assert.throws(() => findMembers(canned('all-well'), 'vm9'), /there are mail-server, vm1/);
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
