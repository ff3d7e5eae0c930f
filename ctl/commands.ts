/**
 * The one table of commands: the parser, --help, the manual and the bash completion are made from it. A
 * command's code is imported only when it runs.
 */
import { DUMP_LIMITS } from '../daemon/relay/control.js';
import { DRILL_STEPS } from './drill.js';
import { HISTORY_LIMIT } from './history.js';
import { LIVE_DUMP } from './live-dump.js';
import type { World } from './world.js';

export interface OptionSpec {
  readonly name: string;
  /** The word for its value; without one it is a flag. */
  readonly value?: string;
  /** The value must be a number of seconds, from 1 to 86400. */
  readonly seconds?: true;
  /** The value must be a duration, like 30m. */
  readonly duration?: true;
  /** The value must be a whole number from 1 to this. */
  readonly up_to?: number;
  /** The command does nothing without one of these. */
  readonly one_of?: true;
  readonly summary: string;
}

/** A command line that fits the table. */
export interface Invocation {
  /** By the table's order; absent optional ones are missing. */
  readonly words: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
}

/** @returns the exit code */
export type Run = (invocation: Invocation, world: World) => Promise<number>;

export interface CommandSpec {
  readonly name: string;
  /** `VM`, or `[VM]` when it may be left out; `[REASON...]`, at the end, stands for any number of words. */
  readonly words: readonly string[];
  readonly options: readonly OptionSpec[];
  readonly summary: string;
  /** Paragraphs for `remusctl help COMMAND`. */
  readonly details: readonly string[];
  readonly load: () => Promise<Run>;
}

const timeout: OptionSpec = {
  name: 'timeout',
  value: 'S',
  seconds: true,
  summary: 'how long it may take, in seconds (120)',
};

const dry_run = {
  name: 'dry-run',
  summary: 'only say what would happen and why: exit code 0 when it would be done, 3 when not',
} as const;

const DRILLED = `Its steps: ${Object.entries(DRILL_STEPS)
  .map(([id, proves]) => `${id} (${proves})`)
  .join(', ')}`;

const json: OptionSpec = { name: 'json', summary: 'for programs: what remusd answered' };

