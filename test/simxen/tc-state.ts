import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ctl, DomainGone } from './ctl.js';
import { runDir } from './paths.js';

/** A plug qdisc. While no vif is redirected to its ifb nothing passes it, so what it was told last is all there is to know. */
export interface Plug {
  readonly handle: string;
  /** The device's number: a device that is made again under its old name is another one. */
  readonly ifindex: number;
  limitBytes: number;
  last: 'plugged' | 'block' | 'release' | 'release_indefinite';
}

/** What tc was told about the simulated devices. The packets and their counts are in the domain's process. */
export interface TcState {
  /** vifs with an ingress qdisc. */
  ingress: string[];
  /** Where a vif's packets are redirected to: vif to ifb. */
  redirect: Record<string, string>;
  /** Plugs by ifb. */
  plugs: Record<string, Plug>;
  nextHandle: number;
}

function statePath(): string {
  return join(runDir(), 'tc', 'state.json');
}

/** The state as it is now. Devices that were deleted take what was on them with them. */
export function readState(): TcState {
  let state: TcState = { ingress: [], redirect: {}, plugs: {}, nextHandle: 0x8001 };
  try {
    state = JSON.parse(readFileSync(statePath(), 'utf8')) as TcState;
  } catch {
    return state;
  }
  const here = devices();
  state.ingress = state.ingress.filter((dev) => here.has(dev));
  state.redirect = Object.fromEntries(
    Object.entries(state.redirect).filter(([vif]) => here.has(vif)),
  );
  state.plugs = Object.fromEntries(Object.entries(state.plugs).filter(([ifb]) => here.has(ifb)));
  return state;
}

/** Keeps a new state. */
export function writeState(state: TcState): void {
  mkdirSync(join(runDir(), 'tc'), { recursive: true });
  writeFileSync(`${statePath()}.new`, JSON.stringify(state));
  renameSync(`${statePath()}.new`, statePath());
}

/** The names of this host's network devices. */
export function devices(): Set<string> {
  const lines = readFileSync('/proc/self/net/dev', 'utf8').split('\n').slice(2);
  return new Set(lines.map((line) => line.split(':')[0]?.trim() ?? ''));
}

/** The number of a device of this host; 0 when there is none. (sysfs may show another namespace's devices.) */
export function ifindexOf(dev: string): number {
  const { stdout } = spawnSync('ip', ['-o', 'link', 'show', 'dev', dev], { encoding: 'utf8' });
  return Number(/^(\d+):/.exec(stdout)?.[1] ?? 0);
}

const connections = new Map<number, Ctl>();

/** One call to the domain that owns a vif; the connection is kept, for a long-lived batch. Undefined when it is gone. */
export async function callOwner(
  vif: string,
  head: Record<string, unknown>,
): Promise<Record<string, unknown> | undefined> {
  const domid = Number(/^vif(\d+)\./.exec(vif)?.[1]);
  try {
    let ctl = connections.get(domid);
    if (ctl === undefined || ctl.gone) {
      ctl = await Ctl.open(domid);
      connections.set(domid, ctl);
    }
    return (await ctl.call(head)).head;
  } catch (error) {
    if (error instanceof DomainGone) return undefined;
    throw error;
  }
}

/** The vif that is redirected to this ifb. */
export function vifOf(state: TcState, ifb: string): string | undefined {
  return Object.entries(state.redirect).find(([, to]) => to === ifb)?.[0];
}
