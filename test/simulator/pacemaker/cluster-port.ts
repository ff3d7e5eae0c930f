/** The Cluster port of one node's remusd: Pacemaker's tools, each a program that takes its time. */
import type { PacemakerCluster } from '../../../daemon/adapters/pacemaker.js';
import type { ClusterStatus, PlannedPromotion } from '../../../daemon/ports.js';
import type { Process } from '../machine/process.js';
import { runProgram } from '../machine/program.js';
import type { Controller } from './controller.js';
import type { Fencing } from './fencing.js';
import { type Member, SCORE } from './member.js';
import type { Pacemaker } from './pacemaker.js';
import { promotionTarget } from './scheduler.js';

const CALL_MS = 15_000;
const QUERY_MS = 5_000;

export interface ClusterPortParts {
  readonly pacemaker: Pacemaker;
  readonly controller: Controller;
  readonly fencing: Fencing;
  readonly self: Member;
}

export function clusterPort(parts: ClusterPortParts, caller: Process): PacemakerCluster {
  const { pacemaker, controller, fencing, self } = parts;
  const call = <T>(name: string, work: () => T | Promise<T>, timeout_ms = CALL_MS): Promise<T> =>
    runProgram(caller, { name, min_ms: 5, max_ms: 40, timeout_ms }, () => {
      if (!self.up) throw new Error('Pacemaker is not running on this node');
      return work();
    });
  const propertyAt = (node: string, key: string): Promise<string | null> => {
    const there = pacemaker.member(node);
    const read = (): string | null => there.cib.entries.get(key) ?? null;
    if (node === self.name) return Promise.resolve(read());
    if (!self.view.has(node)) return Promise.reject(new Error(`${node} is no member`));
    // Asked of a node that does not answer: until the deadline.
    if (!pacemaker.corosync.ringed(self, there)) return new Promise(() => undefined);
    return new Promise((resolve) => pacemaker.world.after(1, 10, () => resolve(read())));
  };
  return {
    localNode: () => Promise.resolve(self.name),
    status: () => call('crm_mon', () => statusOf(pacemaker, self)),
    readRecord: (_resource, at) =>
      // A look into this node's own CIB takes no time, and no chance.
      at !== 'dc' && at.node === self.name && self.up
        ? Promise.resolve(self.record())
        : call(
            'cibadmin',
            () => {
              const node = at === 'dc' ? self.dc : at.node;
              if (node === null) throw new Error('the cluster has no DC at the moment');
              return propertyAt(node, 'record');
            },
            QUERY_MS,
          ),
    swapRecord: (_resource, before, value) =>
      call('crm-write', () => pacemaker.swapRecord(self, before, value)),
    revision: () => {
      // Where nobody meddles, only a merge can bring something that is worth a look.
      const seen = pacemaker.world.meddles ? `${self.name} ${self.cib.version}` : 'the same';
      return Promise.resolve(`${seen} ${self.cib.replaced}`);
    },
    readPause: (_resource, at) => {
      const node = at === 'dc' ? self.dc : at;
      const { world } = pacemaker;
      // Where no operator pauses anything, nothing is lost by a look that takes no time, and no chance.
      if (!world.pauses) return Promise.resolve(null);
      return call(
        'cibadmin',
        () => {
          if (node === null) throw new Error('the cluster has no DC at the moment');
          return propertyAt(node, 'paused');
        },
        QUERY_MS,
      );
    },
    writePause: (_resource, text) =>
      call('crm_attribute', () => pacemaker.writeCib(self, 'paused', text)),
    endPause: (_resource, text) => call('cibadmin', () => pacemaker.endPause(self, text)),
    setAttribute: (node, name, value) =>
      call('attrd_updater', () => pacemaker.writeAttribute(self, node, name, value)),
    attribute: (name) =>
      call('attrd_updater', () => {
        const values = [...self.attributes].map(([node, all]) => [node, all.get(name)] as const);
        return new Map(
          values.flatMap(([node, value]) => (value === undefined ? [] : [[node, value]])),
        );
      }),
    setPromotionScore: (_resource, node, score) =>
      call('crm_attribute', () =>
        pacemaker.writeAttribute(self, node, SCORE, score === null ? null : String(score)),
      ),
    hasPromotionScore: (_resource, node, at) =>
      call('crm_attribute', () => {
        const there = at === 'dc' ? self.dc : self.name;
        if (there === null) throw new Error('the cluster has no DC at the moment');
        return pacemaker.member(there).attribute(node, SCORE) !== null;
      }),
    // Its attrd and its CIBs are one.
    statusInCib: () => Promise.resolve({ attribute: true, degraded: new Set() }),
    resendAttributes: () => Promise.resolve(),
    promotedOn: () =>
      call('crm_mon', () =>
        pacemaker.members
          .filter(({ name, lrm }) => {
            const known = self.view.has(name) || self.known.get(name) !== 'clean';
            return known && lrm?.role === 'promoted';
          })
          .map(({ name }) => name),
      ),
    plannedPromotion: () =>
      call('crm_simulate', (): PlannedPromotion => {
        const node = promotionTarget(controller.seen(self));
        return node === null ? { kind: 'nowhere' } : { kind: 'node', node };
      }),
    fail: () => call('crm_resource', () => self.lrm?.fail()),
    clearDegraded: () => Promise.resolve(),
    fence: (node) => call('stonith_admin', () => fencing.fence(self, node), 120_000),
  };
}

function statusOf(pacemaker: Pacemaker, self: Member): ClusterStatus {
  const nodes = pacemaker.members.map(({ name }) => {
    const online = self.view.has(name);
    return {
      ...{ name, online, is_dc: self.dc === name, maintenance: false },
      unclean: !online && self.known.get(name) !== 'clean',
      pending: online && self.pending.has(name),
      standby: self.cib.entries.get(`standby ${name}`) === 'on',
    };
  });
  const quorum = pacemaker.quorate(self);
  const options = { stonith_enabled: true, maintenance_mode: false };
  return { nodes, dc: self.dc, dc_version: '2.1.5', quorum, ...options };
}
