/** What each fault does to the lab, and how it ends: one executor for each kind. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabResult } from '../cluster/lab/command.js';
import { VM } from '../cluster/support/observed.js';
import { startDaemon, stopDaemon } from '../cluster/support/operations.js';
import { pidOf, signal } from '../cluster/support/processes.js';
import type { Fault, Kind } from './schedule.js';
import type { Stage, Stopped } from './stage.js';

/** What became of it. */
export interface Outcome {
  /** In words: whom it struck, or what the command said. */
  readonly what: string;
  /** For a fault that lasts: its end. */
  readonly end?: () => Promise<unknown>;
}

type Of<K extends Kind> = Extract<Fault, { kind: K }>;
type Effects = { readonly [K in Kind]: (stage: Stage, fault: Of<K>) => Promise<Outcome> };

/** remusctl's own deadline, and how much later it must have ended. */
const COMMAND_S = 60;
const GRACE_S = 30;
const NAME_MAX = 15;
/** systemd's, before it starts a unit again. */
const RESTART_MS = 1_000;

const CLONE = `${VM}-ha`;

const EFFECTS: Effects = {
  kill: async (stage, fault) => {
    const { node, pid } = await victim(stage, fault);
    await signal(stage.lab, node, pid, 'KILL');
    return { what: `${node}, pid ${pid}` };
  },

  stop: async (stage, fault) => {
    const { node, pid } = await victim(stage, fault);
    stage.stopped.push({ node, pid });
    await signal(stage.lab, node, pid, 'STOP');
    return { what: `${node}, pid ${pid}`, end: () => signal(stage.lab, node, pid, 'CONT') };
  },

  'restart-daemon': async (stage, { on }) => {
    const node = awake(stage, on);
    await stopDaemon(stage.lab, node);
    return { what: node, end: () => startDaemon(stage.lab, node) };
  },

  'power-cut': async (stage, { on }) => {
    const node = stage.node(on);
    await stage.lab.kill(node);
    return { what: node, end: () => powerOn(stage, node) };
  },

  outage: async (stage) => {
    const nodes = stage.lab.nodes();
    await Promise.all(nodes.map((node) => stage.lab.kill(node)));
    const end = (): Promise<unknown> => Promise.all(nodes.map((node) => powerOn(stage, node)));
    return { what: nodes.join(' '), end };
  },

  freeze: async (stage, { on }) => {
    const node = awake(stage, on);
    await stage.lab.freeze(node);
    const end = async (): Promise<void> => {
      if (stage.lab.power(node) === 'frozen') await stage.lab.thaw(node);
      await powerOn(stage, node);
    };
    return { what: node, end };
  },

  partition: async (stage, { on, both }) => {
    const node = stage.node(on);
    const networks = both ? (['cluster', 'replication'] as const) : (['cluster'] as const);
    const others = stage.others(node);
    await stage.cut(networks, () =>
      both ? stage.lab.cutAll(others, [node]) : stage.lab.partition(others, [node]),
    );
    const end = async (): Promise<void> => {
      await stage.mend(networks);
      for (const one of stage.lab.nodes()) await powerOn(stage, one);
    };
    return { what: node, end };
  },

  'cut-replication': async (stage, { on }) => {
    const node = stage.node(on);
    await stage.cut(['replication'], () => stage.lab.cutReplication(node));
    return { what: node, end: () => stage.mend(['replication']) };
  },

  'fencing-fails': async (stage) => {
    await stage.lab.fenceFail();
    return { what: 'of all nodes', end: () => stage.lab.fenceOk() };
  },

  'slow-fencing': async (stage, { delay_s }) => {
    await stage.lab.fenceDelay(delay_s);
    return { what: 'of all nodes', end: () => stage.lab.fenceOk() };
  },

  'crash-stack': async (stage, { on, process }) => {
    const node = awake(stage, on);
    // The kernel keeps 15 bytes of a name.
    const { stdout } = await stage.lab.exec(node, ['pidof', process.slice(0, NAME_MAX), process]);
    const pids = [...new Set(stdout.trim().split(' '))].filter((pid) => pid !== '');
    if (pids.length === 0) throw new Error(`${node} has no ${process}`);
    await stage.lab.exec(node, ['kill', '-KILL', ...pids]);
    const what = `${node}, pid ${pids.join(' ')}`;
    // Its unit has Restart=on-failure; corosync's has not, and the others are pacemakerd's to start anew.
    return process === 'pacemakerd' ? { what, end: () => restarted(stage, node) } : { what };
  },

  leave: async (stage, { on }) => {
    const node = awake(stage, on);
    await stage.lab.stop(node);
    return { what: node, end: () => stage.lab.start(node) };
  },

  standby: async (stage, { on }) => {
    const node = stage.node(on);
    const what = await type(stage, stage.console(on), ['crm_standby', '-N', node, '-v', 'on']);
    const end = (): Promise<string> =>
      type(stage, stage.lab.anyNode(), ['crm_standby', '-N', node, '-D']);
    return { what: `${node}: ${what}`, end };
  },

  'stop-resource': async (stage) => {
    const what = await type(stage, stage.lab.anyNode(), role('Stopped'));
    const end = (): Promise<string> => type(stage, stage.lab.anyNode(), role('Started'));
    return { what, end };
  },

  move: async (stage) => {
    const to = stage.node('backup');
    const argv = ['crm_resource', '--move', '--promoted', '-r', CLONE, '-N', to];
    const what = await type(stage, stage.console('primary'), argv);
    const end = (): Promise<string> =>
      type(stage, stage.lab.anyNode(), ['crm_resource', '--clear', '-r', CLONE]);
    return { what: `to ${to}: ${what}`, end };
  },

  switchover: async (stage, { on }) => {
    // On three nodes there is a choice, and it has to be made.
    const to = stage.lab.nodes().length > 2 ? ['--to', stage.node('backup')] : [];
    return { what: await remusctl(stage, on, ['switchover', VM, ...to]) };
  },

  failover: async (stage, { on }) => ({
    what: await remusctl(stage, on, ['failover', VM, '--force']),
  }),

  pause: async (stage, { on }) => {
    const what = await remusctl(stage, on, ['pause', VM]);
    return { what, end: () => remusctl(stage, on, ['resume', VM]) };
  },

  guest: async (stage, { word }) => {
    await stage.client.say(word);
    return { what: 'said' };
  },

  'kill-domain': async (stage) => {
    const node = awake(stage, 'primary');
    const domain = stage.lab.hypervisor(node).find(({ name }) => name === VM);
    if (domain === undefined) return { what: `${node} has no ${VM}` };
    await signal(stage.lab, node, domain.pid, 'KILL');
    return { what: `${node}, pid ${domain.pid}` };
  },

  plant: async (stage) => {
    const node = awake(stage, 'backup');
    return { what: await type(stage, node, ['xl', 'unpause', `${VM}--incoming`]) };
  },
};

