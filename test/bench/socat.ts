import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BANNER } from '../simxen/stream/format.js';
import { Child } from './child.js';
import { type Place, freePort } from './place.js';
import { need } from './tools.js';

/** socat's own 8 KiB would cost it half of its speed. */
const BLOCK = '-b131072';
const TRIES = 500;

/** A certificate that is thrown away; both ends show it and trust nothing else. */
export function makeCertificate(place: Place): string {
  const dir = place.fresh('socat');
  mkdirSync(dir, { mode: 0o700 });
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')];
  execFileSync('openssl', [...args, ...files, '-subj', '/CN=bench', '-days', '2'], {
    timeout: 20_000,
    stdio: 'ignore',
  });
  return dir;
}

export interface SocatEnds {
  /** What xl runs. */
  readonly command: string;
  readonly server: Child;
}

/** socat at both ends, the far one in front of `remote`. With a certificate's directory TLS, else plain TCP. */
export async function startSocat(remote: string, cert_dir: string | null): Promise<SocatEnds> {
  const port = await freePort();
  const socat = need('socat');
  const { listen, call } = addresses(port, cert_dir);
  const server = new Child([socat, '-u', BLOCK, listen, `EXEC:${remote},pipes`], 'ignore');
  await listening(port);
  // Nothing comes back through it: the banner is said here.
  const banner = BANNER.replace('\n', '\\n');
  return { command: `printf '${banner}'; exec ${socat} -u ${BLOCK} STDIN ${call}`, server };
}

function addresses(port: number, cert_dir: string | null): { listen: string; call: string } {
  const tcp = 'bind=127.0.0.1,reuseaddr,nodelay';
  if (cert_dir === null) {
    return { listen: `TCP-LISTEN:${port},${tcp}`, call: `TCP:127.0.0.1:${port},nodelay` };
  }
  const [cert, key] = [join(cert_dir, 'cert.pem'), join(cert_dir, 'key.pem')];
  const tls = `cert=${cert},key=${key},cafile=${cert},verify=1,openssl-min-proto-version=TLS1.3`;
  return {
    listen: `OPENSSL-LISTEN:${port},${tcp},${tls}`,
    call: `OPENSSL:127.0.0.1:${port},nodelay,commonname=bench,${tls}`,
  };
}

/** It takes one connection, so it must not be called to find out: the kernel's list says it (address and state, 0A, in hex). */
async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (await inUse(port)) return;
    await sleep(10);
  }
  throw new Error(`socat does not listen on port ${port}`);
}

async function inUse(port: number): Promise<boolean> {
  const hex = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`;
  return (await readFile('/proc/net/tcp', 'utf8')).includes(hex);
}
