/** The ways to bring xl's stream to the other host, as commands that xl runs. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BANNER } from '../simxen/stream/format.js';
import { waitFor } from './child.js';
import { DEVNULL_XL, Pair } from './ours.js';
import type { Place } from './place.js';
import { makeCertificate, startSocat } from './socat.js';
import { SshServer } from './ssh.js';
import { type Tool, missing } from './tools.js';
import type { Xl } from './xl.js';
import type { Written } from './fake-xl-protocol.js';
import { childrenOf } from './procfs.js';
import type { PatternName } from './patterns.js';

const program = fileURLToPath(new URL('sink.js', import.meta.url));
const ARRIVE_MS = 180_000;

/** One of them, at work. */
export interface Way {
  /** What xl runs. */
  readonly command: string;
  /** Only of ours. */
  readonly pair: Pair | null;
  /** The processes at the far end. */
  readonly far_pids: () => readonly number[];
  /** After xl's own end of it is closed. */
  close(): Promise<void>;
}

export interface Contestant {
  readonly name: string;
  readonly needs: readonly Tool[];
  /** `sink`: the command at the far end. `via` may put something in between, when that is possible. */
  open(sink: string, via: (port: number) => Promise<number>): Promise<Way>;
}

export interface OursChoice {
  readonly name: string;
  readonly hold?: boolean;
  readonly compression?: string | null;
}

/** Makes contestants, and what they share. */
export class Contestants {
  readonly #place: Place;
  readonly #profile_dir: string | null;
  readonly #compression: string | null;
  #ssh: Promise<SshServer> | null = null;
  #certificate: string | null = null;

  /** `compression`: for the product's sender, null when it is not to be told. */
  constructor(place: Place, compression: string | null, profile_dir: string | null) {
    this.#place = place;
    this.#compression = compression;
    this.#profile_dir = profile_dir;
  }

