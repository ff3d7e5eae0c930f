/**
 * The dialogue on remusd's control socket, as text: one request, any number of progress and item lines, one answer.
 * Both sides use this file; ocf/remus speaks the same by hand.
 */
import { z } from 'zod';
import { printable } from './errors.js';

/** The first line of a request is `remus VERSION`. */
export const PROTOCOL_VERSION = 1;

export const LIMITS = {
  /** Bytes of a whole request. */
  request: 64 * 1024,
  /** Bytes of one value. */
  value: 4_096,
  /** Names of one request. */
  names: 256,
  /** Bytes of a whole answer, progress included, that a client takes. */
  answer: 8 * 1024 * 1024,
} as const;

export interface ControlRequest {
  readonly action: string;
  /** Absent for an action that is about all of them. */
  readonly resource?: string;
  /** Pacemaker's deadline for the action; absent for remusctl. */
  readonly timeout_ms?: number;
  readonly probe: boolean;
  /** A monitor: the one before it was answered by the agent alone. */
  readonly alone?: true;
  readonly check_level: number;
  /** `param.NAME=VALUE`, by NAME. */
  readonly params: Readonly<Record<string, string>>;
  /** Every other name, e.g. what remusctl's actions take. */
  readonly options: Readonly<Record<string, string>>;
}

export interface ControlAnswer {
  readonly rc: number;
  readonly reason?: string;
  readonly json?: unknown;
}

/** What is wrong with a request, as a sentence for its sender. */
export class BadRequest extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BadRequest';
  }
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
const requestSchema = z.object({
  action: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  // It becomes the name of a file: not one that leads elsewhere.
  resource: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/)
    .optional(),
  timeout_ms: z
    .string()
    .regex(/^[1-9][0-9]{0,8}$/)
    .transform(Number)
    .optional(),
  probe: z.enum(['0', '1']).default('0'),
  alone: z.enum(['0', '1']).default('0'),
  check_level: z
    .string()
    .regex(/^[0-9]{1,3}$/)
    .transform(Number)
    .default(0),
});

/** What to do about a request that is not understood. */
export const SAME_RELEASE =
  'the agent, remusctl and remusd must come from the same release; type: systemctl restart remusd';

/** @throws BadRequest @param text the request without its last, empty line. */
export function parseRequest(text: string): ControlRequest {
  const [first = '', ...lines] = text.split('\n');
  checkVersion(first);
  const params: Record<string, string> = {};
  const fields: Record<string, string> = {};
  if (lines.length > LIMITS.names) throw new BadRequest(`more than ${LIMITS.names} lines`);
  for (const line of lines) {
    const { name, value } = parseLine(line);
    if (name.startsWith('param.')) params[name.slice('param.'.length)] = value;
    else fields[name] = value;
  }
  const parsed = requestSchema.safeParse(fields);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.') ?? 'a field';
    throw new BadRequest(`${field} is missing or not valid`);
  }
  const { action, resource, timeout_ms, probe, alone, check_level } = parsed.data;
  const options = Object.fromEntries(
    Object.entries(fields).filter(([name]) => !Object.hasOwn(requestSchema.shape, name)),
  );
  return {
    action,
    ...(resource === undefined ? {} : { resource }),
    ...(timeout_ms === undefined ? {} : { timeout_ms }),
    probe: probe === '1',
    ...(alone === '1' ? { alone: true } : {}),
    check_level,
    params,
    options,
  };
}

function checkVersion(line: string): void {
  const match = /^remus ([0-9]{1,6})$/.exec(line);
  if (match === null) throw new BadRequest(`the first line is not "remus ${PROTOCOL_VERSION}"`);
  if (Number(match[1]) !== PROTOCOL_VERSION) {
    throw new BadRequest(
      `this remusd speaks version ${PROTOCOL_VERSION} of the protocol, the request is of version ${match[1] ?? ''}: ${SAME_RELEASE}`,
    );
  }
}

function parseLine(line: string): { name: string; value: string } {
  const at = line.indexOf('=');
  if (at === -1) throw new BadRequest('a line is not NAME=VALUE');
  const name = line.slice(0, at);
  const value = line.slice(at + 1);
  if (!NAME.test(name)) throw new BadRequest('a name has characters that are not allowed');
  if (Object.hasOwn(Object.prototype, name)) throw new BadRequest('a name is not allowed');
  if (value.includes('\0')) throw new BadRequest(`the value of ${name} has a NUL character`);
  if (Buffer.byteLength(value) > LIMITS.value) {
    throw new BadRequest(`the value of ${name} is longer than ${LIMITS.value} bytes`);
  }
  return { name, value };
}

/** @returns a request with its last, empty line. @throws BadRequest for a name or value that has no form. */
export function formatRequest(fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => {
    const line = `${name}=${value}`;
    if (value.includes('\n')) throw new BadRequest(`the value of ${name} has more than one line`);
    parseLine(line);
    return line;
  });
  return [`remus ${PROTOCOL_VERSION}`, ...lines, '', ''].join('\n');
}

/** An empty one only says that the daemon is alive and at work. */
export function formatProgress(text: string): string {
  return `progress=${printable(text).trim()}\n`;
}

/** A part of the answer that is there before its end. */
export function formatItem(item: unknown): string {
  return `item=${JSON.stringify(item)}\n`;
}

export function formatAnswer(answer: ControlAnswer): string {
  const lines = [`rc=${answer.rc}`];
  const reason = printable(answer.reason ?? '').trim();
  if (reason !== '') lines.push(`reason=${reason}`);
  if (answer.json !== undefined) lines.push(`json=${JSON.stringify(answer.json)}`);
  return [...lines, 'end', ''].join('\n');
}

const answerSchema = z.object({
  rc: z.number().int().min(0).max(255),
  reason: z.string().optional(),
});

/** Takes an answer's lines one by one. */
export class AnswerReader {
  #rc: number | undefined;
  #reason: string | undefined;
  #json: unknown;
  readonly #progress: (text: string) => void;
  readonly #item: (item: unknown) => void;

  constructor(progress: (text: string) => void, item: (item: unknown) => void = () => undefined) {
    this.#progress = progress;
    this.#item = item;
  }

  /** @returns the answer with its last line, null before. @throws when it is no answer. */
  take(line: string): ControlAnswer | null {
    if (line === 'end') return this.#finish();
    const at = line.indexOf('=');
    const value = line.slice(at + 1);
    switch (line.slice(0, Math.max(0, at))) {
      case 'progress':
        if (value !== '') this.#progress(value);
        break;
      case 'item':
        this.#item(JSON.parse(value) as unknown);
        break;
      case 'rc':
        this.#rc = Number(value);
        break;
      case 'reason':
        this.#reason = value;
        break;
      case 'json':
        this.#json = JSON.parse(value) as unknown;
        break;
      default: // of a later release
    }
    return null;
  }

  #finish(): ControlAnswer {
    const { rc, reason } = answerSchema.parse({ rc: this.#rc, reason: this.#reason });
    return {
      rc,
      ...(reason === undefined ? {} : { reason }),
      ...(this.#json === undefined ? {} : { json: this.#json }),
    };
  }
}
