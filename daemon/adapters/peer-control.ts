/**
 * The control channel between daemons: requests and answers over mutual TLS. Each node calls on connections of its
 * own and serves on those of its peers; one connection per peer is kept and made anew on use. Whatever a peer does
 * wrong costs its connection and is an error value, nothing else.
 */
import type { TLSSocket } from 'node:tls';
import { oneLine, sentenceOf } from './errors.js';
import { LineSplitter } from './lines.js';
import type { Identity } from './identity.js';
import {
  MAX_FRAME_BYTES,
  PEER_PROTOCOL,
  PeerError,
  encode,
  errorResponse,
  parseHello,
  parseRequest,
  parseResponse,
} from './peer-frames.js';
import type { Hello, Request, Response } from './peer-frames.js';
import { PeerTlsError, connectTls, listenTls } from './peer-tls.js';
import type { TlsListener } from './peer-tls.js';
import { patient } from './patience.js';

export { PEER_PROTOCOL, PeerError } from './peer-frames.js';
export type { PeerErrorCode } from './peer-frames.js';

/** Where a peer is and how it proves itself. */
export interface PeerAddress {
  readonly node: string;
  readonly address: string;
  readonly port: number;
  /** 64 hex digits. */
  readonly fingerprint: string;
}

/** `from` is the calling node, by its certificate. What is thrown reaches the caller as code and sentence. */
export type PeerHandler = (params: unknown, from: string) => Promise<unknown>;
export type PeerHandlers = Readonly<Record<string, PeerHandler>>;

export interface PeerControlOptions {
  readonly identity: Identity;
  /** Our node's name. */
  readonly node: string;
  /** Our release, for the peer's messages. */
  readonly release: string;
  /** Which node a certificate belongs to, by the cluster's attributes; null turns it away. */
  readonly nodeOf: (fingerprint: string) => string | null;
  /** Every fingerprint that may call. */
  readonly allowed: () => ReadonlySet<string>;
  /** A node has called: `problem` says why it cannot be understood, when it speaks another protocol. */
  readonly onGreeted?: (node: string, problem: string | null) => void;
  /** Something worth a log line happened on a connection. */
  readonly onNote?: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

const CONNECT_TIMEOUT_MS = patient(5000);
const HELLO_TIMEOUT_MS = patient(5000);
/** Requests of one peer being carried out at a time. */
const MAX_IN_WORK = 32;
/** A peer that does not read is dropped when so much waits for it. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** Until a connection that was given up is cut off. */
const PART_MS = 1000;

/** Lines of a socket; the first one and its deadline are the hello's. */
function readFrames(
  socket: TLSSocket,
  on: { line: (line: string) => void; broken: (error: unknown) => void },
): void {
  const splitter = new LineSplitter(MAX_FRAME_BYTES, 'throw');
  let over = false;
  socket.on('data', (chunk: Buffer) => {
    if (over) return;
    try {
      for (const line of splitter.push(chunk)) {
        if (socket.destroyed) return;
        on.line(line);
      }
    } catch (error) {
      over = true;
      part(socket);
      on.broken(error);
    }
  });
}

/** Our hello is still to reach the other side: it says why, when the versions differ. */
function part(socket: TLSSocket): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), PART_MS);
  socket.once('close', () => clearTimeout(timer));
}

function send(socket: TLSSocket, frame: string): void {
  if (socket.destroyed) return;
  socket.write(frame);
  if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: PeerError) => void;
}

/** A connection of ours to a peer, on which we call. */
class Caller {
  readonly #socket: TLSSocket;
  readonly #peer: PeerAddress;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #heard = 0;
  #why: PeerError | undefined;
  readonly #onHello: (theirs: Hello) => void;
  readonly #hello: Promise<void>;

