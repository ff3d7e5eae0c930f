#!/usr/bin/env node
/** remusd: the composition root, and the only place of the daemon that ends the process. */
import { fileURLToPath } from 'node:url';
import { dirname } from 'node:path';
import { release } from '../ctl/release.js';
import { systemClock } from './adapters/clock.js';
import { serveControlSocket } from './adapters/control-socket.js';
import { sentenceOf } from './adapters/errors.js';
import { createExec } from './adapters/exec.js';
import { privateDirectory } from './adapters/files.js';
import { ensureIdentity } from './adapters/identity.js';
import { createLog, underJournal, type LogDestination } from './adapters/log.js';
import { createCluster } from './adapters/pacemaker.js';
import { PeerControl } from './adapters/peer-control.js';
import { History, Registrations } from './adapters/store.js';
import { createSystemd } from './adapters/systemd.js';
import { createXl } from './adapters/xl.js';
import { clusterAddress, type Options, parseOptions, USAGE } from './listen.js';
import { RemusNode } from './node.js';
import { PeerCalls } from './peer-calls.js';
import { peerHandlers } from './peer-requests.js';
import { PeerDirectory } from './peers.js';
import { Requests } from './requests.js';
import { controlSocket, roomsFrom } from './rooms.js';
import { executors } from './tasks/all.js';
import { registrationSchema } from './vm.js';

const RETRY_MS = 1_000;

async function serve(options: Options, log: LogDestination): Promise<void> {
  const rooms = roomsFrom(process.env, dirname(dirname(fileURLToPath(import.meta.url))));
  const clock = systemClock;
  const exec = createExec();
  const xl = createXl(exec);
  const cluster = createCluster(exec);
  const directory = new PeerDirectory(cluster);
  await privateDirectory(rooms.run);
  await privateDirectory(rooms.state);
  const identity = await ensureIdentity({
    state_dir: rooms.state,
    exec,
    note: ({ message, detail }) => log.info(message, detail),
  });
  const systemd = createSystemd({
    exec,
    clock,
    onError: (message, fields) => log.warn(message, fields),
  });
  await systemd.ready('waiting for the cluster');
  const beat = (): void => systemd.beat();
  keepBeating(beat);
  const name = await persist(log, 'the cluster', () => cluster.localNode(), beat);
  const where = options.listen ?? {
    address: await persist(log, 'corosync', () => clusterAddress(exec), beat),
    port: 7900,
  };
  let port: number | null = null;
  const node = new RemusNode({
    node: name,
    rooms,
    clock,
    xl,
    cluster,
    directory,
    log,
    registrations: new Registrations(rooms.run, registrationSchema),
    history: new History(rooms.state),
    published: () =>
      port === null ? null : { address: where.address, port, fingerprint: identity.fingerprint },
    changed: () => undefined,
    turned: beat,
  });
  const control = new PeerControl({
    identity,
    node: name,
    release: release(),
    nodeOf: (fingerprint) => directory.nodeOf(fingerprint),
    allowed: () => directory.fingerprints(),
    onNote: (message, fields) => {
      log.info(message, fields);
      // A node that has just been started may have published its certificate after our last look.
      directory.refresh().catch(() => undefined);
    },
  });
  const calls = new PeerCalls(control, directory, xl);
  node.use(
    executors({
      rooms,
      exec,
      xl,
      cluster,
      directory,
      calls,
      address: () => where.address,
      vm: (resource) => node.vm(resource),
    }),
  );
  const recovered = node.recover();
  control.serve(peerHandlers(node, calls, recovered));
  const requests = new Requests({
    node,
    cluster,
    xl,
    clock,
    calls,
    directory,
    release: release(),
    recovered,
  });
  const socket = await serveControlSocket({
    path: controlSocket(rooms),
    handler: requests.handle,
    problem: (message, fields) => log.warn(message, fields),
  });
  await recovered;
  port = await persist(log, 'the address', () => control.listen(where.address, where.port), beat);
  await directory.refresh().catch(() => undefined);
  node.begin();
  log.info('ready', { node: name, release: release(), listen: `${where.address}:${port}` });
  await systemd.status(`node ${name}, peers reach it at ${where.address}:${port}`);
  const why = await stopSignal();
  log.info('stopping; the VMs and their replication go on', { why });
  await systemd.stopping();
  await socket.close();
  node.close();
  await control.close();
}

/** The watchdog is fed by turns of the event loop that also look at the data plane: see RemusNode. */
function keepBeating(beat: () => void): void {
  setInterval(beat, 1_000).unref();
}

/** What the daemon cannot do without is tried until it works; the log says once what it waits for. */
async function persist<T>(
  log: LogDestination,
  what: string,
  work: () => Promise<T>,
  beat: () => void,
): Promise<T> {
  for (let said = ''; ;) {
    try {
      return await work();
    } catch (error) {
      const why = sentenceOf(error);
      if (why !== said) log.warn('waiting', { for: what, why });
      said = why;
      beat();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  });
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return say(USAGE);
  if (options.version) return say(`remusd ${release()}\n`);
  const log = createLog({ level: options.log_level, journal: underJournal(process.env) });
  process.on('unhandledRejection', (error) => log.error('a failure was not handled', { error }));
  try {
    await serve(options, log);
    return 0;
  } catch (error) {
    log.error('remusd cannot go on', { error });
    return 1;
  } finally {
    await log.flush(1_000);
  }
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`remusd: ${sentenceOf(error)}\n\n${USAGE}`);
    process.exit(2);
  },
);
