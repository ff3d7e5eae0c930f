/** The receiver as a process: what a sender may say over TLS, and what may be said on its control socket. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { readIdentity, type Identity } from '../../../daemon/adapters/identity.js';
import { connectTls } from '../../../daemon/adapters/peer-tls.js';
import type { ReceiverState } from '../../../daemon/relay/control.js';
import { encodeHello, HELLO_HEAD_BYTES, type Hello } from '../../../daemon/stream/hello.js';
import type { Random } from '../../simulator/random.js';
import { Bench, until, type Process } from '../../unit/relay/bench.js';
import { listenTo, say, until as waitFor } from '../connection.js';
import { streams } from '../corpus.js';
import { saidBySender, saidPacked } from '../frames.js';
import { mutatedJson } from '../mutate-json.js';
import { mutated, type Pieces } from '../mutate.js';
import { LogWatch, mustBeSmall } from '../process.js';
import { must, mustBeSentence, outline, type Target } from '../target.js';

const HELLO: Hello = {
  role: 'sender',
  release: '0.1.0',
  resource: 'vm1',
  generation: 1,
  session: 'ab12',
  cache_mib: 1,
};
/** A MiB. */
const CACHE_PAGES = 256;
const ANSWER_MS = 10_000;
/** For one to come or to go, on a machine that has much else to do. */
const PROCESS_MS = 40_000;
const QUIET_MS = 40;
const TALK_MS = 150;

/** A receiver that waits for its sender; a new one whenever the last has had its day. */
abstract class OneReceiver implements Target {
  #bench: Bench | null = null;
  #process: Process<ReceiverState> | null = null;
  #log: LogWatch | null = null;
  #identities: { own: Identity; peer: Identity } | null = null;

  abstract make(random: Random): Buffer;
  /** @returns what came of it, where the receiver does not say it. */
  protected abstract talk(input: Buffer): Promise<string>;
  protected abstract prepare(): Promise<void>;

  async open(): Promise<void> {
    await this.prepare();
    const bench = new Bench(null, { wait_ms: PROCESS_MS });
    this.#bench = bench;
    await bench.prepare();
    this.#identities = {
      own: await readIdentity(bench.path('a', 'state')),
      peer: await readIdentity(bench.path('b', 'state')),
    };
  }

  async feed(input: Buffer): Promise<string> {
    const receiver = await this.#waiting();
    const came = await this.talk(input);
    const outcome = await this.#judge(receiver, came);
    this.#log?.check();
    return outcome;
  }

  close(): Promise<void> {
    this.#process = null;
    this.#log = null;
    this.#bench?.close();
    this.#bench = null;
    return Promise.resolve();
  }

  protected path(...parts: string[]): string {
    return this.#bench?.path(...parts) ?? '';
  }

  protected connect(): Promise<TLSSocket> {
    must(this.#identities !== null && this.#process !== null, 'the target is not open');
    const { own, peer } = this.#identities;
    const { port } = this.#process.control.now();
    const where = { host: '127.0.0.1', port, expect: peer.fingerprint };
    return connectTls({ identity: own, ...where, timeout_ms: ANSWER_MS });
  }

  async #waiting(): Promise<Process<ReceiverState>> {
    if (this.#process !== null) return this.#process;
    must(this.#bench !== null, 'the target is not open');
    this.#process = await this.#bench.receiver();
    this.#log ??= new LogWatch(this.path('b.log'));
    return this.#process;
  }

  async #judge(receiver: Process<ReceiverState>, came: string): Promise<string> {
    const { child, control } = receiver;
    if (await answersOrEnds(receiver)) {
      mustBeSmall(child.pid ?? 0);
      const { phase, reason, bytes_total } = control.now();
      if (reason !== undefined) mustBeSentence(reason);
      // One that clears away what it has got still shows the phase of before.
      if (phase === 'listening' && bytes_total === 0)
        return `${came}: ${outline(reason ?? 'well')}`;
      control.send({ type: 'abort', reason: 'the next one' });
      await until('the end of the receiver', () => child.exitCode !== null, PROCESS_MS);
    }
    this.#process = null;
    control.close();
    must(child.signalCode === null, `it was ended by ${child.signalCode ?? ''}`);
    must(child.exitCode === 0 || child.exitCode === 1, `it ended with ${child.exitCode ?? '?'}`);
    must(existsSync(this.path('b', 'run', 'vm1', 'receiver.last.json')), 'it left no last word');
    const { reason = '' } = control.now();
    mustBeSentence(reason);
    return `ended: ${outline(reason)}`;
  }
}

