import assert from 'node:assert/strict';
import type { ClusterNode } from '../../../daemon/ports.js';
import { absence } from '../../../daemon/tasks/cluster.js';

const NODE: ClusterNode = {
  name: 'pm2',
  online: true,
  unclean: false,
  standby: false,
  maintenance: false,
  pending: false,
  is_dc: false,
};

describe('tasks/cluster: why a node cannot hold a replica', () => {
  const cases: readonly [string, Partial<ClusterNode>][] = [
    ['offline', { online: false }],
    ['in standby', { standby: true }],
    // As crm_mon shows a node that has just booted.
    ['joining the cluster', { standby: true, pending: true }],
  ];
  for (const [words, node] of cases) {
    it(words, () => assert.equal(absence({ ...NODE, ...node }), words));
  }
});
