/**
 * This node's identity towards its peers: an EC P-256 key and a self-signed certificate, made on first start.
 * Nobody signs it: peers know its fingerprint through the cluster's own node attributes.
 */
import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { chmod, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Exec } from '../ports.js';
import { AdapterError, errnoOf, oneLine, reasonOf, sentenceOf } from './errors.js';
import { privateDirectory, writeFileAtomic } from './files.js';

/** What peer-tls needs to speak as this node. */
export interface Identity {
  /** PEM. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
  /** SHA-256 of the DER certificate, 64 lower-case hex digits. */
  readonly fingerprint: string;
}

export type IdentityErrorCode = 'missing' | 'unreadable' | 'damaged' | 'openssl';
export class IdentityError extends AdapterError<IdentityErrorCode> {}

const FILE = 'identity.pem';
const OPENSSL_TIMEOUT_MS = 20_000;
const HUNDRED_YEARS_DAYS = 36500;

/** Path of the identity: key and certificate in one file, so that they are replaced together. */
export function identityPath(state_dir: string): string {
  return join(state_dir, FILE);
}

/** SHA-256 of a DER certificate as peers exchange it. */
export function fingerprintOf(der: Buffer): string {
  return createHash('sha256').update(der).digest('hex');
}

/** A fingerprint in any usual spelling (`sha256:` before it, colons, capitals) as 64 lower-case hex digits; null when it is none. */
export function parseFingerprint(text: string): string | null {
  const hex = text
    .trim()
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  return /^[0-9a-f]{64}$/.test(hex) ? hex : null;
}

/** Read the identity that remusd made. For the data processes; rejects with `IdentityError`. */
export async function readIdentity(state_dir: string): Promise<Identity> {
  const path = identityPath(state_dir);
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
  return parseIdentity(pem, path);
}

function unreadable(path: string, error: unknown): IdentityError {
  const errno = errnoOf(error);
  if (errno === 'ENOENT') {
    return new IdentityError(
      'missing',
      'no identity',
      `${path} is missing; start remusd, it makes one`,
      {
        path,
      },
    );
  }
  const why = reasonOf(error);
  const sentence = `${path} cannot be read (${why}); remove it and restart remusd for a new one`;
  return new IdentityError('unreadable', 'identity cannot be read', sentence, { path, errno });
}

function parseIdentity(pem: string, path: string): Identity {
  try {
    const key = block(
      pem,
      /-----BEGIN (?:EC )?PRIVATE KEY-----[^-]+-----END (?:EC )?PRIVATE KEY-----/,
    );
    const cert = block(pem, /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/);
    const x509 = new X509Certificate(cert);
    if (!x509.checkPrivateKey(createPrivateKey(key))) throw new Error('key and certificate differ');
    return { key, cert, fingerprint: fingerprintOf(x509.raw) };
  } catch (error) {
    const why = sentenceOf(error);
    const sentence = `${path} is damaged (${why}); restart remusd for a new one`;
    throw new IdentityError('damaged', 'identity is damaged', sentence, { path, why });
  }
}

function block(pem: string, pattern: RegExp): string {
  const found = pattern.exec(pem);
  if (!found) throw new Error('a PEM block is missing');
  return `${found[0]}\n`;
}

/** What `ensureIdentity` did, for the log. */
export interface IdentityNote {
  readonly message: 'identity made' | 'identity was damaged and has been replaced';
  readonly detail: Readonly<Record<string, unknown>>;
}

/**
 * Read the identity, or make one on first start. A damaged one is set aside as identity.pem.damaged and replaced:
 * peers learn the new fingerprint from the node attribute. Rejects with `IdentityError` when it can be neither.
 */
export async function ensureIdentity(options: {
  readonly state_dir: string;
  readonly exec: Exec;
  readonly note?: (note: IdentityNote) => void;
}): Promise<Identity> {
  const { state_dir, exec, note } = options;
  const path = identityPath(state_dir);
  await privateDirectory(state_dir);
  try {
    const identity = await readIdentity(state_dir);
    await keepPrivate(path);
    return identity;
  } catch (error) {
    if (!(error instanceof IdentityError) || error.code === 'unreadable') throw error;
    const identity = await makeIdentity(state_dir, exec);
    if (error.code === 'damaged') await rename(path, `${path}.damaged`);
    await writeFileAtomic(path, identity.key + identity.cert);
    const { fingerprint } = identity;
    note?.(
      error.code === 'damaged'
        ? {
            message: 'identity was damaged and has been replaced',
            detail: { ...error.detail, fingerprint },
          }
        : { message: 'identity made', detail: { path, fingerprint } },
    );
    return identity;
  }
}

async function keepPrivate(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) await chmod(path, 0o600);
}

async function makeIdentity(state_dir: string, exec: Exec): Promise<Identity> {
  const dir = await mkdtemp(join(state_dir, '.identity-'));
  try {
    const key = join(dir, 'key.pem');
    const cert = join(dir, 'cert.pem');
    const result = await exec.run(opensslArgv(key, cert), { timeout_ms: OPENSSL_TIMEOUT_MS });
    if (result.code !== 0) {
      const why = result.timed_out ? 'no answer in time' : oneLine(result.stderr, 200);
      const sentence = `no identity could be made: openssl: ${why}; check "openssl version" and the space on ${state_dir}`;
      throw new IdentityError('openssl', 'openssl failed', sentence, { ...result });
    }
    const pem = (await readFile(key, 'utf8')) + (await readFile(cert, 'utf8'));
    return parseIdentity(pem, identityPath(state_dir));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function opensslArgv(key: string, cert: string): string[] {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const subject = ['-subj', '/CN=pacemaker-remus', '-days', String(HUNDRED_YEARS_DAYS)];
  return ['openssl', 'req', '-batch', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert];
}