  constructor(
    socket: TLSSocket,
    peer: PeerAddress,
    ours: string,
    onHello: (theirs: Hello) => void,
  ) {
    this.#onHello = onHello;
    this.#socket = socket;
    this.#peer = peer;
    socket.once('close', () => this.#end(this.#closed()));
    socket.on('error', () => undefined);
    send(socket, ours);
    this.#hello = this.#readHello();
    // The error reaches those who call; nobody else waits for it.
    this.#hello.catch(() => undefined);
  }

  get open(): boolean {
    return !this.#socket.destroyed;
  }

  drop(): void {
    this.#socket.destroy();
  }

  #readHello(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(0, { resolve: () => resolve(), reject });
      const timer = setTimeout(() => {
        this.#end(this.#late(HELLO_TIMEOUT_MS));
      }, HELLO_TIMEOUT_MS);
      this.#socket.once('close', () => clearTimeout(timer));
      const line = (text: string): void => {
        this.#heard += 1;
        if (!this.#waiting.has(0)) {
          this.#answered(parseResponse(text, this.#peer.node));
          return;
        }
        this.#onHello(parseHello(text, this.#peer.node));
        clearTimeout(timer);
        this.#settle(0)?.resolve(undefined);
      };
      readFrames(this.#socket, { line, broken: (error) => this.#end(this.#rubbish(error)) });
    });
  }

  #answered(response: Response): void {
    // An answer to nothing is an answer that came too late.
    const waiting = this.#settle(response.id);
    if (!waiting) return;
    if ('ok' in response) {
      waiting.resolve(response.ok);
      return;
    }
    const { code: remote_code, sentence } = response.error;
    const detail = { node: this.#peer.node, remote_code };
    const text = `${this.#peer.node}: ${sentence}`;
    waiting.reject(new PeerError('remote', 'the peer refused', text, detail));
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  /** The connection is over: everybody who waits learns the first reason. */
  #end(why: PeerError): void {
    this.#why ??= why;
    this.#socket.destroy();
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(this.#why);
  }

  #closed(): PeerError {
    const { node, address, port } = this.#peer;
    const before = this.#waiting.has(0);
    const sentence = before
      ? `${node} (${address}:${port}) closed the connection at once; it may not know this node's certificate yet: look at "attrd_updater -QA -n '#remus-peer'"`
      : `the connection to ${node} (${address}:${port}) was closed; look at "systemctl status remusd" there`;
    return new PeerError('unreachable', 'connection closed', sentence, { node, address, port });
  }

  #late(timeout_ms: number): PeerError {
    const { node } = this.#peer;
    const sentence = `remusd on ${node} gave no answer within ${Math.ceil(timeout_ms)} ms; look at "systemctl status remusd" there`;
    return new PeerError('timeout', 'no answer in time', sentence, { node, timeout_ms });
  }

  #rubbish(error: unknown): PeerError {
    if (error instanceof PeerError) return error;
    const { node } = this.#peer;
    const what = sentenceOf(error);
    const sentence = `${node} does not keep to the protocol of remusd (${what}); look at "systemctl status remusd" there`;
    return new PeerError('rubbish', 'peer broke the protocol', sentence, { node, what });
  }

  async call(method: string, params: unknown, timeout_ms: number): Promise<unknown> {
    const began = performance.now();
    await deadline(this.#hello, timeout_ms, () => this.#late(timeout_ms));
    if (this.#why) throw this.#why;
    const id = this.#nextId;
    this.#nextId += 1;
    const frame = encode({ id, method, params: params ?? null }, this.#peer.node);
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    const heard = this.#heard;
    send(this.#socket, frame);
    const left_ms = Math.max(1, timeout_ms - (performance.now() - began));
    return deadline(answer, left_ms, () => {
      this.#settle(id);
      // Not a word in all that time: the connection is no good any more.
      if (this.#heard === heard) this.#socket.destroy();
      return this.#late(timeout_ms);
    });
  }
}

/** The promise's outcome, or the error of `late` when it takes too long. */
function deadline<T>(work: Promise<T>, timeout_ms: number, late: () => PeerError): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeout_ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The control channel of this node. */
export class PeerControl {
  readonly #options: PeerControlOptions;
  readonly #callers = new Map<string, { readonly key: string; readonly caller: Promise<Caller> }>();
  readonly #hello: Hello;
  #handlers: PeerHandlers = {};
  #listener: TlsListener | undefined;
  /** As they last said in a hello, by node. */
  readonly #releases = new Map<string, string>();

  constructor(options: PeerControlOptions) {
    this.#options = options;
    const { release, node } = options;
    this.#hello = { remus_control: PEER_PROTOCOL, release, node };
  }

  /** Of a peer's remusd; null before it has said hello. */
  releaseOf(node: string): string | null {
    return this.#releases.get(node) ?? null;
  }

  /** What peers may ask. */
  serve(handlers: PeerHandlers): void {
    this.#handlers = handlers;
  }

  /** Listen for peers, in one place at a time; gives the port. Rejects with `PeerTlsError`. */
  async listen(host: string, port: number): Promise<number> {
    const { identity, allowed, onNote } = this.#options;
    await this.#listener?.close();
    this.#listener = undefined;
    this.#listener = await listenTls({
      identity,
      host,
      port,
      allowed,
      onConnection: (socket, fingerprint) => this.#accept(socket, fingerprint),
      onRejected: (detail) => onNote?.('a connection was turned away', detail),
    });
    return this.#listener.port;
  }

  #accept(socket: TLSSocket, fingerprint: string): void {
    socket.on('error', () => undefined);
    const from = this.#options.nodeOf(fingerprint);
    if (from === null) return void socket.destroy();
    send(socket, encode(this.#hello, from));
    const timer = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(timer));
    let greeted = false;
    let inWork = 0;
    const line = (text: string): void => {
      if (!greeted) {
        this.#greet(text, from);
        greeted = true;
        clearTimeout(timer);
        return;
      }
      const request = parseRequest(text, from);
      if (inWork >= MAX_IN_WORK) {
        const sentence = 'too many requests at a time';
        send(socket, encode({ id: request.id, error: { code: 'busy', sentence } }, from));
        return;
      }
      inWork += 1;
      void this.#work(request, from).then((frame) => {
        inWork -= 1;
        send(socket, frame);
      });
    };
    readFrames(socket, {
      line,
      broken: (error) => {
        this.#options.onNote?.('a peer was dropped', { node: from, why: sentenceOf(error) });
      },
    });
  }

  /** Who cannot be understood is dropped, and everybody learns why. */
  #greet(text: string, from: string): void {
    const { onGreeted } = this.#options;
    try {
      this.#releases.set(from, parseHello(text, from).release);
    } catch (error) {
      if (error instanceof PeerError && error.code === 'version') onGreeted?.(from, error.sentence);
      throw error;
    }
    onGreeted?.(from, null);
  }

  /** Carry one request out; gives the frame to answer, never fails. */
  async #work({ id, method, params }: Request, from: string): Promise<string> {
    try {
      const handler = Object.hasOwn(this.#handlers, method) ? this.#handlers[method] : undefined;
      if (!handler) {
        const sentence = `this remusd (${this.#options.release}) does not know "${oneLine(method)}"; install the same release on both nodes`;
        return encode({ id, error: { code: 'unknown-method', sentence } }, from);
      }
      return encode({ id, ok: (await handler(params, from)) ?? null }, from);
    } catch (error) {
      return encode(errorResponse(id, error), from);
    }
  }

  /** Ask a peer. Rejects with `PeerError`. */
  async call(
    peer: PeerAddress,
    method: string,
    params: unknown,
    timeout_ms: number,
  ): Promise<unknown> {
    const began = performance.now();
    const late = (): PeerError => {
      const sentence = `${peer.node} (${peer.address}:${peer.port}) was not reached within ${timeout_ms} ms; look at "systemctl status remusd" there`;
      return new PeerError('timeout', 'peer not reached in time', sentence, { ...peer });
    };
    const caller = await deadline(this.#caller(peer), timeout_ms, late);
    const left_ms = Math.max(1, timeout_ms - (performance.now() - began));
    return caller.call(method, params, left_ms);
  }

  /** The kept connection to a peer, or a new one; callers at the same time share it. */
  async #caller(peer: PeerAddress): Promise<Caller> {
    const key = `${peer.address} ${peer.port} ${peer.fingerprint}`;
    const kept = this.#callers.get(peer.node);
    if (kept?.key === key) {
      const caller = await kept.caller;
      if (caller.open) return caller;
      // Somebody else may have made a new one meanwhile.
      const now = this.#callers.get(peer.node);
      if (now && now !== kept && now.key === key) return now.caller;
    } else if (kept) {
      kept.caller.then((caller) => caller.drop()).catch(() => undefined);
    }
    return this.#connect(peer, key);
  }

  #connect(peer: PeerAddress, key: string): Promise<Caller> {
    const caller = this.#open(peer);
    const entry = { key, caller };
    this.#callers.set(peer.node, entry);
    caller.catch(() => {
      if (this.#callers.get(peer.node) === entry) this.#callers.delete(peer.node);
    });
    return caller;
  }

  async #open(peer: PeerAddress): Promise<Caller> {
    const { node, address: host, port, fingerprint: expect } = peer;
    try {
      const { identity } = this.#options;
      const timeout_ms = CONNECT_TIMEOUT_MS;
      const socket = await connectTls({ identity, host, port, expect, timeout_ms });
      return new Caller(socket, peer, encode(this.#hello, node), ({ release }) =>
        this.#releases.set(node, release),
      );
    } catch (error) {
      if (!(error instanceof PeerTlsError)) throw error;
      const code = error.code === 'certificate' ? 'certificate' : 'unreachable';
      const sentence = `${node}: ${error.sentence}; look at "systemctl status remusd" there`;
      throw new PeerError(code, 'peer not reached', sentence, { ...error.detail, node });
    }
  }

  /** Stop serving and calling. */
  async close(): Promise<void> {
    await this.#listener?.close();
    this.#listener = undefined;
    const callers = [...this.#callers.values()];
    this.#callers.clear();
    await Promise.all(
      callers.map(({ caller }) => caller.then((one) => one.drop()).catch(() => undefined)),
    );
  }
}
