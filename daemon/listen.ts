/** Where this node listens for its peers. */
import { isIP } from 'node:net';
import { AdapterError } from './adapters/errors.js';
import type { Exec } from './ports.js';

export const DEFAULT_PORT = 7900;
const LOOPBACK = '127.0.0.1';

export interface Where {
  readonly address: string;
  readonly port: number;
}

export class ListenError extends AdapterError<'listen'> {
  constructor(sentence: string) {
    super('listen', 'no address to listen on', sentence);
  }
}

/** `ADDRESS` or `ADDRESS:PORT`, IPv6 with a port as `[ADDRESS]:PORT`. */
export function parseListen(text: string): Where {
  const match =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)|([0-9a-fA-F:]+:[0-9a-fA-F:]*))(?::(\d{1,5}))?$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? match?.[3];
  const port = match?.[4] === undefined ? DEFAULT_PORT : Number(match[4]);
  if (address === undefined || port < 1 || port > 65535) {
    throw new ListenError(`--listen ${text} must be ADDRESS or ADDRESS:PORT`);
  }
  return { address, port };
}

/** `PORT` on the loopback, or `ADDRESS:PORT`: any other address is only listened on when it is named. */
export function parseMetricsListen(text: string): Where {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)|(localhost)):)?(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? LOOPBACK;
  const port = Number(match?.[4]);
  if (match === null || isIP(address) === 0 || port < 1 || port > 65535) {
    throw new ListenError(
      `--metrics-listen ${text} must be PORT (on ${LOOPBACK}), or IPV4:PORT, or [IPV6]:PORT`,
    );
  }
  return { address, port };
}

const NODE_ADDRESS = /nodelist\.node\.(\d+)\.(ring0_addr|nodeid)\s+\(\w+\)\s*=\s*(\S+)/g;

/** The node's address in the cluster, by corosync. */
export async function clusterAddress(exec: Exec): Promise<string> {
  const own = await exec.run(['corosync-cmapctl', '-g', 'runtime.votequorum.this_node_id'], {
    timeout_ms: 5_000,
  });
  const id = /=\s*(\d+)\s*$/.exec(own.stdout)?.[1];
  const list = await exec.run(['corosync-cmapctl', 'nodelist.'], { timeout_ms: 5_000 });
  const nodes = new Map<string, { id?: string; address?: string }>();
  for (const [, index = '', key, value = ''] of list.stdout.matchAll(NODE_ADDRESS)) {
    const node = nodes.get(index) ?? {};
    nodes.set(index, key === 'nodeid' ? { ...node, id: value } : { ...node, address: value });
  }
  const found = [...nodes.values()].find((node) => node.id === id && id !== undefined)?.address;
  if (found !== undefined) return found;
  throw new ListenError(
    'the address of this node in the cluster is not known (is corosync running?); start it, or say --listen ADDRESS in /etc/default/remusd',
  );
}
