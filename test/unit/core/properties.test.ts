/** Random sequences against the invariants of watch.ts, and what must come true in the end (P5, P6, replies). */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { VmConfig } from '../../../daemon/core/state.js';
import { receiverState } from './rig.js';
import { findings, type Move, Walk } from './random-walk.js';

/** `REMUS_RUNS=20000` for a longer search, `REMUS_SEED=...` to repeat one. */
const RUNS = Number(process.env['REMUS_RUNS'] ?? 400);
const SEED = Number(process.env['REMUS_SEED'] ?? 20_260_101);

const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.integer({ min: 0, max: 12 }),
  a: fc.nat({ max: 60 }),
  b: fc.nat({ max: 60 }),
});
const moves = fc.array(move, { maxLength: 60, size: 'max' });

/** Where a walk begins. */
const BEGINNINGS = ['stopped', 'idle', 'primary', 'protected', 'replica', 'recovered'] as const;
const beginning = fc.record({
  from: fc.constantFrom(...BEGINNINGS),
  refuse: fc.boolean(),
  a: fc.nat({ max: 60 }),
  b: fc.nat({ max: 60 }),
});

interface Beginning {
  readonly from: (typeof BEGINNINGS)[number];
  readonly refuse: boolean;
  readonly a: number;
  readonly b: number;
}

function begin({ from, refuse, a, b }: Beginning, mode: VmConfig['mode']): Walk {
  const walk = new Walk({ on_no_replica: refuse ? 'refuse' : 'start', mode });
  const { rig } = walk;
  const { config } = rig;
  if (from === 'stopped') return walk;
  if (from === 'recovered') {
    rig.post({ type: 'recovered', findings: findings(rig, a, b) });
    return walk;
  }
  rig.post({ type: 'op-start', op: rig.op(), config });
  walk.drain();
  if (from === 'idle') return walk;
  if (from === 'replica') {
    const replica = { generation: 1, session: 'aaaa0009' };
    rig.post({ type: 'peer-prepare', request: 1, from: 'pm2', replica });
    walk.drain();
    if (a % 3 === 0) return walk;
    rig.post({ type: 'receiver', state: receiverState(replica, 'ready', 4) });
    rig.record = `g=1 primary=pm2 grant=pm1/1/${a % 5 === 1 ? 'dddd0001' : 'aaaa0009'}`;
    return walk;
  }
  rig.post({ type: 'op-promote', op: rig.op() });
  walk.drain(() => rig.state.phase.kind === 'primary');
  if (from === 'protected' && mode === 'remus') walk.drain(() => walk.watch.maybe_granted !== null);
  return walk;
}

function property(end: (walk: Walk) => void, mode: VmConfig['mode'] = 'remus'): void {
  const body = (start: Beginning, list: readonly Move[]): void => {
    const walk = begin(start, mode);
    try {
      for (const one of list) walk.take(one);
      end(walk);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`${text}\n${walk.history.slice(-40).join('\n')}`, { cause: error });
    }
  };
  fc.assert(fc.property(beginning, moves, body), {
    numRuns: RUNS,
    seed: SEED,
    endOnFailure: false,
  });
}

describe('core, random sequences', function () {
  this.timeout(RUNS * 60 + 20_000);

  it('keep the invariants, and every request gets its one answer', () => {
    property((walk) => {
      walk.rig.membership = 'member';
      walk.drain();
      walk.watch.rest();
    });
  });

  it('mode=restart: keep the invariants, and nothing is granted that may run here', () => {
    property((walk) => {
      const { rig, watch } = walk;
      rig.membership = 'member';
      walk.drain();
      watch.rest();
      if (rig.state.phase.kind === 'primary') assert.notEqual(watch.maybe_granted?.written, true);
    }, 'restart');
  });

  it('mode=restart: a stop ends in stopped, from everywhere', () => {
    property((walk) => {
      const { rig } = walk;
      rig.post({ type: 'op-stop', op: rig.op(), config: rig.config });
      walk.drain(() => rig.state.phase.kind === 'stopped');
      assert.equal(rig.state.phase.kind, 'stopped');
      walk.drain();
      walk.watch.rest();
      assert.equal(rig.guest, 'absent');
    }, 'restart');
  });

  it('a primary with a peer becomes protected again', () => {
    property((walk) => {
      const { rig } = walk;
      rig.membership = 'member';
      rig.planned = null;
      walk.drain();
      // What an operator has paused stays so until he says otherwise.
      if (rig.paused !== null) rig.post({ type: 'op-resume', op: rig.op() });
      walk.drain();
      if (rig.state.phase.kind !== 'primary') return;
      const { protection } = rig.state.phase;
      assert.equal(protection.kind, rig.peers.length > 0 ? 'protected' : protection.kind);
      if (rig.peers.length === 0)
        assert.ok(protection.kind === 'none' || protection.kind === 'protected', protection.kind);
    });
  });

  it('a primary that is paused ends its replication, and begins no other', () => {
    property((walk) => {
      const { rig } = walk;
      rig.membership = 'member';
      rig.planned = null;
      walk.drain();
      rig.post({ type: 'op-pause', op: rig.op(), pause: rig.pause() });
      walk.drain();
      if (rig.state.phase.kind !== 'primary') return;
      assert.ok(rig.paused !== null, 'the pause is not in the records');
      assert.equal(rig.state.phase.protection.kind, 'none');
      assert.equal(walk.watch.maybe_granted, null);
    });
  });

  it('a stop ends in stopped, from everywhere', () => {
    property((walk) => {
      const { rig } = walk;
      rig.post({ type: 'op-stop', op: rig.op(), config: rig.config });
      walk.drain(() => rig.state.phase.kind === 'stopped');
      assert.equal(rig.state.phase.kind, 'stopped');
      walk.drain();
      walk.watch.rest();
      assert.equal(rig.guest, 'absent');
    });
  });

  it('output is not held for ever once the peer is known down', () => {
    property((walk) => {
      const { rig } = walk;
      if (rig.state.phase.kind !== 'primary' || rig.fed === null) return;
      rig.membership = 'fenced';
      rig.peers = [];
      walk.flowing = false;
      const { session } = rig.fed;
      rig.post({ type: 'sender-gone', session, reason: 'the peer is gone' });
      const protection = (): string =>
        rig.state.phase.kind === 'primary' ? rig.state.phase.protection.kind : 'none';
      walk.drain(() => protection() === 'none');
      assert.equal(protection(), 'none');
    });
  });
});