export const commands: readonly CommandSpec[] = [
  {
    name: 'status',
    words: ['[VM]'],
    options: [
      json,
      { name: 'watch', summary: 'again each second, with the lag of the last ones, until Ctrl-C' },
    ],
    summary: 'is each VM protected, and if not, why and what to type',
    details: [
      'One line a VM, as this node sees it; with VM, everything that is known about it.',
      'AGE is the age of the newest checkpoint that the backup has: how far back a failover would go. RATE is checkpoints a second.',
      '--watch shows as LAG how AGE has been from second to second; only the node that runs a VM knows it.',
    ],
    load: async () => (await import('./commands/status.js')).status,
  },
  {
    name: 'switchover',
    words: ['VM'],
    options: [
      { name: 'to', value: 'NODE', summary: 'where to; only needed when there is a choice' },
      dry_run,
      json,
      timeout,
    ],
    summary: 'move a VM to its backup now, without losing anything',
    details: [
      'Planned: the VM goes on from its very last state, and no client loses an answer. It waits until the VM runs on the other node and prints the measured interruption.',
      'Refused when the VM is not protected. With mode=restart its memory is copied first, while it runs. Leaves no constraint behind.',
      '--dry-run changes nothing: it asks the node that runs the VM whether it would do it, and Pacemaker (crm_simulate) whether it would move the VM then. It tells what stands in the way, and how long the last switchovers were not to be heard.',
    ],
    load: async () => (await import('./commands/move.js')).switchover,
  },
  {
    name: 'failover',
    words: ['VM'],
    options: [
      { name: 'force', one_of: true, summary: 'do it: without this it only says what it would do' },
      { ...dry_run, one_of: true },
      json,
      timeout,
    ],
    summary: 'take a VM away from a node that is not to be trusted any more',
    details: [
      'Fences the node that runs the VM, with all that runs there, and goes on with the replica from the last acknowledged checkpoint. What the VM did after that is lost; nobody outside has seen it.',
      'A node that is dead or hangs is fenced by Pacemaker itself: this is for a node that Pacemaker believes to be well and you do not. To move a VM away from a healthy node use switchover.',
      'Type it on the node where the VM is to go on. --dry-run changes nothing: it tells which node would be fenced, with which device and what else runs there, from which checkpoint the VM would go on, how old that is, and whether Pacemaker (crm_simulate) would promote it here then. With --force, too, it changes nothing.',
    ],
    load: async () => (await import('./commands/failover.js')).failover,
  },
  {
    name: 'drill',
    words: ['VM'],
    options: [{ name: 'json', summary: 'for programs: each step as data' }],
    summary: 'would a failover work now: everything it needs has to prove itself',
    details: [
      'Type it on any node, or have a timer type it: it touches neither the VM nor its replica, and writes nothing. Where --dry-run predicts, it asks: each step is a line with what was seen, how long the answer took, and what to type when it is not well.',
      `${DRILLED}.`,
      'A fence device is asked by its monitor (stonith_admin --query), which switches nothing. What only a failover can prove is said at the end; a switchover proves most of it without loss.',
    ],
    load: async () => (await import('./commands/drill.js')).drill,
  },
  {
    name: 'pause',
    words: ['VM', '[REASON...]'],
    options: [
      {
        name: 'for',
        value: 'DURATION',
        duration: true,
        summary: 'resume it by itself after so long: 90s, 30m, 1h, 2d (until resume)',
      },
      timeout,
    ],
    summary: 'end the replication of a VM on purpose, until resume, or for some time',
    details: [
      'For maintenance of the backup, or for a guest that must be fast for a while. The replica is made unusable first, then what the VM sends is not held any more. The VM runs on, unprotected: a failover, a switchover or a stop would be a restart of it. Everybody can see that in crm_mon.',
      'It is kept in the cluster, and belongs to the VM, not to a node: it outlives a restart of remusd, a move, a failover, a stop and the outage of the whole cluster, until somebody types resume.',
      'REASON (the rest of the words: one line, at most 200 bytes), who has typed it, where and when stand with it, in the status, in crm_mon and in the history. Another pause while it lasts takes its place: with its reason and its end, or without.',
      'With --for the node that runs the VM then resumes it by itself, by its own clock; one that is down at that time does when it is back, and a VM that is stopped meanwhile starts unpaused.',
    ],
    load: async () => (await import('./commands/pause.js')).pause,
  },
  {
    name: 'resume',
    words: ['VM'],
    options: [timeout],
    summary: 'begin the replication of a paused VM again',
    details: [
      'It waits until the VM is protected. When that does not come in time (the backup is still down, the memory is large), replication goes on by itself when it can.',
    ],
    load: async () => (await import('./commands/pause.js')).resume,
  },
  {
    name: 'resync',
    words: ['VM'],
    options: [dry_run, json, timeout],
    summary: 'make the replica of a VM anew; it is unprotected until that is done',
    details: [
      'For a replica that is not to be trusted, or after something was mended or a parameter was changed. The replica is made unusable first, as for a pause, then all of the memory is copied again, to it or to another node. The guest runs on.',
      'The VM is unprotected until that first copy is done: a failover meanwhile would start it anew. It waits for that, and prints how long it was. When it does not come in time (the memory is large, the backup is down), it goes on by itself.',
      'Refused when the VM does not run, is just being moved, or is paused. --dry-run changes nothing: it says whether it would be done, and what would be given up.',
    ],
    load: async () => (await import('./commands/resync.js')).resync,
  },
  {
    name: 'history',
    words: ['VM'],
    options: [
      json,
      {
        name: 'limit',
        value: 'N',
        up_to: HISTORY_LIMIT.max,
        summary: `how many of the newest, up to ${HISTORY_LIMIT.max} (${HISTORY_LIMIT.default})`,
      },
    ],
    summary: 'what was decided about a VM, when and why',
    details: [
      'Each decision of remusd with its reason, the newest last: of this node and of the others that can be asked, in the order of their clocks. It says which could not be asked.',
      'When remusd does not run here, what it has written down on this node is shown.',
    ],
    load: async () => (await import('./commands/history.js')).history,
  },
  {
    name: 'doctor',
    words: ['[VM]'],
    options: [
      {
        name: 'config',
        value: 'FILE',
        summary: 'look at a configuration file that is to become a VM, too',
      },
      { name: 'json', summary: 'for programs: the findings as data' },
    ],
    summary: 'what is wrong with the nodes, the cluster and the VMs, and what to type',
    details: [
      'Looks at this node, at its peers through their remusd, at the cluster and at each VM (with VM: at that one), and changes nothing. It works before the first VM is added, and without remusd or Pacemaker, then with less to see.',
      'An error: something does not work, or will not when it is needed. A warning: it may not. A note: it could be better.',
    ],
    load: async () => (await import('./commands/doctor.js')).doctor,
  },
  {
    name: 'dump',
    words: ['FILE|VM'],
    options: [
      {
        name: 'checkpoints',
        value: 'N',
        up_to: DUMP_LIMITS.checkpoints,
        summary: `of a VM: how many checkpoints, up to ${DUMP_LIMITS.checkpoints} (${LIVE_DUMP.checkpoints})`,
      },
      {
        name: 'timeout',
        value: 'S',
        seconds: true,
        summary: `of a VM: how long they may take to come, in seconds (${LIVE_DUMP.timeout_s})`,
      },
      { name: 'summary', summary: 'only the checkpoints, not their records' },
      { name: 'json', summary: 'for programs: one JSON object a line' },
    ],
    summary: 'the records of a migration stream: of a file, or of the live replication of a VM',
    details: [
      'FILE: a stream of xl remus, xl migrate or xl save (libxl format 2 around libxc format 2 or 3), also gzipped; - is stdin. It reads the stream as a backup does, checks every length and type against the specification, and says at which byte something is wrong.',
      'xl save -c DOMAIN FILE writes such a file, and the VM goes on.',
      'VM: the next checkpoints of its replication, whole, in the same form. Type it on the node that runs the VM, for its sender shows them: types, lengths and numbers, never what is in the memory. Replication does not wait for it: who reads too slowly is dropped. During the first copy it waits for the checkpoint after it.',
      'What is a file: -, whatever has a slash, whatever cannot be the name of a VM, and a name that there is as a file in this directory. Any other name is a VM. When a VM and a file here have the same name, the file is meant: --checkpoints or --timeout says that it is the VM, ./NAME that it is the file.',
    ],
    load: async () => (await import('./commands/dump.js')).dump,
  },
  {
    name: 'version',
    words: [],
    options: [],
    summary: 'the releases of remusctl and of the remusd on this node',
    details: [],
    load: async () => (await import('./commands/version.js')).version,
  },
  {
    name: 'help',
    words: ['[COMMAND]'],
    options: [],
    summary: 'this text, or more about one command',
    details: [],
    load: async () => (await import('./commands/help.js')).help,
  },
];

export function findCommand(name: string): CommandSpec | undefined {
  return commands.find((command) => command.name === name);
}
