/** What is not looked at, or not said. */
import { hears } from './hears.js';
import type { Mutation } from './mutation.js';

export const told: readonly Mutation[] = [
  {
    name: 'deaf-to-silence',
    what: 'a backup takes a connection that is silent for one that feeds its replica',
    breaks: ['told'],
    driver: hears((event) =>
      event.type === 'receiver' ? { ...event, state: { ...event.state, silent_ms: 0 } } : event,
    ),
  },
  {
    name: 'record-not-looked-at',
    what: 'a primary does not look whether its record still grants what it has granted',
    breaks: ['liveness'],
    cluster: (real) => ({ ...real, revision: () => Promise.resolve('always the same') }),
  },
  {
    name: 'another-version-unsaid',
    what: 'a peer that speaks another protocol is taken for one that does not answer',
    breaks: ['told'],
    first: 220,
    executors: (real) => ({
      ...real,
      'prepare-peer': async (task, context) => {
        try {
          return await real['prepare-peer'](task, context);
        } catch {
          throw new Error(`remusd on ${task.peer.node} does not answer`);
        }
      },
    }),
  },
];
