#!/usr/bin/env node
/** remusd: the composition root, and the only place of the daemon that ends the process. */
import { fileURLToPath } from 'node:url';
import { dirname } from 'node:path';
import { ask } from '../ctl/client.js';
import { release } from '../ctl/release.js';
import { serveAlertSocket } from './adapters/alert-socket.js';
import { systemClock } from './adapters/clock.js';
import { type ControlSocket, serveControlSocket } from './adapters/control-socket.js';
import { sentenceOf } from './adapters/errors.js';
import { busAddress, createDBusService, type DBusService } from './adapters/dbus.js';
import { createExec } from './adapters/exec.js';
import { privateDirectory } from './adapters/files.js';
import { ensureIdentity } from './adapters/identity.js';
import { Journal } from './adapters/journal.js';
import { createLog, underJournal, type LogDestination } from './adapters/log.js';
import { createCluster } from './adapters/pacemaker.js';
import { PeerControl } from './adapters/peer-control.js';
import { History, Registrations } from './adapters/store.js';
import { identify, writePidFile } from './adapters/process-table.js';
import { createSystemd } from './adapters/systemd.js';
import { createXl } from './adapters/xl.js';
import { Doctor, XL_TIMEOUTS } from './doctor/doctor.js';
import { Driller } from './drill/drill.js';
import { Shower } from './drill/show.js';
import { Heartbeat } from './heartbeat.js';
import { Collector, type CollectorParts } from './metrics/collect.js';
import { Metrics } from './metrics/metrics.js';
import { Tally } from './metrics/tally.js';
import type { FenceEvent } from './fencing.js';
import { clusterAddress } from './listen.js';
import { Foreseer } from './foresight.js';
import { LiveDumps } from './live-dump.js';
import { RemusNode } from './node.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { PeerCalls } from './peer-calls.js';
import { peerHandlers } from './peer-requests.js';
import { PeerDirectory } from './peers.js';
import type { Exec } from './ports.js';
import { Requests } from './requests.js';
import { ClusterNews } from './cluster-news.js';
import { ClusterView } from './cluster-view.js';
import { readFenceHistory } from './adapters/cluster-facts.js';
import { alertSocket, controlSocket, pidFile, roomsFrom } from './rooms.js';
import { sparingly } from './sparingly.js';
import { journalFields, logState, type StateLine } from './state-line.js';
import { executors } from './tasks/all.js';
import { realHost } from './tasks/host.js';
import { Underway } from './tasks/underway.js';
import { registrationSchema } from './vm.js';

const RETRY_MS = 1_000;
const PEERS_REST_MS = 500;
/** One try; every call in it has a shorter deadline of its own. */
const TRY_MS = 120_000;