async function restarted(stage: Stage, node: string): Promise<void> {
  await sleep(RESTART_MS);
  await stage.lab.start(node);
}

function role(value: string): string[] {
  return ['crm_resource', '-r', CLONE, '--meta', '-p', 'target-role', '-v', value];
}

/** Carries a fault out. Rejects when there was nobody to strike. */
export function strike(stage: Stage, fault: Fault): Promise<Outcome> {
  const effect = EFFECTS[fault.kind] as (stage: Stage, fault: Fault) => Promise<Outcome>;
  return effect(stage, fault);
}

/** A command in a machine that hangs or is off would only hang as well. */
function awake(stage: Stage, side: Parameters<Stage['node']>[0]): string {
  const node = stage.node(side);
  const power = stage.lab.power(node);
  if (power !== 'on') throw new Error(`${node} is ${power}`);
  return node;
}

/** Fencing may have been quicker, or somebody else has switched it on. */
async function powerOn(stage: Stage, node: string): Promise<void> {
  if (stage.lab.power(node) === 'off') await stage.lab.boot(node);
}

async function victim(stage: Stage, { on, process }: Of<'kill' | 'stop'>): Promise<Stopped> {
  const node = awake(stage, on);
  return { node, pid: await pidOf(stage.lab, node, process, VM) };
}

function remusctl(
  stage: Stage,
  side: Parameters<Stage['node']>[0],
  words: readonly string[],
): Promise<string> {
  return type(stage, stage.console(side), ['remusctl', ...words, '--timeout', String(COMMAND_S)]);
}

/** An operator's command; what it said last. */
async function type(stage: Stage, node: string, argv: readonly string[]): Promise<string> {
  const timeout_ms = (COMMAND_S + GRACE_S) * 1000;
  return saidIn(node, await stage.lab.exec(node, argv, { timeout_ms }));
}

function saidIn(node: string, { code, stdout, stderr, timed_out, duration_ms }: LabResult): string {
  const said = code === 0 && stdout.trim() !== '' ? stdout : stderr;
  const line = said.trim().split('\n').at(-1) ?? '';
  const end = timed_out ? 'DID NOT END' : `rc ${code ?? 'by a signal'}`;
  return `on ${node}: ${end} after ${(duration_ms / 1000).toFixed(1)} s: ${line}`;
}
