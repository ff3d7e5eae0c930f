/**
 * The processes of one VM on this node, found by what they are and not by a number that was written down: a daemon
 * that was killed may not have come to writing it, and a number may be somebody else's by now, maybe another VM's.
 */
import { readdir, readlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import {
  findProcesses,
  isAlive,
  killProcess,
  waitGone,
  type ProcessIdentity,
  type ProcessInfo,
} from '../adapters/process-table.js';
import { signalGroup } from '../adapters/exec.js';
import { patient } from '../adapters/patience.js';
import { inVmRoom, type Rooms } from '../rooms.js';

export interface Scope {
  readonly rooms: Rooms;
  readonly resource: string;
}

type Argv = readonly string[];

const KILL_MS = patient(3_000);

export function senders(scope: Scope): Promise<ProcessInfo[]> {
  return findProcesses((argv) => isRelay(argv, 'sender-main.js', scope));
}

export function receivers(scope: Scope): Promise<ProcessInfo[]> {
  return findProcesses((argv) => isRelay(argv, 'receiver-main.js', scope));
}

/** `xl remus`: its last argument is the sender's whole command line, quoted (see replication.ts). */
export function xlRemus({ rooms, resource }: Scope): Promise<ProcessInfo[]> {
  const marks = ['sender-main.js', `'--rundir' '${rooms.run}'`, `'--resource' '${resource}' `];
  return findProcesses(
    (argv) => isXl(argv, 'remus') && marks.every((mark) => argv.at(-1)?.includes(mark) === true),
  );
}

/** `xl migrate-receive` says nothing of the VM on its command line, but it reads our pipe. */
export function xlReceive(scope: Scope): Promise<ProcessInfo[]> {
  return readersOfPipe(scope, (argv) => isXl(argv, 'migrate-receive'));
}

/**
 * Its `libxl-save-helper`, which does the reading. When xl is killed it stays: it has a write end of our pipe itself, so it never
 * comes to an end (seen on Xen 4.20, an hour later).
 */
export function restoreHelpers(scope: Scope): Promise<ProcessInfo[]> {
  return readersOfPipe(
    scope,
    (argv) => programs(argv).includes('libxl-save-helper') && argv.includes('--restore-domain'),
  );
}

async function readersOfPipe(
  { rooms, resource }: Scope,
  is: (argv: Argv) => boolean,
): Promise<ProcessInfo[]> {
  const fifo = inVmRoom(rooms, resource, 'fifo');
  const all = await findProcesses(is);
  const ours = await Promise.all(all.map(({ pid }) => hasOpen(pid, fifo)));
  return all.filter((_, index) => ours[index]);
}

/**
 * Calls that change the VM's domain or its record. Each ends with the task that made it; one that is still there
 * was made by a daemon that has been killed, and would do its work at any later time.
 */
export function strays(vm: {
  readonly resource: string;
  readonly domain: string;
  readonly config_path: string;
}): Promise<ProcessInfo[]> {
  return findProcesses((argv) => changesDomain(argv, vm) || writesRecord(argv, vm.resource));
}

/** `xl pause` of a domain, by a sender that may be gone (see sender-main.ts). */
export function pausers(domain: string): Promise<ProcessInfo[]> {
  return findProcesses((argv) => isXl(argv, 'pause') && argv.at(-1) === domain);
}

/** Of those, the writers of the record. */
export function strayWriters(resource: string): Promise<ProcessInfo[]> {
  return findProcesses((argv) => writesRecord(argv, resource));
}

function changesDomain(
  argv: Argv,
  { domain, config_path }: { readonly domain: string; readonly config_path: string },
): boolean {
  const last = argv.at(-1);
  if (isXl(argv, 'create')) return argv.includes('-e') && last === config_path;
  return (isXl(argv, 'destroy') || isXl(argv, 'shutdown')) && last === domain;
}

/** The compare and swap of adapters/pacemaker.ts: its XML names the record and gives it a value. */
function writesRecord(argv: Argv, resource: string): boolean {
  return (
    programs(argv).includes('cibadmin') &&
    argv.some((arg) => arg.includes(` name="remus-record-${resource}" value="`))
  );
}

/** The program, or the script that an interpreter runs. */
function programs(argv: Argv): readonly string[] {
  return argv.slice(0, 2).map((arg) => basename(arg));
}

function isXl(argv: Argv, command: string): boolean {
  const at = programs(argv).findIndex((name) => name === 'xl' || name === 'xl.js');
  return at >= 0 && argv[at + 1] === command;
}

function isRelay(argv: Argv, script: string, { rooms, resource }: Scope): boolean {
  return (
    programs(argv).includes(script) &&
    optionOf(argv, '--rundir') === rooms.run &&
    optionOf(argv, '--resource') === resource
  );
}

function optionOf(argv: Argv, name: string): string | undefined {
  const at = argv.indexOf(name);
  return at < 0 ? undefined : argv[at + 1];
}

async function hasOpen(pid: number, path: string): Promise<boolean> {
  // A removed file is still open.
  return (await openFiles(pid)).some((link) => link === path || link === `${path} (deleted)`);
}

async function openFiles(pid: number): Promise<readonly string[]> {
  try {
    const fds = await readdir(`/proc/${pid}/fd`);
    return await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  } catch {
    return [];
  }
}

/** @returns true when all have ended within `ms`. */
export async function allGone(all: readonly ProcessIdentity[], ms: number): Promise<boolean> {
  const gone = await Promise.all(all.map((one) => waitGone(one, ms)));
  return gone.every(Boolean);
}

/**
 * SIGKILL to each and to its group (our detached children lead their own), and see that they are gone.
 * @throws when one cannot be killed.
 */
export async function killAll(all: readonly ProcessInfo[], ms = KILL_MS): Promise<void> {
  for (const one of all) {
    if (await isAlive(one)) signalGroup(one.pid, 'SIGKILL');
    await killProcess(one, 'SIGKILL');
  }
  for (const one of all) {
    if (await waitGone(one, ms)) continue;
    throw new Error(`process ${one.pid} (${one.argv.slice(0, 3).join(' ')}) cannot be killed`);
  }
}

/** A process that carries a VM's replication, on either side. */
export interface DataProcess {
  readonly pid: number;
  readonly kind: 'sender' | 'receiver' | 'xl remus' | 'xl migrate-receive';
  readonly resource: string;
}

/** Those of all VMs. */
export async function dataProcesses(rooms: Rooms): Promise<readonly DataProcess[]> {
  const found = await findProcesses((argv) => kindOf(argv) !== null);
  const known = await Promise.all(
    found.map(async ({ pid, argv }) => {
      const kind = kindOf(argv);
      if (kind === null) return null;
      const resource = await resourceOf(kind, argv, pid, rooms);
      return resource === null ? null : { pid, kind, resource };
    }),
  );
  return known.filter((one) => one !== null);
}

function kindOf(argv: Argv): DataProcess['kind'] | null {
  if (programs(argv).includes('sender-main.js')) return 'sender';
  if (programs(argv).includes('receiver-main.js')) return 'receiver';
  if (isXl(argv, 'remus') && argv.at(-1)?.includes('sender-main.js') === true) return 'xl remus';
  return isXl(argv, 'migrate-receive') ? 'xl migrate-receive' : null;
}

async function resourceOf(
  kind: DataProcess['kind'],
  argv: Argv,
  pid: number,
  { run }: Rooms,
): Promise<string | null> {
  if (kind === 'sender' || kind === 'receiver')
    return optionOf(argv, '--rundir') === run ? (optionOf(argv, '--resource') ?? null) : null;
  if (kind === 'xl remus') {
    const line = argv.at(-1) ?? '';
    if (!line.includes(`'--rundir' '${run}'`)) return null;
    return /'--resource' '([^']+)' /.exec(line)?.[1] ?? null;
  }
  const links = await openFiles(pid);
  const fifo = links
    .map((link) => link.replace(/ \(deleted\)$/, ''))
    .find((link) => isFifo(link, run));
  return fifo === undefined ? null : basename(dirname(fifo));
}

function isFifo(path: string, run: string): boolean {
  return basename(path) === 'fifo' && dirname(dirname(path)) === run;
}
