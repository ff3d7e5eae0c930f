import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Child, waitFor } from './child.js';
import { type Place, freePort } from './place.js';
import { childrenOf, commandOf } from './procfs.js';
import { need } from './tools.js';

const START_MS = 10_000;
/** sshd wants it when root starts it; its service makes it. */
const PRIVSEP_DIR = '/run/sshd';

/** A sshd of the bench's own on the loopback, with keys that are thrown away. */
export class SshServer {
  readonly port: number;
  readonly #dir: string;
  #child: Child | null = null;

  private constructor(dir: string, port: number) {
    this.#dir = dir;
    this.port = port;
  }

  static async start(place: Place): Promise<SshServer> {
    const dir = place.fresh('ssh');
    mkdirSync(dir, { mode: 0o700 });
    const server = new SshServer(dir, await freePort());
    server.#makeKeys();
    if (process.getuid?.() === 0 && !existsSync(PRIVSEP_DIR)) {
      mkdirSync(PRIVSEP_DIR, { mode: 0o755 });
      place.cleanup.add(() => rmSync(PRIVSEP_DIR, { recursive: true, force: true }));
    }
    writeFileSync(join(dir, 'sshd_config'), server.#config());
    const argv = [need('sshd'), '-D', '-E', join(dir, 'sshd.log'), '-f', join(dir, 'sshd_config')];
    const child = new Child(argv, 'ignore');
    server.#child = child;
    place.cleanup.add(() => child.stop());
    await server.#up(child);
    return server;
  }

  /** The command that runs `remote` there; `options` for ssh. */
  command(remote: string, options: readonly string[], port = this.port): string {
    const dir = this.#dir;
    const fixed = [
      ...['-F', '/dev/null', '-p', String(port), '-i', join(dir, 'user_key')],
      ...['-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=10'],
      ...['-o', `UserKnownHostsFile=${join(dir, 'known_hosts')}`, '-o', 'HostKeyAlias=bench'],
      ...['-o', 'StrictHostKeyChecking=yes', '-o', 'LogLevel=ERROR'],
    ];
    const to = `${userInfo().username}@127.0.0.1`;
    return `exec ${need('ssh')} ${[...fixed, ...options].join(' ')} ${to} "${remote}"`;
  }

  /** sshd's processes for the connections of now; what they run is not sshd. */
  sessionPids(): number[] {
    const below = (pid: number): number[] =>
      childrenOf(pid).flatMap((child) =>
        commandOf(child) === 'sshd' ? [child, ...below(child)] : [],
      );
    return below(this.#child?.process.pid ?? 0);
  }

  #makeKeys(): void {
    for (const name of ['host_key', 'user_key']) {
      const path = join(this.#dir, name);
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path], {
        timeout: START_MS,
      });
    }
    const publicKey = (name: string): string =>
      readFileSync(join(this.#dir, `${name}.pub`), 'utf8');
    writeFileSync(join(this.#dir, 'authorized_keys'), publicKey('user_key'));
    writeFileSync(join(this.#dir, 'known_hosts'), `bench ${publicKey('host_key')}`);
  }

  #config(): string {
    const lines = [
      `Port ${this.port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(this.#dir, 'host_key')}`,
      `PidFile none`,
      `AuthorizedKeysFile ${join(this.#dir, 'authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'PrintMotd no',
    ];
    return `${lines.join('\n')}\n`;
  }

  async #up(child: Child): Promise<void> {
    let answers = false;
    const knock = (): void => {
      const socket = connect(this.port, '127.0.0.1', () => {
        answers = true;
        socket.destroy();
      });
      socket.on('error', () => undefined);
    };
    const log = join(this.#dir, 'sshd.log');
    const said = (): string => (existsSync(log) ? readFileSync(log, 'utf8').trim() : '');
    await waitFor(`sshd on port ${this.port}`, START_MS, () => {
      if (!child.running) throw new Error(`sshd did not start: ${said()}`);
      if (!answers) knock();
      return answers;
    });
  }
}