async function serve(options: Options, log: LogDestination): Promise<void> {
  const rooms = roomsFrom(process.env, dirname(dirname(fileURLToPath(import.meta.url))));
  const clock = systemClock;
  const exec = createExec();
  const xl = createXl(exec);
  const host = realHost(rooms, exec);
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
  const heartbeat = new Heartbeat({
    clock,
    log,
    watchdog_ms: systemd.watchdog_ms,
    beat: () => systemd.beat(),
  });
  const starting = new Underway(clock);
  heartbeat.add('start', () => starting.overdue());
  heartbeat.start();
  const name = await persist(log, starting, 'the cluster', () => cluster.localNode());
  const where = options.listen ?? {
    address: await persist(log, starting, 'corosync', () => clusterAddress(exec)),
    port: 7900,
  };
  let port: number | null = null;
  let bus: DBusService | null = null;
  const history = new History(rooms.state);
  const tally = new Tally(clock);
  const node = new RemusNode({
    node: name,
    rooms,
    clock,
    host,
    xl,
    cluster,
    directory,
    log,
    registrations: new Registrations(rooms.run, registrationSchema),
    history,
    published: () =>
      port === null ? null : { address: where.address, port, fingerprint: identity.fingerprint },
    changed: () => bus?.update(node.statuses()),
    turned: (state) => tally.turned(state),
    stated: stateTeller(exec, log),
  });
  // Anybody who reaches the port can cause it.
  const lookForPeers = sparingly(PEERS_REST_MS, clock, () => directory.refresh());
  const control = new PeerControl({
    identity,
    node: name,
    release: release(),
    nodeOf: (fingerprint) => directory.nodeOf(fingerprint),
    allowed: () => directory.fingerprints(),
    onGreeted: (from, problem) => node.peerGreeted(from, problem),
    onNote: (message, fields) => {
      log.info(message, fields);
      // A node that has just been started may have published its certificate after our last look.
      lookForPeers();
    },
  });
  const calls = new PeerCalls(control, directory, xl);
  const doctor = new Doctor({ node: name, release: release(), rooms, exec, calls, directory });
  const work = executors({
    rooms,
    host,
    xl,
    cluster,
    directory,
    calls,
    clock,
    address: () => where.address,
    vm: (resource) => node.vm(resource),
  });
  node.use(tally.counting(work));
  heartbeat.add('VMs', () => node.pulse());
  // Only the daemon that has the control socket touches anything.
  let begin: () => void = () => undefined;
  const recovered = new Promise<void>((resolve) => (begin = resolve)).then(() => node.recover());
  const foreseer = new Foreseer({ node, cluster, calls, exec, clock });
  const shower = new Shower({ node, rooms, exec, xl: createXl(exec, XL_TIMEOUTS), clock });
  const driller = new Driller({ node, cluster, calls, clock, doctor, shower });
  control.serve(peerHandlers(node, calls, recovered, history, clock, doctor, foreseer, shower));
  const fenceEvents = (): Promise<readonly FenceEvent[]> => readFenceHistory(exec);
  const view = new ClusterView({ self: name, cluster, calls, directory, clock, fenceEvents });
  const requests = new Requests({
    node,
    cluster,
    xl,
    clock,
    calls,
    directory,
    view,
    history,
    release: release(),
    recovered,
    doctor,
    foreseer,
    driller,
    dumps: new LiveDumps({ node, cluster, rooms, clock }),
  });
  const socket = await serveControlSocket({
    path: controlSocket(rooms),
    handler: requests.handle,
    problem: (message, fields) => log.warn(message, fields),
  });
  heartbeat.add('control socket', () => ping(controlSocket(rooms)));
  const self = await identify(process.pid);
  if (self !== null) await writePidFile(pidFile(rooms), self);
  begin();
  await recovered;
  bus = createDBusService({
    release: release(),
    node: name,
    address: busAddress(process.env),
    move: ({ action, resource, options, timeout_ms }) =>
      requests.handle(
        { action, resource, timeout_ms, probe: false, check_level: 0, params: {}, options },
        () => undefined,
        AbortSignal.timeout(timeout_ms),
      ),
    onNote: (message, fields) => log.info(message, fields),
  });
  bus.update(node.statuses());
  const listen = (): Promise<number> => control.listen(where.address, where.port);
  port = await persist(log, starting, 'the address', listen);
  await directory.refresh().catch(() => undefined);
  node.begin();
  log.info('ready', { node: name, release: release(), listen: `${where.address}:${port}` });
  await systemd.status(`node ${name}, peers reach it at ${where.address}:${port}`);
  const releaseOf = (peer: string): string | null => control.releaseOf(peer);
  const sources = { node, release: release(), tally, view, releaseOf, log, host, exec, clock };
  const metrics = startMetrics(options, sources);
  const stopped = stopSignal();
  const look = async (): Promise<void> => {
    view.forget();
    await node.look();
  };
  const news = new ClusterNews({ clock, log, cluster, look, fenceEvents });
  void news.begin();
  const alerts = await takeAlerts(alertSocket(rooms), exec, news, log);
  const why = await stopped;
  log.info('stopping; the VMs and their replication go on', { why });
  await systemd.stopping();
  heartbeat.close();
  await metrics?.close();
  await socket.close();
  await alerts?.close();
  news.close();
  bus.close();
  node.close();
  await control.close();
}

/** null: nobody wants any. */
function startMetrics(
  options: Options,
  sources: CollectorParts,
): { close(): Promise<void> } | null {
  const { metrics_textfile: textfile, metrics_listen: listen } = options;
  if (textfile === null && listen === null) return null;
  const collector = new Collector(sources);
  const { log, clock } = sources;
  const metrics = new Metrics({ textfile, listen, log, clock, facts: () => collector.facts() });
  metrics.start();
  return {
    close: () => {
      collector.close();
      return metrics.close();
    },
  };
}

/** State changes have fields of their own in the journal; where there is none, or it takes none, they are in the log. */
function stateTeller(exec: Exec, log: LogDestination): (line: StateLine) => void {
  if (!underJournal(process.env)) return (line) => logState(log, line);
  const journal = new Journal({ exec });
  return (line) =>
    void journal.put(journalFields(line)).catch((error: unknown) => {
      logState(log, line);
      log.debug('the journal took no entry', { why: sentenceOf(error) });
    });
}

/** Without it remusd only hears of things a few seconds later. */
async function takeAlerts(
  path: string,
  exec: Exec,
  { handle, problem }: ClusterNews,
  log: LogDestination,
): Promise<ControlSocket | null> {
  try {
    return await serveAlertSocket({ path, exec, handler: handle, problem });
  } catch (error) {
    log.warn("Pacemaker's alert agent cannot reach us", { why: sentenceOf(error) });
    return null;
  }
}

/** The control socket as the agent finds it. Any answer will do. */
async function ping(path: string): Promise<readonly string[]> {
  await ask({ action: 'ping' }, { path });
  return [];
}

/** What the daemon cannot do without is tried until it works; the log says once what it waits for. */
async function persist<T>(
  log: LogDestination,
  underway: Underway,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  for (let said = ''; ;) {
    try {
      return await underway.run(`the wait for ${what}`, TRY_MS, work);
    } catch (error) {
      const why = sentenceOf(error);
      if (why !== said) log.warn('waiting', { for: what, why });
      said = why;
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
    // Somebody holds the other end of stdout and does not read: exiting would wait for him for ever.
    if (!(await log.flush(1_000))) process.kill(process.pid, 'SIGKILL');
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
