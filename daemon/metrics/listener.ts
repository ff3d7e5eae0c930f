/** The metrics over HTTP, for a Prometheus that scrapes: GET /metrics, and nothing else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sentenceOf } from '../adapters/errors.js';
import type { Where } from '../listen.js';

const CONNECTIONS_MAX = 16;
const HEADER_BYTES_MAX = 8 * 1024;
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
const IDLE_MS = 90_000;
const HTTP = { OK: 200, NOT_FOUND: 404, NOT_ALLOWED: 405, FAILED: 500 } as const;

export interface Page {
  readonly type: string;
  readonly text: string;
}

export interface MetricsListener {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects when the address cannot be had. */
export async function listenHttp(
  { address, port }: Where,
  page: () => Promise<Page>,
): Promise<MetricsListener> {
  const limits = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: HEADERS_MS,
  };
  const server = createServer(limits, (request, response) => void answer(request, response, page));
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // Out of descriptors, for example: who connects sees it and tries again.
  server.on('error', () => undefined);
  return { port: (server.address() as AddressInfo).port, close: () => closed(server) };
}

async function answer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  page: () => Promise<Page>,
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') {
    say(response, HTTP.NOT_ALLOWED, { type: 'text/plain', text: 'only GET is answered here\n' });
  } else if (url?.split('?')[0] !== '/metrics') {
    say(response, HTTP.NOT_FOUND, { type: 'text/plain', text: 'the metrics are at /metrics\n' });
  } else {
    try {
      say(response, HTTP.OK, await page());
    } catch (error) {
      say(response, HTTP.FAILED, { type: 'text/plain', text: `${sentenceOf(error)}\n` });
    }
  }
}

function say(response: ServerResponse, status: number, { type, text }: Page): void {
  const length = Buffer.byteLength(text);
  response.writeHead(status, { 'content-type': type, 'content-length': length }).end(text);
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
