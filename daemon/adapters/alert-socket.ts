/**
 * The door for Pacemaker's alert agents, which run as hacluster. It is not the control socket: what comes in here can do nothing
 * but have us look, and whoever may write to it may do more to the cluster by Pacemaker itself.
 */
import type { Exec } from '../ports.js';
import { type ControlHandler, type ControlSocket, serveControlSocket } from './control-socket.js';
import type { ControlProblem } from './control-socket.js';

/** Pacemaker's group, as in our D-Bus policy. */
const GROUP = 'haclient';
const GETENT_MS = 5_000;
/** One agent a node and event; who opens more than that for nothing keeps the others out, and nobody misses them. */
const CONNECTIONS = 16;
const REQUEST_MS = 1_000;

export interface AlertSocketOptions {
  readonly path: string;
  readonly exec: Exec;
  readonly handler: ControlHandler;
  readonly problem: ControlProblem;
}

/** @throws when there is no such group, or the socket cannot be made. */
export async function serveAlertSocket(options: AlertSocketOptions): Promise<ControlSocket> {
  const { path, exec, handler, problem } = options;
  return serveControlSocket({
    ...{ path, handler, problem },
    group: await groupId(exec, GROUP),
    request_timeout_ms: REQUEST_MS,
    max_connections: CONNECTIONS,
  });
}

/** Node.js has no call for it. */
async function groupId(exec: Exec, name: string): Promise<number> {
  const { stdout } = await exec.run(['getent', 'group', name], { timeout_ms: GETENT_MS });
  const [, id] = /^[^:\n]+:[^:\n]*:(\d{1,9}):/.exec(stdout) ?? [];
  if (id === undefined) throw new Error(`there is no group ${name} on this node`);
  return Number(id);
}
