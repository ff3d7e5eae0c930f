/** The client side of remusd's control socket, for remusctl. */
import { connect, type Socket } from 'node:net';

import { reasonOf } from '../daemon/adapters/errors.js';
import {
  AnswerReader,
  formatRequest,
  LIMITS,
  type ControlAnswer,
} from '../daemon/adapters/control-protocol.js';
import { LineSplitter } from '../daemon/adapters/lines.js';
import { patient } from '../daemon/adapters/patience.js';

/** Why there is no answer. */
export type ClientErrorCode =
  'not-running' | 'not-allowed' | 'timeout' | 'cut' | 'protocol' | 'failed';

/** Its message is a sentence that says what to type next. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string) {
    super(message);
    this.name = 'ClientError';
    this.code = code;
  }
}

export interface AskOptions {
  /** Path of remusd.sock. */
  readonly path: string;
  /** The whole time for the answer, milliseconds. Absent: as long as the daemon shows that it is alive. */
  readonly timeout_ms?: number;
  /** No word from the daemon for so long means that it hangs; it says something every second. Default 10 s. */
  readonly silence_ms?: number;
  readonly progress?: (text: string) => void;
  /** A part of the answer that comes before its end. */
  readonly item?: (item: unknown) => void;
  /** Ends the question early (Ctrl-C); it rejects with `cut`. */
  readonly signal?: AbortSignal;
}

/**
 * Ask remusd once.
 * @param fields the request's lines: `{action: 'status', resource: 'vm1'}`.
 * @throws ClientError
 */
export function ask(
  fields: Readonly<Record<string, string>>,
  options: AskOptions,
): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    const request = formatRequest(fields);
    const socket = connect(options.path);
    const timers: NodeJS.Timeout[] = [];
    const settle = (act: () => void): void => {
      timers.forEach(clearTimeout);
      options.signal?.removeEventListener('abort', interrupted);
      socket.destroy();
      act();
    };
    const fail = (error: ClientError): void => settle(() => reject(error));
    const interrupted = (): void => fail(new ClientError('cut', 'interrupted'));
    if (options.signal?.aborted === true) {
      interrupted();
      return;
    }
    options.signal?.addEventListener('abort', interrupted);
    if (options.timeout_ms !== undefined) {
      timers.push(setTimeout(() => fail(tooLate(options.timeout_ms)), options.timeout_ms));
    }
    socket.setTimeout(options.silence_ms ?? patient(10_000), () => fail(hangs()));
    socket.once('connect', () => socket.write(request));
    socket.once('error', (error) => fail(cannotConnect(error, options.path)));
    socket.once('end', () => fail(cutOff()));
    readAnswer(socket, options, (answer) => settle(() => resolve(answer)), fail);
  });
}

function readAnswer(
  socket: Socket,
  { progress, item }: AskOptions,
  done: (answer: ControlAnswer) => void,
  fail: (error: ClientError) => void,
): void {
  const splitter = new LineSplitter(LIMITS.answer, 'throw');
  const reader = new AnswerReader(progress ?? (() => undefined), item);
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const line of splitter.push(chunk)) {
        const answer = reader.take(line);
        if (answer !== null) {
          done(answer);
          return;
        }
      }
    } catch {
      fail(
        new ClientError(
          'protocol',
          'what remusd answered cannot be understood: remusctl and remusd must be of the same release; type: systemctl restart remusd (no VM is disturbed)',
        ),
      );
    }
    return undefined;
  });
}

function cannotConnect(error: Error, path: string): ClientError {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new ClientError(
      'not-running',
      'remusd is not running here; type: systemctl start remusd',
    );
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new ClientError('not-allowed', `only root may use ${path}; type: sudo remusctl ...`);
  }
  if (code === 'EPIPE' || code === 'ECONNRESET') return cutOff();
  return new ClientError(
    'failed',
    `${path} cannot be used (${reasonOf(error)}); type: systemctl status remusd`,
  );
}

function cutOff(): ClientError {
  return new ClientError(
    'cut',
    'remusd ended before it had answered; type: journalctl -u remusd -n 20',
  );
}

function hangs(): ClientError {
  return new ClientError(
    'timeout',
    'remusd does not answer; type: systemctl restart remusd (no VM is disturbed)',
  );
}

function tooLate(timeout_ms = 0): ClientError {
  return new ClientError(
    'timeout',
    `no answer within ${timeout_ms / 1_000} s: remusd is alive, but busy; type: uptime; journalctl -u remusd -n 20`,
  );
}
