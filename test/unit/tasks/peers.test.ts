/** What a backup's remusd answers before a VM is handed over to it. */
import assert from 'node:assert/strict';
import { sentenceOf } from '../../../daemon/adapters/errors.js';
import { askBackup } from '../../../daemon/tasks/peers.js';

const TASK = {
  task: 'ask-backup',
  peer: 'pm2',
  replica: { generation: 4, session: 'aaaa0001' },
} as const;

function answered(...vms: unknown[]): Promise<{ readonly problem: string | null }> {
  const call = (node: string, method: string): Promise<unknown> => {
    assert.deepEqual([node, method], ['pm2', 'status']);
    return Promise.resolve({ vms });
  };
  return askBackup({ call }, 'vm1', TASK);
}

const HELD = {
  ...{ resource: 'vm1', state: 'ready', words: 'replica: ready' },
  ...{ generation: 4, held: false, acked_age_ms: null },
};

describe('tasks: ask-backup', () => {
  it('it holds the replica: also one that nothing feeds at the moment', async () => {
    for (const words of ['replica: ready', 'replica: not fed, pm1 is silent'])
      assert.deepEqual(await answered({ ...HELD, words, more: 1 }), { problem: null });
  });

  it('it does not hold it, and what it says instead', async () => {
    const other = { ...HELD, resource: 'vm2' };
    for (const [vm, problem] of [
      [other, 'the resource is not started on pm2'],
      [{ ...HELD, generation: 3 }, 'the replica on pm2 is another one'],
      [{ ...HELD, generation: null }, 'the replica on pm2 is another one'],
      [{ ...HELD, words: 'no replica: disk full' }, 'pm2 says "no replica: disk full"'],
    ] as const)
      assert.deepEqual(await answered(other, vm), { problem });
  });

  it('an answer of another shape is none', async () => {
    await assert.rejects(answered({ resource: 'vm1' }), (error) => {
      assert.match(sentenceOf(error), /remusd on pm2 does not say what it holds; install the same/);
      return true;
    });
  });
});
