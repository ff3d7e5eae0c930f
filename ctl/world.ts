/** What a command may touch: the terminal, the daemon, the time. The tests have another one. */
import type { ControlAnswer } from '../daemon/adapters/control-protocol.js';

export interface AskDaemonOptions {
  readonly timeout_ms: number;
  readonly progress?: (text: string) => void;
  /** A part of the answer that comes before its end. */
  readonly item?: (item: unknown) => void;
}

export interface World {
  /** Results. */
  out(text: string): void;
  /** Errors, and the progress of what takes time. */
  err(text: string): void;
  /** stdout is a terminal that may be repainted. */
  readonly terminal: boolean;
  /** Colours are wanted. */
  readonly color: boolean;
  /** The terminal shows more than ASCII. */
  readonly utf8: boolean;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Ask the daemon of this node. @throws ClientError (see client.ts) */
  ask(fields: Readonly<Record<string, string>>, options: AskDaemonOptions): Promise<ControlAnswer>;
  /** The newest of what this node's remusd has written down of a VM, from its file: for when it does not answer. */
  historyFile(vm: string, count: number): Promise<readonly Record<string, unknown>[]>;
  /** A file, or stdin for `-`, unpacked when it is gzipped. */
  pieces(path: string): AsyncIterable<Buffer>;
  /** There is something of that name that can be read: no directory. */
  isFile(path: string): Promise<boolean>;
  /** Who types: the login name. */
  readonly user: string;
  now(): Date;
  /** Ends early, and without an error, when interrupted. */
  sleep(ms: number): Promise<void>;
}
