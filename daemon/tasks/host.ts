/**
 * What tasks need of the machine beside `xl`: the VM's processes, the notes about them, and the hold on the guest's
 * output. A port, so that the simulator (test/simulator) runs the tasks themselves, in their real order of steps.
 */
import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessIdentity, ProcessInfo } from '../adapters/process-table.js';
import { dropHold, liftHold } from '../adapters/tc.js';
import type { Exec } from '../ports.js';
import { inVmRoom, vmRoom, type Rooms, type VmFile } from '../rooms.js';
import { readNote, removeVmRoom, writeNote, type ReplicationNote } from './notes.js';
import {
  allGone,
  killAll,
  pausers,
  receivers,
  restoreHelpers,
  senders,
  strays,
  strayWriters,
  xlReceive,
  xlRemus,
} from './processes.js';

/** A VM by the names that its processes have on their command lines. */
export interface VmNames {
  readonly resource: string;
  readonly domain: string;
  readonly config_path: string;
}

export interface Host {
  senders(resource: string): Promise<readonly ProcessInfo[]>;
  receivers(resource: string): Promise<readonly ProcessInfo[]>;
  xlRemus(resource: string): Promise<readonly ProcessInfo[]>;
  /** `xl migrate-receive`, then what of it may have been left by a kill. */
  xlReceive(resource: string): Promise<readonly ProcessInfo[]>;
  strays(vm: VmNames): Promise<readonly ProcessInfo[]>;
  /** `xl pause` of this domain. */
  pausers(domain: string): Promise<readonly ProcessInfo[]>;
  strayWriters(resource: string): Promise<readonly ProcessInfo[]>;
  /** @throws when one cannot be killed. */
  killAll(all: readonly ProcessInfo[]): Promise<void>;
  /** @returns true when all have ended within `ms`. */
  allGone(all: readonly ProcessIdentity[], ms: number): Promise<boolean>;
  spawnDetached(argv: readonly string[], log_path: string): Promise<void>;
  readNote(resource: string): Promise<ReplicationNote | null>;
  writeNote(resource: string, note: ReplicationNote): Promise<void>;
  makeRoom(resource: string): Promise<void>;
  removeRoom(resource: string): Promise<void>;
  removeFiles(resource: string, files: readonly VmFile[]): Promise<void>;
  liftHold(vifs: readonly string[]): Promise<void>;
  dropHold(vifs: readonly string[]): Promise<void>;
  delay(ms: number): Promise<void>;
}

export function realHost(rooms: Rooms, exec: Exec): Host {
  const scope = (resource: string): { rooms: Rooms; resource: string } => ({ rooms, resource });
  return {
    senders: (resource) => senders(scope(resource)),
    receivers: (resource) => receivers(scope(resource)),
    xlRemus: (resource) => xlRemus(scope(resource)),
    xlReceive: async (resource) => [
      ...(await xlReceive(scope(resource))),
      ...(await restoreHelpers(scope(resource))),
    ],
    strays,
    pausers,
    strayWriters,
    killAll: (all) => killAll(all),
    allGone,
    spawnDetached: async (argv, log_path) => {
      await exec.spawnDetached(argv, { log_path });
    },
    readNote: (resource) => readNote(rooms, resource),
    writeNote: (resource, note) => writeNote(rooms, resource, note),
    makeRoom: async (resource) => {
      await mkdir(vmRoom(rooms, resource), { recursive: true, mode: 0o700 });
    },
    removeRoom: (resource) => removeVmRoom(rooms, resource),
    removeFiles: async (resource, files) => {
      await Promise.all(files.map((file) => rm(inVmRoom(rooms, resource, file), { force: true })));
    },
    liftHold: (vifs) => liftHold(vifs, { exec }),
    dropHold: (vifs) => dropHold(vifs, { exec }),
    delay: async (ms) => {
      await delay(ms);
    },
  };
}
