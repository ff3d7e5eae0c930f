/**
 * TLS between nodes. TLS 1.3 only, both sides show a certificate, and a certificate is judged by its
 * fingerprint and by nothing else (no CA, no names, no dates: the cluster's attributes say who is who).
 * A peer that fails this is dropped before a byte of application data is handed over.
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { TLSSocket, connect, createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { AdapterError, errnoOf, reasonOf, sentenceOf } from './errors.js';
import { fingerprintOf, parseFingerprint } from './identity.js';
import type { Identity } from './identity.js';
import { patient } from './patience.js';

export type PeerTlsErrorCode = 'timeout' | 'network' | 'certificate' | 'listen';
/** `certificate`: somebody else answered there. `network`: nobody did, or the connection broke. */
export class PeerTlsError extends AdapterError<PeerTlsErrorCode> {}

const HANDSHAKE_TIMEOUT_MS = patient(5000);
const KEEPALIVE_MS = 5000;
const MAX_PENDING_HANDSHAKES = 32;
const MAX_CONNECTIONS = 256;

export interface ListenOptions {
  readonly identity: Identity;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The fingerprints that may speak to us, asked anew for every connection. */
  readonly allowed: () => ReadonlySet<string>;
  /** Called once a peer is proven. The socket is paused until it is listened to; errors on it must be handled by the owner, too. */
  readonly onConnection: (socket: TLSSocket, fingerprint: string) => void;
  /** Somebody was turned away; for the log. */
  readonly onRejected?: (detail: { readonly remote: string; readonly why: string }) => void;
  /** Default 5000. */
  readonly handshake_timeout_ms?: number;
}

export interface TlsListener {
  readonly port: number;
  /** Stop listening and drop every connection. */
  close(): Promise<void>;
}

function contextOf(identity: Identity): SecureContext {
  return createSecureContext({
    key: identity.key,
    cert: identity.cert,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
  });
}

/** The fingerprint of the certificate whose key the other side has proven to hold; null without one. */
function peerFingerprint(socket: TLSSocket): string | null {
  const certificate = socket.getPeerX509Certificate();
  return certificate ? fingerprintOf(certificate.raw) : null;
}

function includes(allowed: ReadonlySet<string>, fingerprint: string): boolean {
  for (const one of allowed) if (parseFingerprint(one) === fingerprint) return true;
  return false;
}

function tune(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEPALIVE_MS);
}

/** Listen for peers. Rejects with `PeerTlsError` when the address cannot be had. */
export function listenTls(options: ListenOptions): Promise<TlsListener> {
  const context = contextOf(options.identity);
  const open = new Set<Socket>();
  let pending = 0;
  const server = createServer((raw) => {
    if (pending >= MAX_PENDING_HANDSHAKES || open.size >= MAX_CONNECTIONS) {
      options.onRejected?.({ remote: raw.remoteAddress ?? '?', why: 'too many connections' });
      raw.on('error', () => undefined).destroy();
      return;
    }
    pending += 1;
    open.add(raw);
    const socket = accept(raw, context, options, () => (pending -= 1));
    socket.once('close', () => {
      open.delete(raw);
      raw.destroy();
    });
  });
  return listening(server, options, () => {
    for (const raw of open) raw.destroy();
  });
}

/** One incoming connection: handshake within the deadline, judge the certificate, hand over or drop. */
function accept(
  raw: Socket,
  secureContext: SecureContext,
  options: ListenOptions,
  handshakeOver: () => void,
): TLSSocket {
  const remote = raw.remoteAddress ?? '?';
  let judged = false;
  // rejectUnauthorized asks about CAs; holding the key is proven by the handshake, the fingerprint is checked below.
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext,
    requestCert: true,
    rejectUnauthorized: false,
  });
  const judge = (why: string | null): boolean => {
    if (judged) return false;
    judged = true;
    clearTimeout(timer);
    handshakeOver();
    if (why === null) return true;
    options.onRejected?.({ remote, why });
    socket.destroy();
    return false;
  };
  const timer = setTimeout(
    () => judge('handshake took too long'),
    options.handshake_timeout_ms ?? HANDSHAKE_TIMEOUT_MS,
  );
  raw.on('error', () => socket.destroy());
  socket.on('error', (error) => judge(sentenceOf(error)));
  socket.once('close', () => judge('closed during the handshake'));
  socket.once('secure', () => {
    const fingerprint = peerFingerprint(socket);
    if (fingerprint === null) return void judge('no certificate');
    if (!includes(options.allowed(), fingerprint)) return void judge('unknown certificate');
    if (!judge(null)) return;
    tune(socket);
    options.onConnection(socket, fingerprint);
  });
  return socket;
}

function listening(
  server: Server,
  { host, port }: ListenOptions,
  dropAll: () => void,
): Promise<TlsListener> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const sentence = `cannot listen on ${host}:${port}: ${reasonOf(error)}; check --listen and "ss -ltnp"`;
      reject(
        new PeerTlsError('listen', 'cannot listen', sentence, {
          host,
          port,
          errno: errnoOf(error),
        }),
      );
    };
    server.once('error', fail);
    server.listen({ host, port }, () => {
      server.off('error', fail);
      // Accepting may fail later (out of descriptors): the peer sees it and tries again.
      server.on('error', () => undefined);
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            dropAll();
          }),
      });
    });
  });
}

export interface ConnectOptions {
  readonly identity: Identity;
  readonly host: string;
  readonly port: number;
  /** The one fingerprint that may answer. */
  readonly expect: string;
  /** For connecting and the handshake together. */
  readonly timeout_ms: number;
}

/**
 * Connect to a peer and prove that it is the expected one. Rejects with `PeerTlsError`.
 * In TLS 1.3 the client is done first: when the *other* side refuses us, the socket closes just after.
 */
export function connectTls(options: ConnectOptions): Promise<TLSSocket> {
  const { host, port, timeout_ms } = options;
  const where = { host, port };
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      secureContext: contextOf(options.identity),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      checkServerIdentity: () => undefined,
    });
    const fail = (code: PeerTlsErrorCode, message: string, sentence: string): void => {
      clearTimeout(timer);
      socket.on('error', () => undefined).destroy();
      reject(new PeerTlsError(code, message, sentence, where));
    };
    const broken = (error?: Error): void => {
      const why = error ? reasonOf(error) : 'closed during the handshake';
      fail('network', 'peer not reached', `no connection to ${host}:${port}: ${why}`);
    };
    const closed = (): void => broken();
    const timer = setTimeout(() => {
      fail(
        'timeout',
        'peer did not answer',
        `${host}:${port} did not answer within ${timeout_ms} ms`,
      );
    }, timeout_ms);
    socket.once('error', broken);
    socket.once('close', closed);
    socket.once('secureConnect', () => {
      const found = peerFingerprint(socket);
      if (found === null || found !== parseFingerprint(options.expect)) {
        const sentence = `${host}:${port} answers with another certificate than its node attribute says`;
        fail('certificate', 'unexpected certificate', sentence);
        return;
      }
      clearTimeout(timer);
      socket.off('error', broken);
      socket.off('close', closed);
      // Without a listener a reset would end the process; the owner adds its own.
      socket.on('error', () => undefined);
      tune(socket);
      resolve(socket);
    });
  });
}
