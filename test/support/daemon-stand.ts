/**
 * The real remusd as a process, alone on node pm1 of a cluster that is made of stub programs: everything is online, writes
 * are taken, and xl has the domains that lie in a directory. The other node, pm2, is whoever has its certificate.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../ctl/client.js';
import type { ControlAnswer } from '../../daemon/adapters/control-protocol.js';
import { createExec } from '../../daemon/adapters/exec.js';
import { ensureIdentity, type Identity } from '../../daemon/adapters/identity.js';

const MAIN = join(import.meta.dirname, '../../daemon/main.js');
const FIXTURES = join(import.meta.dirname, '../../../test/fixtures');
const START_MS = 20_000;
const STOP_MS = 5_000;

const PROGRAMS: Readonly<Record<string, string>> = {
  crm_node: 'echo pm1',
  crm_mon: `cat '${FIXTURES}/pacemaker/crm_mon-status.xml'`,
  crm_resource: ':',
  stonith_admin: `cat '${FIXTURES}/doctor/fence-history.xml'`,
  crm_attribute: ':',
  attrd_updater: `
case "$*" in
*--query*) echo '<pacemaker-result>'; cat "$STAND"/peers/*; echo '<status code="0" message="OK"/></pacemaker-result>' ;;
*'--node pm1 --name #remus-peer --update='*)
  echo "<attribute name=\\"#remus-peer\\" host=\\"pm1\\" value=\\"\${5#--update=}\\"/>" >"$STAND/peers/pm1" ;;
esac`,
  cibadmin: `
case "$*" in
*--query*remus-record*) [ -e "$STAND/record" ] || exit 105; cat "$STAND/record" ;;
*--query*transient_attributes*) echo '<nvpair name="there" value="1"/>' ;;
*--query*) exit 105 ;;
*--xml-text*)
  for word; do case $word in *'<nvpair'*) text="<nvpair\${word#*<nvpair}" ;; esac; done
  printf '%s/>\\n' "\${text%%/>*}" >"$STAND/record" ;;
esac`,
  xl: `
cd "$STAND/domains" || exit 9
case $1 in
info) cat '${FIXTURES}/doctor/xl-info-4.20.txt' ;;
list)
  printf 'Name ID Mem VCPUs State Time(s) UUID Reason-Code Security Label\\n'
  printf 'Domain-0 0 1280 1 r----- 341.3 00000000-0000-0000-0000-000000000000 - -\\n'
  for f in *; do
    [ -e "$f" ] || continue
    printf '%s 2 96 1 -b---- 129.5 8e87a614-8c56-465f-87a1-b350df8af1b6 - -\\n' "$f"
  done ;;
create) : >guest1 ;;
shutdown | destroy) rm -f guest1 ;;
esac
exit 0`,
  ip: ':',
  tc: ':',
};

export interface Stand {
  readonly run_dir: string;
  readonly socket: string;
  /** Where pm1 listens for peers. */
  readonly port: number;
  /** Of pm1. */
  readonly fingerprint: string;
  /** Of pm2: whoever has it is let in. */
  readonly peer: Identity;
}

/** A port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export class DaemonStand implements Stand {
  readonly dir = mkdtempSync(join(tmpdir(), 'remus-stand-'));
  readonly run_dir = join(this.dir, 'run');
  readonly socket = join(this.run_dir, 'remusd.sock');
  readonly config = join(this.dir, 'vm1.cfg');
  readonly log_file = join(this.dir, 'remusd.log');
  #port = 0;
  #identities: { own: Identity; peer: Identity } | null = null;
  #child: ChildProcess | null = null;

  get port(): number {
    return this.#port;
  }

  get fingerprint(): string {
    return this.#made().own.fingerprint;
  }

  get peer(): Identity {
    return this.#made().peer;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get alive(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything that remusd has logged. */
  get log(): string {
    return readFileSync(this.log_file, 'utf8');
  }

  /** Until remusd answers and listens for peers. */
  async start(options: readonly string[] = []): Promise<void> {
    await this.#prepare();
    await this.launch(options);
  }

  /** Once more, after a stop. */
  async launch(options: readonly string[] = []): Promise<void> {
    const log = openSync(this.log_file, 'a');
    this.#child = spawn(
      process.execPath,
      [MAIN, '--listen', `127.0.0.1:${this.#port}`, ...options],
      { stdio: ['ignore', log, log], env: this.#environment() },
    );
    closeSync(log);
    await this.until('remusd is ready', () => this.log.includes('"msg":"ready"'));
  }

  async until(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + START_MS;
    while (!(await test())) {
      assert.ok(this.alive, `remusd has ended:\n${this.log}`);
      assert.ok(performance.now() < deadline, `waited in vain: ${what}\n${this.log}`);
      await sleep(20);
    }
  }

  ask(action: string, fields: Readonly<Record<string, string>> = {}): Promise<ControlAnswer> {
    return ask({ action, ...fields }, { path: this.socket });
  }

  /** An action of Pacemaker on vm1. */
  agent(action: string): Promise<ControlAnswer> {
    const fields = { resource: 'vm1', timeout_ms: '20000', 'param.config': this.config };
    return this.ask(action, fields);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || !this.alive) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(late);
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #made(): { own: Identity; peer: Identity } {
    assert.ok(this.#identities, 'start the stand first');
    return this.#identities;
  }

  async #prepare(): Promise<void> {
    for (const dir of ['bin', 'peers', 'domains', 'state', 'peer']) mkdirSync(join(this.dir, dir));
    for (const [name, body] of Object.entries(PROGRAMS))
      writeFileSync(join(this.dir, 'bin', name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    writeFileSync(this.config, 'name = "guest1"\ntype = "pvh"\nmemory = 96\n');
    const identity = (dir: string): Promise<Identity> =>
      ensureIdentity({ state_dir: join(this.dir, dir), exec: createExec() });
    this.#identities = { own: await identity('state'), peer: await identity('peer') };
    this.#port = await freePort();
    // Nobody listens there.
    const value = `127.0.0.1:9 sha256:${this.peer.fingerprint}`;
    writeFileSync(
      join(this.dir, 'peers/pm2'),
      `<attribute name="#remus-peer" host="pm2" value="${value}"/>\n`,
    );
  }

  #environment(): NodeJS.ProcessEnv {
    return {
      PATH: `${join(this.dir, 'bin')}:${process.env['PATH'] ?? ''}`,
      STAND: this.dir,
      REMUS_RUNDIR: this.run_dir,
      REMUS_STATEDIR: join(this.dir, 'state'),
      // No bus: that, too, must disturb nothing.
      DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${join(this.dir, 'no-bus')}`,
    };
  }
}