/** @returns whether it answers a right question; else it has ended. */
async function answersOrEnds({ child, control }: Process<ReceiverState>): Promise<boolean> {
  const before = control.states.length;
  control.send({ type: 'ping' });
  const end_ms = performance.now() + ANSWER_MS;
  while (child.exitCode === null && child.signalCode === null) {
    // The state that follows may be on its way already: its own answer is the one after.
    const { phase, connected } = control.now();
    if (control.states.length > before + 1 && phase !== 'ended' && !connected) return true;
    if (control.states.length > before) control.send({ type: 'ping' });
    must(performance.now() < end_ms, 'it neither answers nor ends');
    await sleep(2);
  }
  return false;
}

/** From the first byte after the handshake on. */
export class HelloTarget extends OneReceiver {
  #corpus: readonly Pieces[] = [];

  protected prepare(): Promise<void> {
    const hellos = [HELLO, { ...HELLO, session: 'ffff' }, { ...HELLO, generation: 7 }];
    const versions = [
      { newest: 1, oldest: 1 },
      { newest: 9, oldest: 1 },
      { newest: 9, oldest: 8 },
    ];
    this.#corpus = hellos.flatMap((hello) =>
      versions.map((one) => {
        const bytes = encodeHello(hello, one);
        const cuts = [0, 8, 12, HELLO_HEAD_BYTES, bytes.length];
        return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
      }),
    );
    return Promise.resolve();
  }

  make(random: Random): Buffer {
    if (random.chance(0.4)) return encodeHello(mutatedJson(random, HELLO) as Hello);
    return mutated(random, this.#corpus);
  }

  protected async talk(input: Buffer): Promise<string> {
    const { text, closed } = await say(await this.connect(), input, QUIET_MS);
    return `${text.includes('"role":"receiver"') ? 'a hello' : 'no hello'}, ${closed ? 'closed' : 'open'}`;
  }
}

/** After a right hello. */
export class ReceiverTarget extends OneReceiver {
  #corpus: readonly Pieces[] = [];

  protected async prepare(): Promise<void> {
    this.#corpus = (await streams()).flatMap((stream) => [
      saidBySender(stream, 'finish'),
      saidBySender(stream, 'end'),
      saidPacked(stream, 'lz4', CACHE_PAGES),
    ]);
  }

  make(random: Random): Buffer {
    return mutated(random, this.#corpus);
  }

  protected async talk(input: Buffer): Promise<string> {
    const socket = await this.connect();
    const heard = listenTo(socket);
    socket.write(encodeHello(HELLO));
    // Its hello, then the frame: ready.
    await waitFor(ANSWER_MS, () => heard().closed || /}.{5}$/s.test(heard().text));
    const { closed } = await say(socket, input, TALK_MS);
    return closed ? 'closed' : 'open';
  }
}

/** The lines of its control socket. */
export class ControlTarget extends OneReceiver {
  #corpus: readonly Pieces[] = [];

  protected prepare(): Promise<void> {
    const line = (command: object): Buffer => Buffer.from(`${JSON.stringify(command)}\n`);
    const ping = line({ type: 'ping' });
    this.#corpus = [
      [ping],
      [ping, ping, ping],
      [ping, line({ type: 'activate' }), ping],
      [line({ type: 'finish' })],
      [line({ type: 'stop', reason: 'because' })],
      [ping, line({ type: 'abort', reason: 'because' }), ping],
      [ping, Buffer.alloc(70_000, 0x20), ping],
    ];
    return Promise.resolve();
  }

  make(random: Random): Buffer {
    return mutated(random, this.#corpus);
  }

  protected async talk(input: Buffer): Promise<string> {
    const socket = connect(this.path('b', 'run', 'vm1', 'receiver.sock'));
    socket.on('error', () => undefined);
    const { text, closed } = await say(socket, input, QUIET_MS);
    for (const line of text.split('\n').slice(0, -1)) JSON.parse(line);
    return closed ? 'closed' : 'open';
  }
}
