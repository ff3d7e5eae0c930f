/** Each promise broken on purpose in made-up evidence: a checker that cannot fail proves nothing. */
import assert from 'node:assert/strict';
import { Tally } from '../../cluster/lab/tally.js';
import { type Evidence, type Look, type Screen, examine } from '../../chaos/checker.js';
import { mayBoot } from '../../chaos/traits.js';
import type { Fault } from '../../chaos/schedule.js';

const ROUND_MS = 120_000;
const KILL: Fault = { kind: 'kill', on: 'primary', process: 'sender' };
const CUT: Fault = { kind: 'power-cut', on: 'primary', for_ms: 5_000 };

/** One every `every_ms` of the round. */
function series<T>(every_ms: number, make: (at_ms: number) => T): T[] {
  return Array.from({ length: ROUND_MS / every_ms }, (_, index) => make(index * every_ms));
}

function look(at_ms: number, { replica = true, running = true, power = 'on' } = {}): Look {
  const backup = replica ? [{ name: 'vm1--incoming', running: false }] : [];
  return {
    at_ms,
    nodes: [
      { node: 'pm1', power: power as 'on', domains: [{ name: 'vm1', running }] },
      { node: 'pm2', power: 'on', domains: backup },
    ],
  };
}

function screen(at_ms: number, change: Partial<Screen> = {}): Screen {
  return {
    ...{ asked_ms: at_ms - 50, at_ms, node: 'pm1', online: true, quorum: true, promoted: true },
    ...{ words: 'protected', failures: [] },
    ...change,
  };
}

/** A client that has heard these, one a second. */
function client(answers: readonly (readonly [n: number, seq: number, boot: string])[]) {
  const tally = new Tally(0);
  for (const [index, [n, seq, boot]] of answers.entries()) {
    tally.sent(n, index * 1000);
    tally.heard({ n, seq, ticks: seq, boot }, index * 1000 + 5);
  }
  return tally.summary(ROUND_MS);
}

/** A round in which all is well. */
function well(change: Partial<Evidence> = {}): Evidence {
  return {
    ...{ vm: 'vm1', faults: [KILL], sightings: [], left: [], not_well: null },
    ...{
      looks: series(200, (at_ms) => look(at_ms)),
      screens: series(1500, (at_ms) => screen(at_ms)),
    },
    ...{
      client: client([
        [1, 1, 'a'],
        [2, 2, 'a'],
      ]),
      boots_before: ['a'],
    },
    answers: series(100, (at_ms) => ({ at_ms, boot: 'a' })),
    ...change,
  };
}

function broken(change: Partial<Evidence>): string[] {
  return examine(well(change)).map(({ promise, what }) => {
    assert.match(what, /\w+ \w+/);
    return promise;
  });
}

/** From the 20th second to the 100th. */
const meanwhile = (at_ms: number): boolean => at_ms >= 20_000 && at_ms <= 100_000;

