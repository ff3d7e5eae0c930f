/** Where things are on a node: the one place that knows directories and file names. */
import { join } from 'node:path';

export interface Rooms {
  /** Volatile: gone after a reboot, like the domains. */
  readonly run: string;
  /** Survives a reboot. */
  readonly state: string;
  /** The compiled product. */
  readonly lib: string;
}

export function roomsFrom(env: Readonly<Record<string, string | undefined>>, lib: string): Rooms {
  return {
    run: env['REMUS_RUNDIR'] ?? '/run/pacemaker-remus',
    state: env['REMUS_STATEDIR'] ?? '/var/lib/pacemaker-remus',
    lib: env['REMUS_LIBDIR'] ?? lib,
  };
}

export const controlSocket = (rooms: Rooms): string => join(rooms.run, 'remusd.sock');
/**
 * Where Pacemaker's alert agents reach us. They run as hacluster, which may not look into our directory: so it is beside it, in
 * /run, where only root can put something.
 */
export const alertSocket = (rooms: Rooms): string => `${rooms.run}-alert.sock`;
/** The daemon's pid and start time: the agent ends a daemon that hangs before it acts alone. */
export const pidFile = (rooms: Rooms): string => join(rooms.run, 'remusd.pid');
/** Registrations: one file a VM, which also tells the agent that the VM was started here. */
export const registrations = (rooms: Rooms): string => join(rooms.run, 'vms');
/** What belongs to one VM's replication or replica. */
export const vmRoom = (rooms: Rooms, resource: string): string => join(rooms.run, resource);
export const inVmRoom = (rooms: Rooms, resource: string, file: VmFile): string =>
  join(rooms.run, resource, file);

export type VmFile =
  | 'sender.sock'
  | 'receiver.sock'
  | 'sender.pid'
  | 'fifo'
  | 'xl-remus.log'
  | 'receiver.log'
  | 'replication.json';
