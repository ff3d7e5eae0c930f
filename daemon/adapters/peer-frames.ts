/** The words of the control channel between daemons: JSON objects, one a line, the first one is a hello. */
import { z } from 'zod';
import { AdapterError, isAdapterError, oneLine } from './errors.js';

/** Raised with every change that an older remusd would misunderstand. */
export const PEER_PROTOCOL = 1;
export const MAX_FRAME_BYTES = 64 * 1024;

export type PeerErrorCode =
  | 'unreachable' // no connection, or it broke: whether the request was carried out is not known
  | 'certificate' // somebody else answers at the peer's address
  | 'version' // the peer speaks another protocol
  | 'timeout' // no answer in time: whether the request was carried out is not known
  | 'rubbish' // the peer broke the rules of the channel
  | 'too-large' // our request does not fit into a frame
  | 'remote'; // the peer carried it out or refused, and says why: see `remote_code`

export class PeerError extends AdapterError<PeerErrorCode> {
  /** The code that the peer's handler gave; only with code `remote`. */
  get remote_code(): string | undefined {
    const code = this.detail['remote_code'];
    return typeof code === 'string' ? code : undefined;
  }
}

/** Only what every future version keeps: the number decides before the rest is looked at. */
const anyHello = z.object({
  remus_control: z.number().int(),
  release: z.string().max(64).catch('unknown'),
});
const hello = anyHello.extend({
  release: z.string().max(64),
  node: z.string().min(1).max(255),
});
export type Hello = z.infer<typeof hello>;

const request = z.object({
  id: z.number().int().nonnegative(),
  method: z.string().min(1).max(64),
  params: z.unknown(),
});
export type Request = z.infer<typeof request>;

const response = z.union([
  z.object({ id: z.number().int(), ok: z.unknown().refine((value) => value !== undefined) }),
  z.object({
    id: z.number().int(),
    error: z.object({ code: z.string().max(64), sentence: z.string().max(1000) }),
  }),
]);
export type Response = z.infer<typeof response>;

function rubbish(node: string, what: string): PeerError {
  const sentence = `${node} does not keep to the protocol of remusd (${what}); the connection was dropped`;
  return new PeerError('rubbish', 'peer broke the protocol', sentence, { node, what });
}

function parsed<T>(schema: z.ZodType<T>, line: string, node: string, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw rubbish(node, `${what}: no JSON`);
  }
  const result = schema.safeParse(value);
  if (!result.success) throw rubbish(node, what);
  return result.data;
}

/**
 * The other side's first line. `node` is who it is by its certificate: a hello in another name is a lie.
 * Throws `PeerError`.
 */
export function parseHello(line: string, node: string, ours = PEER_PROTOCOL): Hello {
  const { remus_control: theirs, release } = parsed(anyHello, line, node, 'hello');
  if (theirs !== ours) {
    const where = theirs < ours ? `on ${node}` : 'on this node';
    const sentence = `remusd on ${node} is release ${oneLine(release, 30)} and speaks protocol ${theirs}, this one ${ours}: upgrade it ${where}`;
    const detail = { node, theirs, ours, release };
    throw new PeerError('version', 'peer speaks another protocol', sentence, detail);
  }
  const said = parsed(hello, line, node, 'hello');
  if (said.node !== node) throw rubbish(node, `it calls itself ${said.node.slice(0, 64)}`);
  return said;
}

export function parseRequest(line: string, node: string): Request {
  return parsed(request, line, node, 'request');
}

export function parseResponse(line: string, node: string): Response {
  return parsed(response, line, node, 'response');
}

/** One frame. Throws `PeerError` `too-large`. */
export function encode(message: Hello | Request | Response, node: string): string {
  const line = `${JSON.stringify(message)}\n`;
  if (Buffer.byteLength(line) <= MAX_FRAME_BYTES) return line;
  const sentence = `a message to ${node} is larger than ${MAX_FRAME_BYTES} bytes`;
  throw new PeerError('too-large', 'message is too large', sentence, { node });
}

/** What a handler threw, as the other side may see it: never a stack. */
export function errorResponse(id: number, error: unknown): Response {
  if (isAdapterError(error)) {
    return { id, error: { code: error.code.slice(0, 64), sentence: error.sentence } };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { id, error: { code: 'failed', sentence: oneLine(message) } };
}
