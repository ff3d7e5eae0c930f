#!/usr/bin/env node
/**
 * The sender: the child of `xl remus`, between its pipe and the receiver on the backup.
 *
 * stdin   the migration stream, a pipe
 * stdout  54 bytes to xl, when the receiver is ready: xl then begins
 * stderr  one line of JSON a happening
 *
 * Exit codes: 0 xl remus has ended, or the daemon asked to stop; 1 replication has failed (`reason` in the
 * last state line, also in sender.last.json); 2 wrong options. Output that is held stays held each time.
 */
import { writeFileSync, writeSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { sentenceOf } from '../adapters/errors.js';
import { createExec } from '../adapters/exec.js';
import { readIdentity } from '../adapters/identity.js';
import { connectTls } from '../adapters/peer-tls.js';
import { openHold, type OutputHold } from '../adapters/tc.js';
import { createXl } from '../adapters/xl.js';
import { FROM_RECEIVER } from '../stream/frames.js';
import { checkHello, encodeHello, packedCachePages, type Hello } from '../stream/hello.js';
import { parseSenderArgs, type SenderArgs } from './args.js';
import { parseSenderCommand } from './commands.js';
import { CONTROL_VERSION, type SenderState } from './control.js';
import { CompressionPolicy } from './compression-policy.js';
import { ControlServer, type ControlConnection } from './control-server.js';
import { DumpTap } from './dump-tap.js';
import { trimLog } from './log-trim.js';
import { PackingPeer } from './packing-peer.js';
import { PeerLink, readHello } from './peer-link.js';
import { RELEASE, clock, log, runtimeFiles, type RuntimeFiles } from './runtime.js';
import type { HistogramsLine } from './sender-histograms.js';
import { SenderSession, type SenderPorts } from './sender-session.js';
import { PipeReader } from './stdin-pipe.js';
import { PipeSize } from './pipe-size.js';
import { patient } from '../adapters/patience.js';

const BANNER = 'xl migration receiver ready, send binary domain data.\n';
const TICK_MS = 100;
const HEARTBEAT_MS = 1000;
const CONNECT_MS_MIN = patient(5000);
const STDIN = 0;
const MIB = 1024 * 1024;

/** A connection whose hellos are done. */
interface Connected {
  readonly socket: TLSSocket;
  /** Null: the peer takes no packed frames. */
  readonly cache_pages: number | null;
}

/** Everything of a sender that exists from its start, before there is a connection. */
class Sender {
  readonly #args: SenderArgs;
  readonly #files: RuntimeFiles;
  readonly #reader = new PipeReader(STDIN);
  #session: SenderSession | null = null;
  #packing: PackingPeer | null = null;
  readonly #tap = new DumpTap({ ...clock, soon: (work) => void setImmediate(work) });
  #control: ControlServer | null = null;
  #hold: OutputHold | null = null;
  #size: PipeSize | null = null;
  #resolveStop: (reason: string) => void = () => undefined;
  /** Resolves when it was told to stop, perhaps before there was a session. */
  readonly #stop_asked = new Promise<string>((resolve) => (this.#resolveStop = resolve));
  #ended_reason: string | null = null;
  #stopped_by_daemon = false;
  #broadcast_planned = false;

  constructor(args: SenderArgs, files: RuntimeFiles) {
    this.#args = args;
    this.#files = files;
  }

  /** Runs to the end of the replication. Returns the exit code. */
  async run(): Promise<number> {
    await this.#files.writePid('sender.pid');
    await this.#files.remove('sender.sock', 'sender.last.json');
    this.#control = await ControlServer.listen(
      this.#files.path('sender.sock'),
      () => this.#state(),
      (line, connection) => this.#command(line, connection),
    );
    const heartbeat = setInterval(() => this.#pulse(), HEARTBEAT_MS);
    const reason = await Promise.race([this.#replicate(), this.#stop_asked]);
    clearInterval(heartbeat);
    await this.#finish(reason);
    const xl_ended = reason.startsWith('xl remus has ended');
    return xl_ended || this.#stopped_by_daemon ? 0 : 1;
  }

  #pulse(): void {
    trimLog(this.#files.path('xl-remus.log'));
    this.#control?.broadcast();
    this.#tellHistograms();
  }

  #tellHistograms(): void {
    const histograms = this.#session?.histograms;
    if (histograms === undefined) return;
    const line: HistogramsLine = {
      v: CONTROL_VERSION,
      role: 'sender',
      type: 'histograms',
      histograms,
    };
    this.#control?.tell(() => line);
  }

  stop(reason: string): void {
    this.#stopped_by_daemon = true;
    this.#session?.end(reason);
    this.#resolveStop(reason);
  }

  /** Makes the process able to exit: a blocked read would keep it. */
  release(): boolean {
    return this.#reader.unblock();
  }

  /** Returns why it ended. */
  async #replicate(): Promise<string> {
    try {
      this.#size = await PipeSize.start(STDIN);
      this.#hold = await this.#openHold();
      const connected = await this.#connect();
      return await this.#runSession(connected, this.#size);
    } catch (error) {
      return sentenceOf(error);
    }
  }

  async #openHold(): Promise<OutputHold | null> {
    const { vifs, netbuf } = this.#args;
    if (vifs.length === 0 || netbuf === 'off') return null;
    return openHold(vifs, { exec: createExec() });
  }

  /** Connection and hellos. */
  async #connect(): Promise<Connected> {
    const { connect, expect, statedir, replication_timeout_ms } = this.#args;
    const timeout_ms = Math.max(CONNECT_MS_MIN, replication_timeout_ms);
    const identity = await readIdentity(statedir);
    const socket = await connectTls({ identity, ...connect, expect, timeout_ms });
    const mine = this.#hello();
    socket.write(encodeHello(mine));
    const theirs = await readHello(socket, timeout_ms);
    const problem = theirs.ok ? checkHello(mine, theirs.value) : theirs.reason;
    if (theirs.ok && problem === null) {
      return { socket, cache_pages: packedCachePages(mine, theirs.value) };
    }
    socket.destroy();
    throw new Error(
      `the backup at ${connect.host}:${connect.port} is not usable: ${problem ?? ''}`,
    );
  }

  #hello(): Hello {
    const { resource, generation, session, page_cache_mib: cache_mib } = this.#args;
    return { role: 'sender', release: RELEASE, resource, generation, session, cache_mib };
  }

  async #runSession({ socket, cache_pages }: Connected, size: PipeSize): Promise<string> {
    const link: PeerLink = new PeerLink(socket, FROM_RECEIVER, {
      onFrame: (frame) => {
        packing.onFrame(frame);
        session.onFrame(frame);
      },
      onLost: (reason) => session.onLost(reason),
    });
    const packing = this.#packer(link, cache_pages);
    const timeouts = { replication_ms: this.#args.replication_timeout_ms };
    const limits = { queued_bytes: this.#args.queue_limit_mib * MIB };
    const session = new SenderSession(this.#ports(packing, size), timeouts, limits);
    this.#packing = packing;
    this.#session = session;
    void this.#hold?.lost.then((reason) => session.end(reason));
    const ticks = setInterval(() => session.tick(), TICK_MS);
    const reason = await session.ended;
    clearInterval(ticks);
    link.close();
    return reason;
  }

  #packer(link: PeerLink, cache_pages: number | null): PackingPeer {
    const { compression, queue_limit_mib } = this.#args;
    return new PackingPeer(link, {
      cache_pages: compression === 'off' ? null : cache_pages,
      policy: new CompressionPolicy(compression),
      clock,
      soon: (fn) => void setImmediate(fn),
      staged_bytes_max: (queue_limit_mib * MIB) / 2,
    });
  }

  #ports(peer: PackingPeer, size: PipeSize): SenderPorts {
    return {
      input: {
        open: () => void writeSync(1, BANNER),
        read: (max) => this.#reader.read(max),
        widen: () => size.widen(),
        narrow: () => size.narrow(),
      },
      peer,
      hold: this.#hold,
      freeze: () => createXl(createExec()).pause(this.#args.domain),
      clock,
      changed: () => this.#planBroadcast(),
      seen: (event) => this.#tap.see(event),
    };
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

  #command(line: string, connection: ControlConnection): boolean {
    const command = parseSenderCommand(line);
    switch (command?.type) {
      case 'finish':
        this.#session?.finish(command.freeze);
        break;
      case 'stop':
        this.stop(command.reason);
        break;
      case 'ping':
        break;
      case 'dump':
        connection.mute();
        this.#tap.begin(connection, command);
        break;
      case undefined:
        return false;
    }
    this.#planBroadcast();
    return true;
  }

  #state(): SenderState {
    const session = this.#session;
    const { resource, generation, session: name } = this.#args;
    const reason = this.#ended_reason ?? session?.reason ?? null;
    return {
      v: CONTROL_VERSION,
      role: 'sender',
      type: 'state',
      pid: process.pid,
      resource,
      replica: { generation, session: name },
      phase: reason === null ? (session?.phase ?? 'connecting') : 'ended',
      holding: session?.holding ?? false,
      holding_none: this.#args.vifs.length === 0 || this.#args.netbuf === 'off',
      ...(this.#args.netbuf === 'off' ? { netbuf_off: true } : {}),
      dumps: true,
      stats: { ...(session?.stats ?? NO_STATS), wire: this.#packing?.stats },
      ...(reason === null ? {} : { reason }),
    };
  }

  /** Tells everybody why, before xl can notice. */
  async #finish(reason: string): Promise<void> {
    this.#ended_reason = reason;
    const last = this.#state();
    log('sender ended', { reason, sent: last.stats.sent, acked: last.stats.acked });
    writeFileSync(this.#files.path('sender.last.json'), `${JSON.stringify(last)}\n`);
    this.#tellHistograms();
    this.#control?.broadcast();
    this.#tap.end(reason);
    await this.#control?.close();
    this.#hold?.close();
    this.#size?.close();
    await this.#files.remove('sender.sock', 'sender.pid');
  }
}

const NO_STATS: SenderState['stats'] = {
  sent: 0,
  acked: 0,
  acked_age_ms: null,
  last_pause_ms: null,
  last_ack_ms: null,
  last_bytes: null,
  last_pages: null,
  bytes_total: 0,
  first_copy_bytes: 0,
  guest_memory_bytes: 0,
  rate_per_s: 0,
};

async function main(): Promise<void> {
  let args: SenderArgs;
  try {
    args = parseSenderArgs(process.argv.slice(2));
  } catch (error) {
    log('wrong options', { reason: sentenceOf(error) });
    process.exit(2);
  }
  const sender = new Sender(args, await runtimeFiles(args.rundir, args.resource));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => sender.stop(`the sender was ended by ${signal}`));
  }
  const code = await sender.run();
  // A read that cannot be unblocked would keep us for ever, and the guest suspended with us.
  if (!sender.release()) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

await main();
