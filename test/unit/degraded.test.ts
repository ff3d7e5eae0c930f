import assert from 'node:assert/strict';
import { DegradedHistory } from '../../daemon/degraded.js';

function recorded(fails = 0): { history: DegradedHistory; cleared: string[] } {
  const cleared: string[] = [];
  let left = fails;
  const history = new DegradedHistory((resource) => {
    cleared.push(resource);
    return left-- > 0 ? Promise.reject(new Error('no cluster')) : Promise.resolve();
  });
  return { history, cleared };
}

function refreshes(
  history: DegradedHistory,
  count: number,
  { well = true, shown = false } = {},
): void {
  for (let n = 0; n < count; n++) history.refreshed('vm1', well, shown);
}

describe('degraded in the history', () => {
  it('is cleared once, by the first monitor that says well, and not before', () => {
    const { history, cleared } = recorded();
    history.monitored('vm1', 191);
    refreshes(history, 1);
    assert.deepEqual(cleared, []);
    history.monitored('vm1', 8);
    history.monitored('vm1', 8);
    history.monitored('vm2', 0);
    assert.deepEqual(cleared, ['vm1', 'vm2']);
    history.monitored('vm1', 190);
    history.monitored('vm1', 0);
    assert.deepEqual(cleared, ['vm1', 'vm2', 'vm1']);
  });

  it('is cleared anew when the agent has answered alone meanwhile', () => {
    const { history, cleared } = recorded();
    history.monitored('vm1', 0);
    history.monitored('vm1', 0, true);
    history.monitored('vm1', 0);
    assert.deepEqual(cleared, ['vm1', 'vm1']);
    history.monitored('vm1', 190, true);
    assert.deepEqual(cleared, ['vm1', 'vm1'], 'not while it is degraded');
  });

  it('is cleared at the second look of a VM that is not even started here, and again', () => {
    const { history, cleared } = recorded();
    history.monitored('vm1', 191);
    const look = (shown: boolean): void => history.refreshedStopped('vm1', shown);
    [true, false, true].forEach(look);
    assert.deepEqual(cleared, []);
    [true, true].forEach(look);
    assert.deepEqual(cleared, ['vm1']);
    look(true);
    assert.deepEqual(cleared, ['vm1', 'vm1']);
  });

  it('is cleared without a monitor when the VM has been well for long', () => {
    const { history, cleared } = recorded();
    history.monitored('vm1', 191);
    refreshes(history, 3);
    refreshes(history, 1, { well: false });
    refreshes(history, 3);
    assert.deepEqual(cleared, []);
    refreshes(history, 10);
    assert.deepEqual(cleared, ['vm1']);
  });

  it('is cleared again when the cluster has put it back, and stays there', () => {
    const { history, cleared } = recorded();
    history.monitored('vm1', 8);
    refreshes(history, 100);
    refreshes(history, 1, { shown: true });
    refreshes(history, 1);
    refreshes(history, 1, { shown: true });
    assert.deepEqual(cleared, ['vm1'], 'it was just about to go');
    refreshes(history, 1, { shown: true });
    assert.deepEqual(cleared, ['vm1', 'vm1']);
    refreshes(history, 10, { well: false, shown: true });
    assert.equal(cleared.length, 2, 'it is true');
  });

  it('is cleared again after a hang, in which the agent may have answered alone', () => {
    const { history, cleared } = recorded();
    history.monitored('vm1', 8);
    history.wasHung();
    history.monitored('vm1', 8);
    assert.deepEqual(cleared, ['vm1', 'vm1']);
  });

  it('is tried again when it could not be cleared', async () => {
    const { history, cleared } = recorded(1);
    history.monitored('vm1', 8);
    await Promise.resolve();
    await Promise.resolve();
    history.monitored('vm1', 8);
    history.monitored('vm1', 8);
    assert.deepEqual(cleared, ['vm1', 'vm1']);
  });
});
