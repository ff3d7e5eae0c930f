/** Tasks that do less than they say, or something else. */
import { formatRecord, type VmRecord } from '../../../daemon/core/record.js';
import type { Mutation } from './mutation.js';

export const taskMutations: readonly Mutation[] = [
  {
    name: 'shutdown-with-a-grant',
    what: 'a guest is shut down while its replica may be promoted',
    breaks: ['P2', 'P3', 'P4', 'P1', 'revived'],
    executors: (real, machine) => {
      let unwritten: VmRecord | null = null;
      return {
        ...real,
        withdraw: (task, context) => {
          unwritten = leaving(machine) ? task.record : null;
          return unwritten === null ? real.withdraw(task, context) : Promise.resolve(undefined);
        },
        'read-record': (task, context) =>
          task.at === 'dc' || unwritten === null
            ? real['read-record'](task, context)
            : Promise.resolve(formatRecord(unwritten)),
      };
    },
  },
  {
    name: 'resume-after-handover',
    what: 'the guest is resumed instead of destroyed when it has been handed over',
    breaks: ['P1', 'P6'],
    executors: (real) => ({
      ...real,
      'destroy-handed-over': (_task, context) =>
        real['end-replication']({ task: 'end-replication', reason: 'resumed' }, context),
    }),
  },
  {
    name: 'stop-leaves-the-replica',
    what: 'a stop does not look for what is left of a replica',
    breaks: ['P6'],
    executors: (real, machine) => ({
      ...real,
      clean: (task, context) => {
        if (machine.xen.find('vm1--incoming') === null) return real.clean(task, context);
        return Promise.resolve(undefined);
      },
    }),
  },
  {
    name: 'pause-forgotten',
    what: 'an attempt at protection does not look whether the operator has paused it',
    breaks: ['paused'],
    executors: (real) => ({
      ...real,
      'find-peers': async (task, context) => ({
        ...(await real['find-peers'](task, context)),
        paused: null,
      }),
    }),
  },
  {
    name: 'never-resume',
    what: 'a guest that an ended replication has left suspended is not resumed',
    breaks: ['P5', 'liveness'],
    executors: (real, machine) => ({
      ...real,
      'end-replication': async (task, context) => {
        const { xen } = machine;
        const resume = xen.resume.bind(xen);
        xen.resume = () => undefined;
        try {
          await real['end-replication'](task, context);
        } finally {
          xen.resume = resume;
        }
        return undefined;
      },
    }),
  },
  {
    name: 'blind-is-not-running',
    what: 'a look that fails is taken for an empty list of domains',
    breaks: ['P7', 'P1', 'P6', 'spared'],
    executors: (real) => ({
      ...real,
      look: async (task, context) => {
        try {
          return await real.look(task, context);
        } catch {
          return { guest: { kind: 'absent' }, incoming: false };
        }
      },
    }),
  },
];

/** Pacemaker has asked the VM to leave this machine. */
function leaving(machine: Parameters<NonNullable<Mutation['executors']>>[1]): boolean {
  return machine.ordered === 'stop' || machine.ordered === 'demote';
}
