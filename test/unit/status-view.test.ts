/** What status says of a VM whose output is not held. */
import assert from 'node:assert/strict';
import { initialState, type Phase, type Protection, type State } from '../../daemon/core/state.js';
import { monitorFromState, NOT_HELD, words } from '../../daemon/core/view.js';
import { vmStatus } from '../../daemon/status-view.js';
import type { Vm } from '../../daemon/vm.js';
import { CONFIG, peerNamed, senderState } from './core/rig.js';

const REPLICA = { generation: 1, session: 'aaaaaaaa' };
const OFF = { phase: 'flowing', acked: 2, holding_none: true, netbuf_off: true } as const;
const ON = { phase: 'flowing', acked: 2, holding: true } as const;

function primary(protection: Protection, netbuf: 'on' | 'off' = 'on'): State {
  const guest = { kind: 'running', domid: 7 } as const;
  const looks = { since_ms: 0, looked_ms: 0, asked_ms: 0, poll_tag: 0, record_tag: 0, attempts: 0 };
  const phase: Phase = {
    ...{ kind: 'primary', generation: 1, protection, guest, ended: null, leaving: null },
    ...looks,
  };
  return { ...initialState('pm1', 'vm1'), config: { ...CONFIG, netbuf }, phase };
}

function fed(sender: Parameters<typeof senderState>[1]): Protection {
  const run = {
    ...{ peer: peerNamed('pm2'), replica: REPLICA, sender: senderState(REPLICA, sender) },
    ...{ heard_ms: 0, still_ms: 0, watch_tag: 0 },
  };
  return { kind: 'protected', run };
}

function withdrawing(unheld: boolean): Protection {
  const peer = { node: 'pm2' };
  const end = { reason: 'killed', step: 'end', said: '', tag: 0 } as const;
  return { kind: 'withdrawing', peer, replica: REPLICA, unheld, ...end };
}

function statusOf(state: State, sender: Parameters<typeof senderState>[1] | null) {
  const plane = { sender: sender && senderState(REPLICA, sender), receiver: null };
  return vmStatus({ driver: { state }, plane } as unknown as Vm, null);
}

describe('status of a VM with netbuf=off', () => {
  it('protected: it says in words and as a field that nothing is held, and stays one state', () => {
    const state = primary(fed(OFF), 'off');
    const status = statusOf(state, OFF);
    assert.equal(status.words, 'protected, output not held (netbuf=off)');
    assert.deepEqual([status.state, status.held, status.netbuf_off], ['protected', false, true]);
    assert.equal(status.reason, undefined);
    assert.deepEqual(monitorFromState(state, 10_000, false), { rc: 8, reason: null });
  });

  it('the replica counts, not the parameter: that is for the next one', () => {
    const still_held = statusOf(primary(fed(ON), 'off'), ON);
    assert.equal(still_held.words, 'protected');
    assert.deepEqual([still_held.held, still_held.netbuf_off], [true, undefined]);
    const not_yet = statusOf(primary(fed(OFF), 'on'), OFF);
    assert.equal(not_yet.words, `protected, ${NOT_HELD}`);
    assert.equal(not_yet.netbuf_off, true);
  });

  it('a guest without an interface is no such VM', () => {
    const no_vif = { phase: 'flowing', acked: 2, holding_none: true } as const;
    const status = statusOf(primary(fed(no_vif)), no_vif);
    assert.deepEqual([status.words, status.netbuf_off], ['protected', undefined]);
  });

  it('a withdrawal: nothing is held, and the reason is the reason', () => {
    const off = statusOf(primary(withdrawing(true)), null);
    assert.equal(off.words, 'unprotected, output not held (netbuf=off): killed');
    assert.deepEqual([off.reason, off.held, off.netbuf_off], ['killed', false, true]);
    const on = statusOf(primary(withdrawing(false)), null);
    assert.equal(on.words, 'unprotected, output held: killed');
    assert.deepEqual([on.reason, on.held, on.netbuf_off], ['killed', true, undefined]);
  });

  it('unprotected for good: nothing is promised, and nothing is said of it', () => {
    const state = primary({ kind: 'none', reason: 'killed', tag: 0 }, 'off');
    assert.equal(words(state), 'unprotected: killed');
    assert.equal(statusOf(state, null).netbuf_off, undefined);
  });
});
