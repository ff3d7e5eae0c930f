#!/usr/bin/env node
/**
 * The receiver: on the backup, between the sender and `xl migrate-receive -r`. Started by remusd, outlives it.
 *
 * - Nobody but `activate` makes xl see the end of its stream. kill -9 of this process leaves the replica
 *   paused; `destroyReplica` (replica-cleanup.ts) or the next receiver's start removes it.
 * - The loss of the sender changes nothing: a complete checkpoint waits for `activate` or `abort`.
 * - xl's own end, a broken first copy, `abort`, and SIGTERM (unless an activation is under way) give the
 *   replica up: the sender is told, xl is killed, NAME--incoming destroyed, and only then `ended` is said.
 *
 * Exit codes: 0 activated, or given up on request; 1 the replica was lost (`reason` in the last state
 * line, also in receiver.last.json); 2 wrong options.
 */
import { writeFileSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { sentenceOf } from '../adapters/errors.js';
import { createExec } from '../adapters/exec.js';
import { readIdentity } from '../adapters/identity.js';
import { listenTls, type TlsListener } from '../adapters/peer-tls.js';
import { FROM_PACKING_SENDER, FROM_SENDER, type Frame } from '../stream/frames.js';
import {
  checkHello,
  encodeHello,
  packedCachePages,
  type Hello,
  type ReceivedHello,
} from '../stream/hello.js';
import { Unpacker } from '../stream/unpacker.js';
import { parseReceiverArgs, type ReceiverArgs } from './args.js';
import { parseReceiverCommand } from './commands.js';
import { CONTROL_VERSION, type ReceiverPhase, type ReceiverState } from './control.js';
import { ControlServer } from './control-server.js';
import { PeerLink, readHello } from './peer-link.js';
import { ReceiverSession, type XlFeed } from './receiver-session.js';
import { destroyReplica, killNamed } from './replica-cleanup.js';
import { RELEASE, clock, log, runtimeFiles, type RuntimeFiles } from './runtime.js';
import { XlReceive } from './xl-receive.js';
import { patient } from '../adapters/patience.js';

const HEARTBEAT_MS = 1000;
const HELLO_TIMEOUT_MS = patient(5000);
/** A sender that never comes. */
const LISTEN_MS = 600_000;
const LINGER_MS = 60_000;
/** xl may be busy with a big checkpoint, or with making the domain. */
const FEED_STALL_MS_MIN = patient(10_000);

class Receiver {
  readonly #args: ReceiverArgs;
  readonly #files: RuntimeFiles;
  readonly #exec = createExec();
  readonly #session: ReceiverSession;
  #feed: XlFeed | null = null;
  #xl: XlReceive | null = null;
  #xl_ready: Promise<void> = Promise.resolve();
  #listener: TlsListener | null = null;
  #control: ControlServer | null = null;
  #broadcast_planned = false;
  /** `ended` is said when nothing is left any more; until then the phase of before is shown. */
  #shown: ReceiverPhase = 'listening';
  #removed = false;
  #asked_to_end = false;
  #leave: () => void = () => undefined;
  /** Resolves when the daemon has seen what came out. */
  readonly #seen = new Promise<void>((resolve) => (this.#leave = resolve));

  constructor(args: ReceiverArgs, files: RuntimeFiles) {
    this.#args = args;
    this.#files = files;
    const feed: XlFeed = { write: (pieces, done) => this.#feed?.write(pieces, done) };
    const limits = {
      staging_bytes: args.staging_limit_mib * 1024 * 1024,
      feed_stall_ms: Math.max(args.replication_timeout_ms, FEED_STALL_MS_MIN),
    };
    this.#session = new ReceiverSession({ feed, changed: () => this.#planBroadcast() }, limits);
  }

  /** Runs to the end of the replica. Returns the exit code. */
  async run(): Promise<number> {
    await this.#files.remove('receiver.sock', 'receiver.last.json');
    await killNamed(this.#files.path('receiver.pid'), 'receiver-main');
    await this.#files.writePid('receiver.pid');
    const settled = await this.#replicate();
    if (settled === 'activated') {
      await this.#linger();
      return 0;
    }
    await this.#giveUp();
    return this.#asked_to_end ? 0 : 1;
  }

  /** A signal: an activation under way is not disturbed, for nobody would know what became of it. */
  terminate(signal: string): void {
    if (['activating', 'activated'].includes(this.#session.phase)) {
      log('signal ignored, an activation is under way', { signal });
      return;
    }
    this.#abort(`the receiver was ended by ${signal}`);
  }

  async #replicate(): Promise<'activated' | 'ended'> {
    try {
      // A receiver of before may have been killed, with its xl and its domain left.
      await destroyReplica(this.#exec, this.#args.name, this.#files.path('xl-receive.pid'));
      await this.#startXl();
      await this.#listen();
    } catch (error) {
      this.#session.end(sentenceOf(error));
    }
    this.#control = await ControlServer.listen(
      this.#files.path('receiver.sock'),
      () => this.#state(),
      (line) => this.#command(line),
    );
    const heartbeat = setInterval(() => {
      this.#session.tick(clock.now_ms());
      if (this.#session.phase === 'ready') this.#xl?.trimLog();
      this.#control?.broadcast();
    }, HEARTBEAT_MS);
    const unused = setTimeout(() => this.#neverUsed(), LISTEN_MS);
    const settled = await this.#session.settled;
    clearTimeout(unused);
    clearInterval(heartbeat);
    await this.#listener?.close();
    return settled;
  }

  #neverUsed(): void {
    if (this.#session.admits) this.#session.end(`no sender came within ${LISTEN_MS / 1000} s`);
  }

  async #startXl(): Promise<void> {
    const xl = await XlReceive.start(this.#exec, this.#files);
    this.#xl = xl;
    void xl.exited().then((exit) => this.#session.onXlExit(exit));
    const broken = (error: Error): void => log('the pipe into xl broke', { error: error.message });
    this.#xl_ready = xl.feed(this.#files.path('fifo'), broken).then((feed) => {
      this.#feed = feed;
    });
    this.#xl_ready.catch((error: unknown) => this.#session.end(sentenceOf(error)));
  }

  async #listen(): Promise<void> {
    const { statedir, listen, expect } = this.#args;
    const allowed = new Set([expect]);
    this.#listener = await listenTls({
      identity: await readIdentity(statedir),
      host: listen,
      port: 0,
      allowed: () => allowed,
      onConnection: (socket) => {
        this.#accept(socket).catch((error: unknown) => {
          log('connection refused', { reason: sentenceOf(error) });
          socket.destroy();
        });
      },
      onRejected: (detail) => log('connection rejected', detail),
    });
  }

  async #accept(socket: TLSSocket): Promise<void> {
    socket.on('error', () => undefined);
    const mine = this.#hello();
    const theirs = await readHello(socket, HELLO_TIMEOUT_MS);
    if (!theirs.ok) throw new Error(theirs.reason);
    socket.write(encodeHello(mine));
    const problem = checkHello(mine, theirs.value);
    if (problem === null) await this.#xl_ready;
    const link = this.#link(socket, mine, theirs.value);
    const refusal = problem ?? (this.#session.admits ? null : 'this replica has had its sender');
    if (refusal === null) {
      this.#session.attach(link);
      return;
    }
    log('sender refused', { reason: refusal });
    link.close({ type: 'error', reason: refusal });
  }

  #link(socket: TLSSocket, mine: Hello, theirs: ReceivedHello): PeerLink {
    const events = {
      onFrame: (frame: Frame) => this.#session.onFrame(frame),
      onLost: (reason: string) => this.#session.onLost(reason),
    };
    const pages = packedCachePages(mine, theirs);
    if (pages === null) return new PeerLink(socket, FROM_SENDER, events);
    const unpacker = new Unpacker(pages);
    return new PeerLink(socket, FROM_PACKING_SENDER, events, (body) => unpacker.unpack(body));
  }

  #hello(): Hello {
    const { resource, generation, session, page_cache_mib: cache_mib } = this.#args;
    return { role: 'receiver', release: RELEASE, resource, generation, session, cache_mib };
  }

  #command(line: string): boolean {
    const command = parseReceiverCommand(line);
    switch (command?.type) {
      case 'activate':
        this.#activate();
        break;
      case 'abort':
        this.#abort(command.reason);
        break;
      case 'ping':
        break;
      case undefined:
        return false;
    }
    this.#planBroadcast();
    // Once it runs, there is nothing left to do but to be heard.
    if (this.#session.phase === 'activated' && command.type !== 'activate')
      setImmediate(this.#leave);
    return true;
  }

  #activate(): void {
    const refused = this.#session.activate();
    log('activation ordered', { complete: this.#session.complete, refused });
  }

  #abort(reason: string): void {
    this.#asked_to_end = true;
    this.#session.end(reason);
  }

  /** Several changes of one turn make one line. */
  #planBroadcast(): void {
    if (this.#broadcast_planned) return;
    this.#broadcast_planned = true;
    setImmediate(() => {
      this.#broadcast_planned = false;
      this.#control?.broadcast();
    });
  }

  #state(): ReceiverState {
    const { resource, generation, session: name } = this.#args;
    const session = this.#session;
    if (session.phase !== 'ended' || this.#removed) this.#shown = session.phase;
    return {
      v: CONTROL_VERSION,
      role: 'receiver',
      type: 'state',
      pid: process.pid,
      xl_pid: this.#xl?.pid ?? null,
      resource,
      replica: { generation, session: name },
      phase: this.#shown,
      port: this.#listener?.port ?? 0,
      connected: session.connected,
      silent_ms: session.silent_ms,
      complete: session.complete,
      applied: session.applied,
      bytes_total: session.bytes_total,
      ...(session.reason === null ? {} : { reason: session.reason }),
    };
  }

  /** The VM runs and is no longer ours: say so, and go. */
  async #linger(): Promise<void> {
    log('replica activated', { checkpoint: this.#session.applied });
    this.#writeLast();
    this.#control?.broadcast();
    const timer = setTimeout(this.#leave, LINGER_MS);
    await this.#seen;
    clearTimeout(timer);
    await this.#close();
  }

  async #giveUp(): Promise<void> {
    log('replica given up', { reason: this.#session.reason });
    this.#xl?.kill();
    await this.#destroy();
    this.#removed = true;
    this.#writeLast();
    this.#control?.broadcast();
    await this.#close();
  }

  async #destroy(): Promise<void> {
    try {
      await destroyReplica(this.#exec, this.#args.name, this.#files.path('xl-receive.pid'));
    } catch (error) {
      log('replica not destroyed', { reason: sentenceOf(error) });
    }
  }

  #writeLast(): void {
    writeFileSync(this.#files.path('receiver.last.json'), `${JSON.stringify(this.#state())}\n`);
  }

  async #close(): Promise<void> {
    await this.#control?.close();
    const names = ['receiver.sock', 'receiver.pid', 'fifo', 'xl-receive.pid'];
    await this.#files.remove(...names);
  }
}

async function main(): Promise<void> {
  let args: ReceiverArgs;
  try {
    args = parseReceiverArgs(process.argv.slice(2));
  } catch (error) {
    log('wrong options', { reason: sentenceOf(error) });
    process.exit(2);
  }
  const receiver = new Receiver(args, await runtimeFiles(args.rundir, args.resource));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => receiver.terminate(signal));
  }
  log('receiver started', {
    resource: args.resource,
    generation: args.generation,
    at: clock.wall(),
  });
  process.exit(await receiver.run());
}

await main();