describe('chaos: the checker', () => {
  it('finds nothing in a round that is well', () => assert.deepEqual(examine(well()), []));

  it('P1: two copies', () => {
    const copy = { domid: 3, name: 'vm1' };
    const copies = [
      { node: 'pm1', ...copy },
      { node: 'pm2', ...copy },
    ];
    assert.deepEqual(broken({ sightings: [{ at: 'now', vm: 'vm1', copies }] }), ['P1']);
  });

  it('P3: an answer that is repeated, lost, or goes back', () => {
    for (const second of [1, 3, 0]) {
      const seen = client([
        [1, 1, 'a'],
        [2, second, 'a'],
      ]);
      assert.ok(broken({ client: seen }).includes('P3'), `seq ${second} after 1`);
    }
  });

  it('P3: a boot that answers again after a later one', () => {
    const answers = ['b', 'b', 'a'].map((boot, at_ms) => ({ at_ms, boot }));
    assert.deepEqual(broken({ answers }), ['P3']);
    const forward = ['a', 'b', 'b'].map((boot, at_ms) => ({ at_ms, boot }));
    assert.deepEqual(broken({ answers: forward }), []);
  });

  it('memory that one fault has cost; not when the guest ended, or after several faults', () => {
    const rebooted = client([
      [1, 1, 'a'],
      [2, 1, 'b'],
    ]);
    assert.deepEqual(broken({ client: rebooted, faults: [CUT] }), ['memory']);
    assert.deepEqual(broken({ client: rebooted, faults: [{ kind: 'kill-domain' }] }), []);
    assert.deepEqual(broken({ client: rebooted, faults: [KILL, CUT] }), []);
  });

  it('P4: protected, it says, without a replica, and words go out', () => {
    const looks = series(200, (at_ms) => look(at_ms, { replica: !meanwhile(at_ms) }));
    assert.deepEqual(broken({ looks }), ['P4']);
    const held = well().answers.filter(({ at_ms }) => !meanwhile(at_ms));
    assert.deepEqual(broken({ looks, answers: held }), [], 'as long as output is held');
    const failures = [{ exit_code: 191, reason: 'unprotected: peer pm2 is offline' }];
    const screens = series(1500, (at_ms) =>
      screen(
        at_ms,
        meanwhile(at_ms) ? { words: 'unprotected: peer pm2 is offline', failures } : {},
      ),
    );
    assert.deepEqual(broken({ looks, screens }), [], 'as long as it says so');
  });

  it('P4: runs, and crm_mon has no word about it', () => {
    for (const words of [null, '', '???']) {
      const mute = (change: Partial<Screen>): Screen[] =>
        series(1500, (at_ms) => screen(at_ms, meanwhile(at_ms) ? { words, ...change } : {}));
      assert.deepEqual(broken({ screens: mute({}) }), ['P4']);
      const failures = [{ exit_code: 191, reason: 'remusd is not running' }];
      assert.deepEqual(broken({ screens: mute({ failures }) }), [], 'the monitor says it');
      assert.deepEqual(broken({ screens: mute({ online: false }) }), [], 'a node on its own');
    }
  });

  it('P4: unprotected for long, and Pacemaker shows no degraded monitor', () => {
    const screens = series(1500, (at_ms) =>
      screen(at_ms, meanwhile(at_ms) ? { words: 'unprotected: peer pm2 is offline' } : {}),
    );
    assert.deepEqual(broken({ screens }), ['P4']);
  });

  it('P5: a guest that stands still on a node that does not', () => {
    const still = (power: string): Look[] =>
      series(200, (at_ms) => look(at_ms, { running: !meanwhile(at_ms), power }));
    assert.deepEqual(broken({ looks: still('on') }), ['P5']);
    assert.deepEqual(broken({ looks: still('frozen') }), []);
    const blinking = series(200, (at_ms) => look(at_ms, { running: at_ms % 400 === 0 }));
    assert.deepEqual(broken({ looks: blinking }), [], 'suspended for checkpoints');
  });

  it('what nobody looked at does not count: the machine was too busy', () => {
    const looks = series(200, (at_ms) => look(at_ms, { running: !meanwhile(at_ms) }));
    const blind = looks.filter(({ at_ms }) => !meanwhile(at_ms) || at_ms % 10_000 === 0);
    assert.deepEqual(broken({ looks: blind }), []);
  });

  it('P6 and liveness, as they were found', () => {
    assert.deepEqual(broken({ left: ['pm1 has the ifb rem7.0'] }), ['P6']);
    assert.deepEqual(broken({ not_well: 'waited in vain' }), ['liveness']);
  });
});

describe('chaos: when a guest may boot anew', () => {
  const daemon: Fault = { kind: 'kill', on: 'primary', process: 'remusd' };

  it('one fault alone must not cost its memory', () => {
    assert.equal(mayBoot([CUT]), false);
    assert.equal(mayBoot([{ kind: 'switchover', on: 'primary' }]), false);
    assert.equal(mayBoot([{ kind: 'pause', on: 'primary', for_ms: 1000 }]), false);
  });

  it('nor a daemon that dies besides', () => {
    assert.equal(mayBoot([CUT, daemon]), false);
  });

  it('the loss of the replica and of the node together may', () => {
    assert.equal(mayBoot([KILL, CUT]), true);
    assert.equal(mayBoot([CUT, CUT]), true);
    assert.equal(mayBoot([KILL, KILL]), false);
  });
});
