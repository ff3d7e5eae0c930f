/** The product's own sender and receiver, as real processes, between the fake xl and the sink. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseSenderArgs } from '../../daemon/relay/args.js';
import type { SenderState } from '../../daemon/relay/control.js';
import type { ReceiverState } from '../../daemon/relay/control.js';
import { BANNER } from '../simxen/stream/format.js';
import { Bench, type Control, type Process } from '../unit/relay/bench.js';
import { within } from './cleanup.js';

/** The machine may be busy: nothing here is about timeouts. */
const REPLICATION_MS = 60_000;
const END_MS = 5_000;

export interface OursOptions {
  /** Output is held, by the stubs of tc and ip. */
  readonly hold: boolean;
  /** Of the sender: auto, off, ... Null: the sender's own choice. */
  readonly compression: string | null;
  /** Where the data processes put their CPU profiles. */
  readonly profile_dir: string | null;
}

/** Whether this product's sender has `--compression` at all. */
export function knowsCompression(): boolean {
  try {
    parseSenderArgs(['--compression', 'off']);
    return true;
  } catch (error) {
    return !(error instanceof Error && error.message.includes("'--compression'"));
  }
}

/** The end of a stream that nothing is told about: for as many as there are. */
export const DEVNULL_XL = `[ "$1" = migrate-receive ] || exit 0
printf '${BANNER.replace('\n', '\\n')}'
exec cat >/dev/null`;

/** One sender and one receiver. */
export class Pair {
  readonly #bench: Bench;
  readonly #options: OursOptions;
  #receiver: Process<ReceiverState> | null = null;
  #sender: Control<SenderState> | null = null;

  /** `xl`: a shell script in the place of xl at the far end. */
  constructor(xl: string, options: OursOptions) {
    this.#options = options;
    const dir = options.profile_dir;
    const node_args = dir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${dir}`];
    this.#bench = new Bench(null, { xl, node_args });
  }

  /** Starts the receiver. Returns the command that xl runs; `via` may put something between the two. */
  async open(via: (port: number) => Promise<number>): Promise<string> {
    await this.#bench.prepare();
    this.#receiver = await this.#bench.receiver({ timeout_ms: REPLICATION_MS });
    const port = await via(this.#receiver.control.now().port);
    const { hold, compression } = this.#options;
    const extra = [
      ...(hold ? ['--vifs', 'vif9.0'] : []),
      ...(compression === null ? [] : ['--compression', compression]),
    ];
    const command = this.#bench.senderCommand(port, { timeout_ms: REPLICATION_MS, extra });
    const env = this.#bench.env('a');
    const words = ['PATH', 'STUB', 'STUB_XL'].map((name) => `${name}='${env[name] ?? ''}'`);
    return `export ${words.join(' ')}; ${command}`;
  }

  /** When xl has had its banner. */
  async started(): Promise<void> {
    this.#sender = await this.#bench.senderControl();
  }

  get sender(): SenderState {
    if (this.#sender === null) throw new Error('the sender has not started');
    const state = this.#sender.now();
    if (state.phase === 'ended') throw new Error(`the sender has ended: ${state.reason ?? '?'}`);
    return state;
  }

  get receiver(): ReceiverState {
    if (this.#receiver === null) throw new Error('the receiver has not started');
    return this.#receiver.control.now();
  }

  /** Checkpoints that output was blocked for. */
  get blocks(): number {
    return this.#bench.text('net').split(' plug block\n').length - 1;
  }

  /** After xl has closed its pipe. */
  async close(): Promise<void> {
    const receiver = this.#receiver;
    if (receiver !== null) {
      receiver.control.send({ type: 'abort', reason: 'the bench is over' });
      await within(END_MS, "the receiver's end", receiver.exited).catch(() => undefined);
    }
    // The sender is xl's child: it has seen the end of its input.
    const late = performance.now() + END_MS;
    while (this.#sender?.closed === false && performance.now() < late) await sleep(5);
    this.#bench.close();
  }
}
