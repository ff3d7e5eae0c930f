import assert from 'node:assert/strict';
import { replicationTasks, type ReplicationParts } from '../../../daemon/tasks/replication.js';
import type { Context } from '../../../daemon/tasks/table.js';

const CONTEXT = { resource: 'vm1', node: 'pm1', config: { domain: 'guest1' } } as Context;

describe('tasks/replication: the end of it', () => {
  it('takes a sender too that xl has started just after the look for it', async () => {
    const killed: string[] = [];
    const alive = new Set(['xl']);
    const host = {
      senders: () => Promise.resolve(alive.has('sender') ? ['sender'] : []),
      xlRemus: () => {
        alive.add('sender');
        return Promise.resolve(['xl']);
      },
      killAll: (found: readonly string[]) => {
        for (const process of found) if (alive.delete(process)) killed.push(process);
        return Promise.resolve();
      },
    };
    const xl = { list: () => Promise.resolve([]) };
    const plane = { closeSender: () => undefined };
    const parts = { host, xl, planeOf: () => plane } as unknown as ReplicationParts;
    await replicationTasks(parts)['end-replication'](
      { task: 'end-replication', reason: 'the guest crashed' },
      CONTEXT,
    );
    assert.deepEqual(killed, ['xl', 'sender']);
  });
});
