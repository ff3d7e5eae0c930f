/** The data path: when output is held and let go, and what ends xl's input. */
import type { Mutation } from './mutation.js';

export const relay: readonly Mutation[] = [
  {
    name: 'activate-on-end-of-file',
    what: 'the end of the connection ends the input of xl, which then runs the replica',
    breaks: ['P1', 'P2'],
    relay: { onReceiverLost: (activate) => activate() },
  },
  {
    name: 'release-on-send',
    what: 'output is let go when a checkpoint has been sent, not when it is acknowledged',
    breaks: ['P3', 'P4'],
    relay: {
      onCheckpointSent: (hold, n) => {
        if (n >= 2) void hold.release().catch(() => undefined);
      },
    },
  },
  {
    name: 'hold-nothing',
    what: 'no block is set at the start of a checkpoint: output is never held',
    breaks: ['P3', 'P4'],
    relay: { noBlock: true },
  },
  {
    name: 'run-after-the-copy',
    what: 'the guest is not paused at the last checkpoint of a move, and runs until it is destroyed',
    breaks: ['P3'],
    mode: 'restart',
    relay: { noFreeze: true },
  },
];