  /** The product: with output commit, unless told otherwise. */
  ours({ name, hold = true, compression = this.#compression }: OursChoice): Contestant {
    const options = { hold, compression, profile_dir: this.#profile_dir };
    return {
      name,
      needs: ['perl', 'openssl'],
      open: async (sink, via) => {
        const xl = sink === '' ? DEVNULL_XL : `[ "$1" = migrate-receive ] || exit 0\nexec ${sink}`;
        const pair = new Pair(xl, options);
        this.#place.cleanup.add(() => pair.close());
        const command = await pair.open(via);
        const far_pids = (): number[] => [pair.receiver.pid];
        return { command, pair, far_pids, close: () => pair.close() };
      },
    };
  }

  /** As `xl remus` runs it by itself; `options` for ssh. */
  ssh(name: string, options: readonly string[]): Contestant {
    return {
      name,
      needs: ['ssh', 'sshd'],
      open: async (sink, via) => {
        this.#ssh ??= SshServer.start(this.#place);
        const server = await this.#ssh;
        const command = server.command(`exec ${sink}`, options, await via(server.port));
        const far_pids = (): readonly number[] => server.sessionPids();
        return { command, pair: null, far_pids, close: () => Promise.resolve() };
      },
    };
  }

  socat(name: string, tls: boolean): Contestant {
    return {
      name,
      needs: tls ? ['socat', 'openssl'] : ['socat'],
      open: async (sink) => {
        if (tls) this.#certificate ??= makeCertificate(this.#place);
        const ends = await startSocat(sink, tls ? this.#certificate : null);
        this.#place.cleanup.add(() => ends.server.stop());
        const { command, server } = ends;
        const far_pids = (): number[] => [server.process.pid ?? 0];
        return { command, pair: null, far_pids, close: () => server.stop() };
      },
    };
  }

  /** What no transport can be faster than: it goes nowhere. */
  floor(): Contestant {
    const command = `printf '${BANNER.replace('\n', '\\n')}'; exec cat >/dev/null`;
    return {
      name: 'floor',
      needs: [],
      open: () =>
        Promise.resolve({
          ...{ command, pair: null, far_pids: () => [] },
          close: () => Promise.resolve(),
        }),
    };
  }
}

/** Those whose programs are here; the others are told to `lacks`. */
export function present(
  contestants: readonly Contestant[],
  lacks: (why: string) => void,
): readonly Contestant[] {
  return contestants.filter(({ needs }) => {
    const why = missing(needs);
    if (why !== null) lacks(why);
    return why === null;
  });
}

const direct = (port: number): Promise<number> => Promise.resolve(port);

/** A contestant at work, with xl at its near end and the sink at its far one. */
export class Lane {
  readonly name: string;
  readonly line: number;
  readonly way: Way;
  readonly #xl: Xl;
  readonly #report: string | null;
  readonly #pid: number;
  #checkpoints = 0;
  #closed = false;

  private constructor(
    name: string,
    line: number,
    way: Way,
    xl: Xl,
    report: string | null,
    pid: number,
  ) {
    this.#pid = pid;
    this.name = name;
    this.line = line;
    this.way = way;
    this.#xl = xl;
    this.#report = report;
  }

  static async open(
    place: Place,
    xl: Xl,
    contestant: Contestant,
    via: (port: number) => Promise<number> = direct,
  ): Promise<Lane> {
    const report = place.fresh('arrived');
    const sink = `${process.execPath} ${program} ${report}`;
    const way = await contestant.open(sink, via);
    const line = xl.newLine();
    const { pid } = await xl.obey({ op: 'start', line, command: way.command });
    await way.pair?.started();
    const reports = contestant.name === 'floor' ? null : report;
    return new Lane(contestant.name, line, way, xl, reports, pid);
  }

  async first(mib: number): Promise<Written> {
    return this.#wrote(await this.#xl.obey({ op: 'first', line: this.line, mib }));
  }

  async checkpoint(mib: number): Promise<Written> {
    return this.#wrote(await this.#xl.obey({ op: 'checkpoint', line: this.line, mib }));
  }

  async replay(pattern: PatternName, number: number): Promise<Written> {
    return this.#wrote(await this.#xl.obey({ op: 'replay', line: this.line, pattern, number }));
  }

  /** One after the other, with the guest running `gap_ms` in between. */
  async burst(mib: number, count: number, for_ms: number, gap_ms: number): Promise<Written> {
    const { line } = this;
    const order = { op: 'burst', lines: [line], mib, count, for_ms, interval_ms: 0 } as const;
    return this.#wrote(await this.#xl.obey({ ...order, gap_ms }));
  }

  /** The transport's processes, both ends; not xl, not the sink. */
  pids(): number[] {
    return [this.#pid, ...childrenOf(this.#pid), ...this.way.far_pids()];
  }

  #wrote(written: Written): Written {
    this.#checkpoints += written.count;
    return written;
  }

  /** When all that was written has come out at the far end, in the machine's monotonic milliseconds; and was acknowledged. */
  async arrived(written: Written): Promise<number> {
    const report = this.#report;
    if (report === null) return written.ended_ms;
    const prefix = `${written.total_bytes} `;
    const line = await waitFor(`the end of a checkpoint at ${this.name}'s sink`, ARRIVE_MS, () => {
      const text = existsSync(report) ? readFileSync(report, 'utf8') : '';
      return text.split('\n').find((one) => one.startsWith(prefix));
    });
    await this.acked();
    return Number(line.slice(prefix.length));
  }

  /** Of ours: when all of them are acknowledged. */
  async acked(): Promise<void> {
    const { pair } = this.way;
    if (pair === null) return;
    await waitFor(
      'acknowledgements',
      ARRIVE_MS,
      () => pair.sender.stats.acked >= this.#checkpoints,
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#xl.obey({ op: 'close', line: this.line });
    await this.way.close();
  }
}

/** Each of them in its turn, and another one first each time: what comes and goes on the machine meets them all. */
export function rotated<T>(all: readonly T[], turn: number): T[] {
  const at = all.length === 0 ? 0 : turn % all.length;
  return [...all.slice(at), ...all.slice(0, at)];
}
