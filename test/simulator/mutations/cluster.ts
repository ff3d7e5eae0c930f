/** What a primary does before it goes on alone: membership, the withdrawal, and the look at the peer's own CIB. */
import { formatRecord, type VmRecord } from '../../../daemon/core/record.js';
import type { Executors } from '../../../daemon/tasks/table.js';
import { hears } from './hears.js';
import type { Mutation } from './mutation.js';

/** The peer's CIB is not asked: it is said to have what was written last. */
function unread(real: Executors): Executors {
  let written: VmRecord | null = null;
  return {
    ...real,
    withdraw: (task, context) => {
      written = task.record;
      return real.withdraw(task, context);
    },
    'read-record': (task, context) => {
      if (task.at === 'dc' || written === null) return real['read-record'](task, context);
      return Promise.resolve(formatRecord(written));
    },
  };
}

export const cluster: readonly Mutation[] = [
  {
    name: 'skip-withdrawal',
    what: 'the output is let go without a withdrawal in the CIB',
    breaks: ['P3', 'P4'],
    executors: (real) => ({
      ...unread({ ...real, withdraw: () => Promise.resolve(undefined) }),
    }),
  },
  {
    name: 'withdrawal-not-read-back',
    what: 'the withdrawal is written, but not read back from the CIB of the peer',
    breaks: ['P3', 'P4'],
    executors: unread,
  },
  {
    name: 'offline-is-fenced',
    what: 'a peer that is offline and not fenced is taken for a fenced one',
    breaks: ['P3', 'P4'],
    executors: (real) => ({
      ...real,
      membership: async (task, context) => {
        const found = await real.membership(task, context);
        return found === 'neither' ? 'fenced' : found;
      },
    }),
  },
  {
    name: 'lift-before-withdrawal',
    what: 'the output is let go when replication ends, before the withdrawal',
    breaks: ['P3', 'P4'],
    executors: (real) => ({
      ...real,
      'end-replication': async (task, context) => {
        await real['end-replication'](task, context);
        return real['lift-hold']({ task: 'lift-hold' }, context);
      },
    }),
  },
  {
    name: 'any-none-is-the-withdrawal',
    what: 'a record of the peer without a grant is taken for the withdrawal, also one from before the grant',
    breaks: ['P3', 'P4'],
    scene: 'parted-from-a-slow-node',
    executors: (real) => {
      let written: VmRecord | null = null;
      return {
        ...real,
        withdraw: (task, context) => {
          written = task.record;
          return real.withdraw(task, context);
        },
        'read-record': async (task, context) => {
          const text = await real['read-record'](task, context);
          if (task.at === 'dc' || written === null) return text;
          return text?.endsWith(' grant=none') === true ? formatRecord(written) : text;
        },
      };
    },
  },
  {
    name: 'blind-writes',
    what: 'a record is written over whatever the CIB has by then, by a program that was given up long ago, too',
    breaks: ['P1', 'P2', 'P3', 'P4', 'liveness'],
    first: 460,
    blind_writes: true,
  },
  {
    name: 'own-none-is-enough',
    what: 'a daemon that comes back goes by the record of its own CIB, and forgets what was replicating',
    breaks: ['P3', 'P4'],
    first: 19_200,
    driver: hears((event) => {
      if (event.type !== 'recovered' || event.findings.record?.grant !== null) return event;
      return { ...event, findings: { ...event.findings, peer: null, replica: null } };
    }),
  },
];
