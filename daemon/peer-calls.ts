/** What one remusd asks of another, both sides of it. */
import { z } from 'zod';
import { HISTORY_LIMIT } from '../ctl/history.js';
import { isLoginName, PAUSE_LIMITS, wrongReason } from '../ctl/pause.js';
import { AdapterError, oneLine } from './adapters/errors.js';
import { readXlConfig } from './adapters/xl-config.js';
import type { PeerControl } from './adapters/peer-control.js';
import { PeerError } from './adapters/peer-frames.js';
import { REFUSED } from './core/ocf.js';
import type { VmConfig } from './core/state.js';
import { factsRequest } from './doctor/facts.js';
import type { PeerDirectory } from './peers.js';
import type { Xl } from './ports.js';

export const replicaSchema = z.object({
  generation: z.number().int().positive(),
  session: z.string().regex(/^[0-9a-f]{8,64}$/),
});
const resource = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/);

/** A former release says neither who asks nor why. */
const pause = z.object({
  resource,
  timeout_ms: z.number().int().positive(),
  by: z.string().refine(isLoginName).nullable().default(null),
  why: z
    .string()
    .refine((text) => wrongReason(text) === null)
    .nullable()
    .default(null),
});

/** The requests that a remusd serves. */
export const REQUESTS = {
  /** Make a receiver; answers its port. */
  prepare: z.object({
    resource,
    replica: replicaSchema,
    domain: z.string().max(200),
    config_digest: z.string().max(128),
    xen: z.object({ major: z.number().int(), minor: z.number().int() }),
  }),
  /** The replica is not wanted any more. */
  drop: z.object({ resource, replica: replicaSchema, paused: z.boolean().default(false) }),
  /** The operator has paused the replication of the VM that runs on the asking node, or does not any more. */
  paused: z.object({
    resource,
    generation: z.number().int().nonnegative(),
    paused: z.boolean(),
  }),
  /** The VM that you handed over runs here. */
  activated: z.object({ resource, generation: z.number().int().nonnegative() }),
  /** An operator's switchover, asked of the node that runs the VM. */
  switchover: z.object({
    resource,
    to: z.string().max(255).nullable(),
    timeout_ms: z.number().int().positive(),
  }),
  /** What that switchover would do. A method of its own: a peer that does not know it must not move the VM. */
  foresee: z.object({ resource, to: z.string().max(255).nullable() }),
  /** A part of what a drill asks this node to show; `from` would be lost. Changes nothing. */
  drill: z.object({
    resource,
    part: z.enum(['replica', 'network', 'fencing', 'scheduler']),
    from: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/),
  }),
  /** An operator's pause or resume, asked of the node that runs the VM. */
  pause,
  /** One with an end. A method of its own: a peer that does not know it would pause for good. */
  'pause-for': pause.extend({ for_s: z.number().int().min(1).max(PAUSE_LIMITS.for_s) }),
  resume: z.object({ resource, timeout_ms: z.number().int().positive() }),
  /** An operator's wish for a new replica, asked of the node that runs the VM; and what it would do. */
  resync: z.object({
    resource,
    timeout_ms: z.number().int().positive(),
    by: z.string().refine(isLoginName).nullable().default(null),
  }),
  'foresee-resync': z.object({ resource }),
  /** What that node has decided about a VM. */
  history: z.object({ resource, limit: z.number().int().min(1).max(HISTORY_LIMIT.max) }),
  /** The VMs as that node sees them. */
  status: z.object({}),
  /** How that node is, for the doctor. */
  facts: factsRequest,
} as const;

export type Prepare = z.infer<(typeof REQUESTS)['prepare']>;

/** What becomes of an operator's command here, for the node where it was typed. */
export function notDone(rc: number, sentence: string): AdapterError {
  return rc === REFUSED
    ? new PeerRefusal(sentence)
    : new AdapterError('failed', 'a command failed here', sentence);
}

/** Refused there, and not merely failed: nothing was changed. */
export function wasRefused(error: unknown): error is PeerError {
  return error instanceof PeerError && error.remote_code === 'refused';
}

export class PeerRefusal extends AdapterError<'refused'> {
  constructor(sentence: string) {
    super('refused', 'the peer refused', sentence);
  }
}

/** The parameters of a request, as they must be. @throws PeerRefusal */
export function understood<Method extends keyof typeof REQUESTS>(
  method: Method,
  params: unknown,
): z.infer<(typeof REQUESTS)[Method]> {
  const parsed = REQUESTS[method].safeParse(params);
  if (parsed.success) return parsed.data as z.infer<(typeof REQUESTS)[Method]>;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new PeerRefusal(
    `it does not understand the request ${method}: ${oneLine(field, 100) || 'it'} is missing or not valid; install the same release on both nodes`,
  );
}

export class PeerCalls {
  readonly #control: PeerControl;
  readonly #directory: PeerDirectory;
  readonly #xl: Xl;

  constructor(control: PeerControl, directory: PeerDirectory, xl: Xl) {
    this.#control = control;
    this.#directory = directory;
    this.#xl = xl;
  }

  async call(
    node: string,
    method: keyof typeof REQUESTS,
    params: unknown,
    ms: number,
  ): Promise<unknown> {
    if (this.#directory.get(node) === null) await this.#directory.refresh();
    const peer = this.#directory.get(node);
    if (peer === null)
      throw new PeerRefusal(`remusd does not run on ${node} (no address published)`);
    return this.#control.call(peer, method, params, ms);
  }

  /** What a peer must agree with before it holds a replica. */
  async facts(config: VmConfig): Promise<Pick<Prepare, 'domain' | 'config_digest' | 'xen'>> {
    const [xl, info] = await Promise.all([readXlConfig(config.config_path), this.#xl.info()]);
    const xen = { major: info.xen_major, minor: info.xen_minor };
    return { domain: xl.name, config_digest: xl.digest, xen };
  }

  /** @returns why this node cannot hold the replica, or null. */
  async disagreement(
    config: VmConfig,
    asked: Prepare,
    node: string,
    from: string,
  ): Promise<string | null> {
    const own = await this.facts(config);
    if (own.domain !== asked.domain) {
      return `the domain is called ${own.domain} on ${node} and ${asked.domain} on ${from}`;
    }
    if (own.config_digest !== asked.config_digest) {
      return `${config.config_path} differs between ${from} and ${node}: make it the same on both`;
    }
    // Xen takes a stream from its own or the former release, never from a later one.
    const newer =
      asked.xen.major > own.xen.major ||
      (asked.xen.major === own.xen.major && asked.xen.minor > own.xen.minor);
    if (newer) {
      return `Xen ${own.xen.major}.${own.xen.minor} on ${node} is older than ${asked.xen.major}.${asked.xen.minor} on ${from}: a replica cannot go to an older Xen`;
    }
    return null;
  }
}
